"""Documents and filters as raw BSON: what the archive touches is never decoded, so it comes back bit for bit."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession

from datactl.mongo import CODEC, Mongo, find_raw, split_batch
from datactl.schema import Marks
from datactl.vault.idkey import normalise_id_key
from datactl.vault.rawbson import elements

_LENGTH = struct.Struct("<i")
_OVERHEAD = _LENGTH.size + 1  # the length before, the zero byte after
_LENIENT: CodecOptions[dict[str, Any]] = CODEC.with_options(unicode_decode_error_handler="replace")
_DOCUMENT = 0x03
_ARRAY = 0x04
_LIST = bytes((_ARRAY,))
_BOOL = 0x08


def document_of(parts: Iterable[bytes]) -> bytes:
    """A BSON document of whole elements (type byte, name, zero byte, value)."""
    body = b"".join(parts)
    return _LENGTH.pack(len(body) + _OVERHEAD) + body + b"\x00"


def element(name: bytes, key: bytes) -> bytes:
    """One element; `key` is the type byte and the value's bytes, as an id key is."""
    return key[:1] + name + b"\x00" + key[1:]


def any_of(field: bytes, keys: Sequence[bytes]) -> bytes:
    """The element `field: {$in: [...]}` over values given as type byte and bytes."""
    array = document_of(element(str(index).encode(), key) for index, key in enumerate(keys))
    operator = document_of([element(b"$in", bytes((_ARRAY,)) + array)])
    return element(field, bytes((_DOCUMENT,)) + operator)


def ids_filter(keys: Sequence[bytes], also: Mapping[str, Any] | None = None) -> RawBSONDocument:
    """`{_id: {$in: [...]}}`, and `also` beside it, over id keys as they are: no `_id` is decoded and encoded again."""
    parts = [any_of(b"_id", keys)]
    if also:
        encoded = bson.encode(also, codec_options=CODEC)
        parts.append(encoded[_LENGTH.size : -1])
    return RawBSONDocument(document_of(parts))


def unmarked(document: bytes, marks: Marks) -> bytes:
    """The document with `deleted: false` where it was marked, and without the other marks; the rest as it was.

    As mongoose-delete restores: an application may ask for `deleted: false`, and would not find one without it.
    """
    deleted = marks.deleted.encode()
    others = {name.encode() for name in marks.names} - {deleted}
    kept: list[bytes] = []
    start = _LENGTH.size
    for kind, name, value, stop in elements(document):
        if name == deleted and kind == _BOOL:
            kept.append(document[start:value] + b"\x00")
        elif name not in others:
            kept.append(document[start:stop])
        start = stop
    return document_of(kept)


def decoded(document: bytes) -> dict[str, Any]:
    """The document's values, for what reads and does not write them: a broken string has U+FFFD in it."""
    try:
        return bson.decode(document, CODEC)
    except InvalidBSON:
        return bson.decode(document, _LENIENT)


def may_lead_through_list(documents: bytes, path: str) -> bool:
    """Whether any list in these documents has one of the path's names: mostly not, and then no element is looked at."""
    return any(_LIST + name.encode() + b"\x00" in documents for name in path.split("."))


def leads_through_list(document: bytes, path: str) -> bool:
    """Whether the value at a dotted path is a list or inside of one: a comparison of the server looks into those."""
    start = 0
    for name in path.split("."):
        kind, start = next((at[1:] for at in _values(document, start) if at[0] == name.encode()), (0, 0))
        if kind != _DOCUMENT:
            return kind == _ARRAY
    return False


def _values(document: bytes, start: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, type, where its value starts) of each element."""
    return ((name, kind, value) for kind, name, value, _ in elements(document, start))


def readable_id(key: bytes) -> Any:
    """The value of an id key for a report: a broken string has U+FFFD in it."""
    return decoded(document_of([element(b"_id", key)]))["_id"]


def has_mark(document: bytes, field: str) -> bool:
    """Whether a top-level field of the document is `true`."""
    name = field.encode()
    return any(found == name and kind == _BOOL and document[start] == 1 for kind, found, start, _ in elements(document))


def read_by_id(
    mongo: Mongo,
    collection: str,
    keys: Sequence[bytes],
    *,
    session: ClientSession | None = None,
    also: Mapping[str, Any] | None = None,
    ids_only: bool = False,
) -> Iterator[tuple[bytes, bytes]]:
    """(id key as it was asked for, document) of those that are there; in no order.

    MongoDB finds 1.0 when asked for 1: the answer is filed under the key that was asked for.
    """
    step = mongo.capabilities.in_chunk
    place = mongo.collection(collection)
    for start in range(0, len(keys), step):
        asked = keys[start : start + step]
        exact = set(asked)
        normal: dict[bytes, bytes] | None = None
        for batch in find_raw(
            place,
            ids_filter(asked, also),
            session=session,
            projection={"_id": 1} if ids_only else None,
            batch_size=len(asked) + 1,  # the whole answer at once where it fits a message
        ):
            for key, document in split_batch(batch):
                if key in exact:
                    yield key, document
                    continue
                normal = normal or {normalise_id_key(each): each for each in asked}
                found = normal.get(normalise_id_key(key))
                if found is not None:
                    yield found, document
