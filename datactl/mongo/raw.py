"""Raw BSON: batches split into documents, and a document's `_id` taken, without decoding anything else.

BSON's lengths and types: https://bsonspec.org/spec.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from datactl.errors import DatabaseError
from datactl.mongo.driver_errors import mapping_errors

# (id_key, document): the `_id` as its BSON type byte followed by its value bytes, and the document's own bytes.
RawDocument: TypeAlias = tuple[bytes, bytes]

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True,
    uuid_representation=bson.binary.UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)

_OBJECT_ID_FIRST = struct.Struct("<i5s12s")  # length, b"\x07_id\0", the 12 bytes
_LENGTH = struct.Struct("<i")
_SMALLEST_DOCUMENT = 5

_FIXED = {
    0x01: 8,  # double
    0x06: 0,  # undefined
    0x07: 12,  # ObjectId
    0x08: 1,  # bool
    0x09: 8,  # date
    0x0A: 0,  # null
    0x10: 4,  # int32
    0x11: 8,  # timestamp
    0x12: 8,  # int64
    0x13: 16,  # decimal128
    0x7F: 0,  # max key
    0xFF: 0,  # min key
}
_SELF_SIZED = {0x03, 0x04, 0x0F}  # document, array, code with scope: the length counts itself
_STRINGS = {0x02, 0x0D, 0x0E}  # string, code, symbol: length, then that many bytes
_BINARY = 0x05
_REGEX = 0x0B
_DB_POINTER = 0x0C


def split_batch(batch: bytes) -> Iterator[RawDocument]:
    """The documents of concatenated BSON, in order. Raises DatabaseError where the lengths do not add up."""
    offset, end = 0, len(batch)
    unpack = _OBJECT_ID_FIRST.unpack_from
    last_fast = end - _OBJECT_ID_FIRST.size
    while offset < end:
        if offset <= last_fast:
            length, head, value = unpack(batch, offset)
            after = offset + length
            if head == b"\x07_id\x00" and _OBJECT_ID_FIRST.size < length and after <= end:
                yield b"\x07" + value, batch[offset:after]
                offset = after
                continue
        elif end - offset >= _SMALLEST_DOCUMENT:
            (length,) = _LENGTH.unpack_from(batch, offset)
            after = offset + length
        else:
            raise _broken("a batch ends inside a document")
        if length < _SMALLEST_DOCUMENT or after > end:
            raise _broken(f"a document at byte {offset} says it has {length} bytes, {end - offset} are there")
        document = batch[offset:after]
        yield raw_id(document), document
        offset = after


def raw_id(document: bytes) -> bytes:
    """The key of a document's `_id` wherever it stands. Raises DatabaseError if there is none."""
    try:
        return _walk_to_id(document)
    except (IndexError, ValueError, struct.error) as error:
        raise _broken("an element runs past the end of its document") from error


def decode_id(key: bytes) -> Any:
    """The value of an id key: `decode_id(raw_id(bson.encode({"_id": v}))) == v`."""
    length = _LENGTH.size + len(key) + len(b"_id\x00") + 1
    with mapping_errors("reading an _id"):
        return bson.decode(_LENGTH.pack(length) + key[:1] + b"_id\x00" + key[1:] + b"\x00", CODEC)["_id"]


def find_raw(
    collection: Collection[dict[str, Any]],
    filter: Mapping[str, Any],
    *,
    session: ClientSession | None = None,
    batch_size: int = 0,
    sort: Sequence[tuple[str, int]] | None = None,
    projection: Mapping[str, Any] | None = None,
    hint: str | Sequence[tuple[str, int]] | None = None,
) -> Iterator[bytes]:
    """A find whose answers stay BSON: batches for `split_batch`. `batch_size` 0 leaves it to the server."""
    with mapping_errors(f"reading {collection.name}"):
        cursor = collection.find_raw_batches(
            filter, projection, session=session, batch_size=batch_size, sort=sort, hint=hint
        )
        with cursor:
            batches = cast("Iterator[bytes]", cursor)  # the driver's types say documents
            yield from (batch for batch in batches if batch)


def _walk_to_id(document: bytes) -> bytes:
    offset, end = _LENGTH.size, len(document) - 1
    while offset < end:
        kind = document[offset]
        name_end = document.index(0, offset + 1)
        value = name_end + 1
        after = _value_end(document, kind, value)
        if after > end:
            raise _broken("an element runs past the end of its document")
        if document[offset + 1 : name_end] == b"_id":
            return document[offset : offset + 1] + document[value:after]
        offset = after
    raise _broken("a document has no _id")


def _value_end(document: bytes, kind: int, start: int) -> int:
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return start + fixed
    if kind == _REGEX:
        return document.index(0, document.index(0, start) + 1) + 1
    (length,) = _LENGTH.unpack_from(document, start)
    if length < 0:
        raise _broken("an element has a negative length")
    if kind in _STRINGS:
        return start + _LENGTH.size + int(length)
    if kind in _SELF_SIZED:
        return start + int(length)
    if kind == _BINARY:
        return start + _LENGTH.size + 1 + int(length)
    if kind == _DB_POINTER:
        return start + _LENGTH.size + int(length) + 12
    raise _broken(f"an element has the unknown type 0x{kind:02x}")


def _broken(why: str) -> DatabaseError:
    return DatabaseError("not valid BSON", why=why, next="run validate({full: true}) on the collection in mongosh")
