"""BSON documents as bytes: where one ends and the next starts, and the `_id` of each, without decoding them.

An id key is the BSON type byte of the `_id` and its value's bytes (https://bsonspec.org/spec.html).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise

from datactl.errors import InvalidDocument

LONGEST_DOCUMENT = 16 * 1024 * 1024 + 16 * 1024
"""Bytes. A user's document has 16 MiB at most; MongoDB allows itself 16 KiB more."""

_LENGTH = struct.Struct("<i")
_OBJECT_ID_FIRST = b"\x07_id\x00"
_STRING_FIRST = b"\x02_id\x00"
_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_STRINGS = frozenset((0x02, 0x0D, 0x0E))
_DOCUMENTS = frozenset((0x03, 0x04))


def split(block: bytes) -> list[bytes]:
    """The documents whose concatenation is `block`. Raises `InvalidDocument` if it is not one."""
    return [block[start:stop] for start, stop in pairwise(boundaries(block))]


def boundaries(block: bytes) -> list[int]:
    """Where the documents in `block` start, and at last where they end. Raises `InvalidDocument`."""
    found = [0]
    start, end = 0, len(block)
    unpack = _LENGTH.unpack_from
    while start < end:
        if end - start < 5:
            raise InvalidDocument("the bytes are not BSON documents", why=f"{end - start} bytes are left over")
        stop = start + unpack(block, start)[0]
        if stop < start + 5 or stop > end or block[stop - 1]:
            raise InvalidDocument("the bytes are not BSON documents", why=f"a wrong length at byte {start}")
        found.append(stop)
        start = stop
    return found


def id_key(document: bytes) -> bytes:
    """The id key of a document. Raises `InvalidDocument` if it has no `_id` or is not BSON."""
    if document[4:9] == _OBJECT_ID_FIRST and len(document) >= 22:
        return b"\x07" + document[9:21]
    if document[4:9] == _STRING_FIRST and len(document) > 18:
        stop = 13 + int(_LENGTH.unpack_from(document, 9)[0])
        if 13 < stop < len(document):
            return b"\x02" + document[9:stop]
    fixed = _FIXED.get(document[4]) if document[5:9] == b"_id\x00" else None
    if fixed is not None and len(document) > 9 + fixed:
        return document[4:5] + document[9 : 9 + fixed]
    for kind, name, start, stop in elements(document):
        if name == b"_id":
            return bytes((kind,)) + document[start:stop]
    raise InvalidDocument("a document has no _id")


def elements(document: bytes, start: int = 0) -> Iterator[tuple[int, bytes, int, int]]:
    """(type, name, value's first byte, byte after it) of each element of the document at `start`.

    Raises `InvalidDocument` where the bytes are not BSON.
    """
    try:
        end = start + _LENGTH.unpack_from(document, start)[0] - 1
        position = start + 4
        while position < end:
            kind = document[position]
            name_end = document.index(0, position + 1, end)
            value = name_end + 1
            stop = value + _length(document, kind, value, end)
            if stop > end:
                break
            yield kind, document[position + 1 : name_end], value, stop
            position = stop
        if position != end or document[end]:
            raise InvalidDocument("the bytes are not a BSON document", why=f"an element ends at byte {position}")
    except (ValueError, IndexError, struct.error) as error:
        raise InvalidDocument("the bytes are not a BSON document", why=str(error)) from error


def _length(document: bytes, kind: int, value: int, end: int) -> int:
    """Bytes of the value at `value`."""
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed
    if kind == 0x0B:  # a regular expression: two C strings
        return document.index(0, document.index(0, value, end) + 1, end) + 1 - value
    length = int(_LENGTH.unpack_from(document, value)[0])
    if kind in _STRINGS:
        length += 4
    elif kind == 0x05:  # binary: length, subtype, bytes
        length += 5
    elif kind == 0x0C:  # database pointer: string, ObjectId
        length += 16
    elif kind not in _DOCUMENTS and kind != 0x0F:
        raise ValueError(f"unknown BSON type 0x{kind:02x}")
    if length < 5:
        raise ValueError(f"a length of {length} at byte {value}")
    return length
