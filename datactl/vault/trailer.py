"""The trailer of a segment: what is in it and where, in the extra fields of empty gzip members at its end.

Subfield `DT` carries a part of the trailer; the last member of the file, always 86 bytes, carries subfield `DE`, the
way to it: a reader with ranged reads needs two of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from struct import Struct

from datactl.errors import VaultDamaged
from datactl.vault.members import (
    ENTRY_BYTES,
    EXTRA_OVERHEAD,
    LONGEST_PAYLOAD,
    Member,
    empty_member,
    pack_table,
    read_empty_member,
    unpack_table,
)

VERSION = 1
MAGIC = b"DCTLSEG1"
_PART, _END = b"DT", b"DE"
_HEADER = Struct("<8sHHIQQQ")
_LOCATOR = Struct("<8sHHQQ32s")
END_BYTES = EXTRA_OVERHEAD + _LOCATOR.size


@dataclass(frozen=True, slots=True)
class Trailer:
    """What a segment says of itself. `data_bytes` is where its documents end and the trailer starts."""

    namespace: str
    model: str
    name: str
    documents: int
    raw_bytes: int
    data_bytes: int
    members: tuple[Member, ...]


def pack_trailer(trailer: Trailer) -> list[bytes]:
    """The empty members to append to a segment's documents."""
    texts = [text.encode() for text in (trailer.namespace, trailer.model, trailer.name)]
    payload = b"".join(
        (
            _HEADER.pack(
                MAGIC,
                VERSION,
                0,
                len(trailer.members),
                trailer.documents,
                trailer.raw_bytes,
                trailer.data_bytes,
            ),
            *(len(text).to_bytes(2, "little") + text for text in texts),
            pack_table(trailer.members),
        )
    )
    parts = [payload[at : at + LONGEST_PAYLOAD] for at in range(0, len(payload), LONGEST_PAYLOAD)]
    digest = hashlib.sha256(payload).digest()
    locator = _LOCATOR.pack(MAGIC, VERSION, len(parts), trailer.data_bytes, len(payload), digest)
    return [*(empty_member(_PART, part) for part in parts), empty_member(_END, locator)]


def has_locator(end: bytes) -> bool:
    """Whether the last `END_BYTES` of a file are the way to a trailer, as a whole segment's are."""
    try:
        locator, _ = read_empty_member(end, 0, _END)
    except VaultDamaged:
        return False
    return locator.startswith(MAGIC)


def read_trailer(segment: bytes) -> Trailer:
    """The trailer of a whole segment. Raises `VaultDamaged` unless every byte of it is as it was written."""
    start = len(segment) - END_BYTES
    if start < 0:
        raise VaultDamaged("a segment is cut short", why=f"it has {len(segment)} bytes")
    locator, _ = read_empty_member(segment, start, _END)
    if len(locator) != _LOCATOR.size:
        raise VaultDamaged("a segment's trailer cannot be read", why="its end has a wrong length")
    magic, version, parts, at, length, digest = _LOCATOR.unpack(locator)
    if magic != MAGIC or version != VERSION:
        raise VaultDamaged("a segment has an unknown format", why=f"{magic!r}, version {version}")
    read: list[bytes] = []
    for _ in range(parts):
        part, at = read_empty_member(segment, at, _PART)
        read.append(part)
    payload = b"".join(read)
    if at != start or len(payload) != length or hashlib.sha256(payload).digest() != digest:
        raise VaultDamaged("a segment's trailer is not what was written", why="its length or SHA-256 differs")
    return _unpack_payload(payload)


def _unpack_payload(payload: bytes) -> Trailer:
    # The payload's SHA-256 was right: what is wrong from here on was written so.
    magic, version, flags, members, documents, raw_bytes, data_bytes = _HEADER.unpack_from(payload)
    if magic != MAGIC or version != VERSION or flags:
        raise VaultDamaged("a segment has an unknown format", why=f"{magic!r}, version {version}, flags {flags}")
    texts: list[str] = []
    position = _HEADER.size
    for _ in range(3):
        end = position + 2 + int.from_bytes(payload[position : position + 2], "little")
        texts.append(payload[position + 2 : end].decode())
        position = end
    table = payload[position:]
    if len(table) != members * ENTRY_BYTES:
        raise VaultDamaged("a segment's trailer is wrong", why=f"no room for {members} members")
    trailer = Trailer(texts[0], texts[1], texts[2], documents, raw_bytes, data_bytes, unpack_table(table))
    last = trailer.members[-1] if trailer.members else None
    counted = (last.first + last.count, last.offset + last.length) if last else (0, 0)
    if counted != (documents, data_bytes) or sum(m.raw_length for m in trailer.members) != raw_bytes:
        raise VaultDamaged("a segment's trailer is wrong", why="its counts are not those of its members")
    return trailer
