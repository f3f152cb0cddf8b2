"""The sidecar index of a segment: hash of `_id` -> document number, in sorted pages that are read by interpolation.

    header   88 bytes | member table, 64 per member | first hash of every page, 8 per page | CRC-32
    pages    4096 bytes each: tag, page number, count | 340 records of (hash, document number) | CRC-32

A look-up guesses the pages from the hash, which is uniform, and reads them in one go; if the hash is not inside
what they cover it reads the header, whose page table is exact, and then the right pages. Three reads at most, two
as a rule for an id that is there (its member is in the header), one for an id that is not.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from struct import Struct

from isal import isal_zlib

from datactl.errors import VaultDamaged
from datactl.vault.members import ENTRY_BYTES, Member, pack_table, unpack_table

MAGIC = b"DCTLIDX1"
VERSION = 1
BLAKE2B_64 = 1
PAGE_BYTES = 4096

_HEADER = Struct("<8sHHIQII32sQQQ")
_PAGE_HEAD = Struct("<III")
_RECORD = Struct("<QI")
_U32 = Struct("<I")
RECORDS_PER_PAGE = (PAGE_BYTES - _PAGE_HEAD.size - _U32.size) // _RECORD.size


@dataclass(frozen=True, slots=True)
class SidecarHeader:
    """What a sidecar says of its segment, and the first hash of each page."""

    segment_sha256: str
    segment_bytes: int
    documents: int
    pages: int
    members: tuple[Member, ...]
    fences: tuple[int, ...]

    def member_of(self, number: int) -> tuple[Member, int]:
        """The member that holds document `number`, and the document's place in it from 0."""
        found = bisect_right(self.members, number, key=lambda member: member.first) - 1
        member = self.members[found]
        return member, number - member.first


Read = Callable[[int, int], bytes]
"""One ranged read of the sidecar: (start, length) -> that many bytes."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the pages of a sidecar are, as its manifest tells: nothing of the file has to be read to know it."""

    name: str
    documents: int
    pages: int
    pages_offset: int


def tag_of(name: str) -> int:
    """The 64-bit tag by which a sidecar's parts know their segment: the start of its name's SHA-256."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def header_bytes(members: int, pages: int) -> int:
    """Bytes of the header, and so where the pages begin."""
    return _HEADER.size + members * ENTRY_BYTES + pages * 8 + _U32.size


def pages_for(documents: int) -> int:
    return -(-documents // RECORDS_PER_PAGE)


def build(name: str, members: tuple[Member, ...], hashes: Iterable[int], sha256: str, size: int) -> bytes:
    """The sidecar of segment `name`: `hashes` are those of its documents' ids in order; `sha256`, `size` its own."""
    records = sorted((value << 32) | number for number, value in enumerate(hashes))
    documents = len(records)
    low, tag = (1 << 32) - 1, tag_of(name)
    pages: list[bytes] = []
    for at in range(0, documents, RECORDS_PER_PAGE):
        on_page = records[at : at + RECORDS_PER_PAGE]
        page = _PAGE_HEAD.pack(tag & low, len(pages), len(on_page))
        page += b"".join([_RECORD.pack(record >> 32, record & low) for record in on_page])
        page = page.ljust(PAGE_BYTES - _U32.size, b"\x00")
        pages.append(page + _U32.pack(isal_zlib.crc32(page)))
    fences = b"".join((record >> 32).to_bytes(8, "little") for record in records[::RECORDS_PER_PAGE])
    head = _HEADER.pack(
        MAGIC,
        VERSION,
        BLAKE2B_64,
        header_bytes(len(members), len(pages)),
        tag,
        len(members),
        len(pages),
        bytes.fromhex(sha256),
        size,
        documents,
        0,
    )
    head += pack_table(members) + fences
    return b"".join((head, _U32.pack(isal_zlib.crc32(head)), *pages))


def read_header(head: bytes, name: str) -> SidecarHeader:
    """Read a header (the bytes before the pages). Raises `VaultDamaged` unless it is whole and of segment `name`."""
    if len(head) < _HEADER.size + _U32.size or isal_zlib.crc32(head[:-4]) != _U32.unpack(head[-4:])[0]:
        raise VaultDamaged("a sidecar's header is not what was written", why="its CRC-32 differs", name=name)
    magic, version, kind, length, tag, members, pages, sha256, size, documents, reserved = _HEADER.unpack_from(head)
    if magic != MAGIC or version != VERSION or kind != BLAKE2B_64 or reserved:
        raise VaultDamaged("a sidecar has an unknown format", why=f"{magic!r}, version {version}", name=name)
    if tag != tag_of(name) or length != len(head) or length != header_bytes(members, pages):
        raise VaultDamaged("a sidecar is not that of its segment", name=name)
    table_end = _HEADER.size + members * ENTRY_BYTES
    fences = tuple(int.from_bytes(head[at : at + 8], "little") for at in range(table_end, length - 4, 8))
    table = unpack_table(head[_HEADER.size : table_end])
    if sum(member.count for member in table) != documents or pages != pages_for(documents):
        raise VaultDamaged("a sidecar's header is wrong", why="its counts do not agree", name=name)
    return SidecarHeader(sha256.hex(), size, documents, pages, table, fences)


def read_page(page: bytes, name: str, number: int) -> list[tuple[int, int]]:
    """The records (hash, document number) of a page. Raises `VaultDamaged` unless it is that page, whole."""
    if len(page) != PAGE_BYTES or isal_zlib.crc32(page[:-4]) != _U32.unpack(page[-4:])[0]:
        raise VaultDamaged(f"page {number} of a sidecar is not what was written", why="its CRC-32 differs", name=name)
    tag, found, count = _PAGE_HEAD.unpack_from(page)
    if tag != tag_of(name) & 0xFFFFFFFF or found != number or count > RECORDS_PER_PAGE:
        raise VaultDamaged(f"page {number} of a sidecar is another page", name=name)
    end = _PAGE_HEAD.size + count * _RECORD.size
    return list(_RECORD.iter_unpack(page[_PAGE_HEAD.size : end]))


def find(geometry: Geometry, value: int, read: Read) -> tuple[list[int], SidecarHeader | None]:
    """The numbers of the documents whose id has hash `value`, in order, and the header if it had to be read.

    They are mostly none or one, more if hashes collide. Makes one read as a rule, three at most.
    """
    header: SidecarHeader | None = None
    first, last = guess_pages(geometry, value)
    records = _read_pages(geometry, first, last, read)
    # Only a hash strictly inside what was read is decided: an equal one at the edge may go on in the next page.
    below = first == 0 or records[0][0] < value
    above = last == geometry.pages - 1 or records[-1][0] > value
    if not (below and above):
        header = read_header(read(0, geometry.pages_offset), geometry.name)
        first = max(bisect_left(header.fences, value) - 1, 0)
        last = max(bisect_right(header.fences, value) - 1, first)
        records = _read_pages(geometry, first, last, read)
    return [number for found, number in records if found == value], header


def guess_pages(geometry: Geometry, value: int) -> tuple[int, int]:
    """First and last page that hold `value` if hashes are uniform: within four standard deviations."""
    share = value / 2**64
    expected = share * geometry.documents
    margin = 4 * math.sqrt(geometry.documents * share * (1 - share)) + 1
    first = int(max(expected - margin, 0)) // RECORDS_PER_PAGE
    last = int(expected + margin) // RECORDS_PER_PAGE
    return min(first, geometry.pages - 1), min(last, geometry.pages - 1)


def _read_pages(geometry: Geometry, first: int, last: int, read: Read) -> list[tuple[int, int]]:
    data = read(geometry.pages_offset + first * PAGE_BYTES, (last - first + 1) * PAGE_BYTES)
    records: list[tuple[int, int]] = []
    for number in range(first, last + 1):
        at = (number - first) * PAGE_BYTES
        records += read_page(data[at : at + PAGE_BYTES], geometry.name, number)
    return records
