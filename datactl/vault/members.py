"""Gzip members of a segment: blocks of whole documents, and empty members that carry bytes in their FEXTRA field.

RFC 1952 section 2.2: a gzip file is a series of members, simply concatenated; section 2.3.1.1: the extra field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import cast

from isal import igzip_lib, isal_zlib

from datactl.errors import VaultDamaged

IsalError = cast("type[Exception]", igzip_lib.IsalError)  # its stub declares an exception, and means a class
"""What isal raises for bytes that are no deflate stream."""

LEVEL = 2
"""isal's level: 18 times the speed of zlib's level 6 at 16% more bytes."""

_GZIP = 31
_EXTRA_HEADER = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"
_EMPTY_BODY = b"\x03\x00" + b"\x00" * 8
_SUBFIELD = Struct("<H2sH")
EXTRA_OVERHEAD = len(_EXTRA_HEADER) + _SUBFIELD.size + len(_EMPTY_BODY)
"""Bytes of an empty member around its payload."""
LONGEST_PAYLOAD = 65_535 - 4
"""The extra field's length is 16 bits; a subfield's own header takes 4 bytes of it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One block of documents: where its gzip member is in the segment, and what is in it.

    `offset` and `length` are in compressed bytes; `first` is the number of its first document in the segment, from
    0; `crc` (CRC-32, the one gzip keeps too) and `sha256` are of the uncompressed bytes, so that they stay the same
    whatever compressed them.
    """

    offset: int
    length: int
    raw_length: int
    first: int
    count: int
    crc: int
    sha256: bytes


_ENTRY = Struct("<QIIIIII32s")
ENTRY_BYTES = _ENTRY.size


def pack_table(members: Sequence[Member]) -> bytes:
    """The member table: 64 bytes each, little-endian; docs/segment-format.md has the layout."""
    return b"".join(
        _ENTRY.pack(m.offset, m.length, m.raw_length, m.first, m.count, m.crc, 0, m.sha256) for m in members
    )


def unpack_table(table: bytes) -> tuple[Member, ...]:
    """Read a member table back. Raises `VaultDamaged` unless its members follow each other without a gap."""
    members: list[Member] = []
    offset = first = 0
    for at, length, raw_length, number, count, crc, reserved, digest in _ENTRY.iter_unpack(table):
        if at != offset or number != first or not length or not count or not raw_length or reserved:
            raise VaultDamaged("a member table is wrong", why=f"entry {len(members)} does not follow the one before")
        members.append(Member(at, length, raw_length, number, count, crc, digest))
        offset += length
        first += count
    return tuple(members)


def compress(block: bytes, level: int = LEVEL) -> bytes:
    """`block` as one gzip member."""
    return isal_zlib.compress(block, level, _GZIP)


def inflate(data: bytes | memoryview, member: Member) -> bytes:
    """The documents of a member from its compressed bytes. Raises `VaultDamaged` unless length, CRC and SHA agree."""
    inflater = isal_zlib.decompressobj(_GZIP)
    try:
        block = inflater.decompress(data, member.raw_length + 1)
    except IsalError as error:
        raise VaultDamaged(f"the member at byte {member.offset} cannot be read", why=str(error)) from error
    if not inflater.eof or inflater.unused_data or len(block) != member.raw_length:
        raise VaultDamaged(f"the member at byte {member.offset} has a wrong length")
    if isal_zlib.crc32(block) != member.crc or hashlib.sha256(block).digest() != member.sha256:
        raise VaultDamaged(f"the member at byte {member.offset} is not what was written", why="its checksums differ")
    return block


def checksums(block: bytes) -> tuple[int, bytes]:
    """CRC-32 and SHA-256 of uncompressed bytes."""
    return isal_zlib.crc32(block), hashlib.sha256(block).digest()


def empty_member(subfield: bytes, payload: bytes) -> bytes:
    """A gzip member of no data whose extra field has one subfield, `subfield` (2 bytes), with `payload`."""
    if len(payload) > LONGEST_PAYLOAD:
        raise ValueError("the payload is too long for an extra field")
    extra = _SUBFIELD.pack(len(payload) + 4, subfield, len(payload))
    return _EXTRA_HEADER + extra + payload + _EMPTY_BODY


def read_empty_member(data: bytes, start: int, subfield: bytes) -> tuple[bytes, int]:
    """(payload, byte after it) of the empty member at `start`. Raises `VaultDamaged` if it is not exactly that."""
    body = start + len(_EXTRA_HEADER) + _SUBFIELD.size
    if data[start : start + len(_EXTRA_HEADER)] == _EXTRA_HEADER and body <= len(data):
        extra_length, found, length = _SUBFIELD.unpack_from(data, start + len(_EXTRA_HEADER))
        end = body + length + len(_EMPTY_BODY)
        if found == subfield and extra_length == length + 4 and data[body + length : end] == _EMPTY_BODY:
            return data[body : body + length], end
    raise VaultDamaged("a segment's trailer cannot be read", why=f"no part of it is at byte {start}")
