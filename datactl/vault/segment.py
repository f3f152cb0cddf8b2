"""Writing a segment: documents into gzip members, a trailer behind them, one buffer's worth of parts to put."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datactl.errors import DocumentTooLarge, InvalidDocument
from datactl.vault.members import LEVEL, Member, checksums, compress
from datactl.vault.names import SegmentName
from datactl.vault.rawbson import LONGEST_DOCUMENT, boundaries
from datactl.vault.trailer import Trailer, pack_trailer

MEMBER_BYTES = 256 * 1024
SEGMENT_BYTES = 16 * 1024 * 1024
LONGEST_TARGET = 32 * 1024 * 1024
"""The largest `segment_bytes`: with one document of 16 MiB on top, a segment stays below 64 MiB."""
MOST_RAW_BYTES = 512 * 1024 * 1024
MOST_DOCUMENTS = 1 << 20
"""Bounds for documents that compress so well that a segment would never fill up."""


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A finished segment, not stored yet. `data` are its parts in order; `sha256` and `size` are of all of them."""

    trailer: Trailer
    data: tuple[bytes, ...]
    size: int
    sha256: str
    metadata: bytes

    @property
    def name(self) -> str:
        return self.trailer.name

    @property
    def model(self) -> str:
        return self.trailer.model

    @property
    def documents(self) -> int:
        return self.trailer.documents

    @property
    def raw_bytes(self) -> int:
        return self.trailer.raw_bytes

    @property
    def members(self) -> tuple[Member, ...]:
        return self.trailer.members


class SegmentWriter:
    """Takes raw BSON documents until the segment is full. Holds one segment's compressed bytes and one member's raw.

    Positions of documents in a segment are numbered from 0 in the order they were added. `indexes` and `options`
    go into the metadata file that `mongorestore` reads. The same documents give the same members on every machine;
    their compressed bytes depend on isal's version.
    """

    def __init__(
        self,
        namespace: str,
        model: str,
        *,
        name: SegmentName,
        member_bytes: int = MEMBER_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        level: int = LEVEL,
        indexes: Sequence[Mapping[str, Any]] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if not 0 < segment_bytes <= LONGEST_TARGET or not 0 < member_bytes <= min(segment_bytes, LONGEST_DOCUMENT):
            raise ValueError(f"a segment aims at {LONGEST_TARGET} bytes or less, and a member at no more than that")
        self.name = name
        self._namespace, self._model = namespace, model
        self._member_bytes, self._segment_bytes, self._level = member_bytes, segment_bytes, level
        self._metadata = _metadata(namespace, name, indexes, options)
        self._parts: list[bytes] = []
        self._members: list[Member] = []
        self._flushed = 0
        self._flushed_bytes = 0
        self._compressed = 0
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    @property
    def documents(self) -> int:
        """Documents added so far."""
        return self._flushed + len(self._pending)

    @property
    def raw_bytes(self) -> int:
        """Their bytes, uncompressed."""
        return self._flushed_bytes + self._pending_bytes

    @property
    def full(self) -> bool:
        """Whether the segment has reached its size: seal it and start another one."""
        return (
            self._compressed + self._pending_bytes >= self._segment_bytes
            or self.raw_bytes >= MOST_RAW_BYTES
            or self.documents >= MOST_DOCUMENTS
        )

    def add(self, document: bytes) -> None:
        """Append one document. Raises `DocumentTooLarge`; `InvalidDocument` (perhaps later) if it is not BSON."""
        length = len(document)
        if self._pending_bytes + length > self._member_bytes:
            _check_length(length)
            self._flush()
        self._pending.append(document)
        self._pending_bytes += length

    def add_many(self, documents: Sequence[bytes]) -> int:
        """Append documents in order until the segment is full; how many were taken. Raises as `add`.

        Whether it is full is asked at the end of each member, so all may be taken and the segment be full.
        """
        taken = 0
        room = 0 if self.full else self._member_bytes - self._pending_bytes
        for document in documents:
            length = len(document)
            if length > room:
                _check_length(length)
                if not self._next_member():
                    break
                room = self._member_bytes
            self._pending.append(document)
            room -= length
            self._pending_bytes += length
            taken += 1
        return taken

    def add_member(self, block: bytes, count: int) -> None:
        """Append `count` whole documents, one after another in `block`, as a member of their own.

        The caller has found where they begin (`rawbson.boundaries`): of many small ones this saves most of the work.
        """
        self._flush()
        self._append(block, count)

    def finish(self) -> SealedSegment:
        """The segment, sealed; the writer is of no use after. Raises `InvalidDocument` if nothing was added."""
        self._flush()
        if not self._members:
            raise InvalidDocument("a segment without documents cannot be sealed")
        trailer = Trailer(
            self._namespace,
            self._model,
            str(self.name),
            self.documents,
            self.raw_bytes,
            self._compressed,
            tuple(self._members),
        )
        data = (*self._parts, *pack_trailer(trailer))
        digest = hashlib.sha256()
        for part in data:
            digest.update(part)
        return SealedSegment(trailer, data, sum(map(len, data)), digest.hexdigest(), self._metadata)

    def _next_member(self) -> bool:
        """Close the member at hand, if the segment is not full yet; whether there is room for another."""
        if not self.full:
            self._flush()
        return not self.full

    def _flush(self) -> None:
        """Make a member of the documents at hand."""
        if not self._pending:
            return
        block, count = b"".join(self._pending), len(self._pending)
        if len(boundaries(block)) != count + 1:
            raise InvalidDocument("what was added is not one document each", why="lengths inside and outside differ")
        self._pending, self._pending_bytes = [], 0
        self._append(block, count)

    def _append(self, block: bytes, count: int) -> None:
        crc, sha256 = checksums(block)
        data = compress(block, self._level)
        self._members.append(Member(self._compressed, len(data), len(block), self._flushed, count, crc, sha256))
        self._parts.append(data)
        self._compressed += len(data)
        self._flushed += count
        self._flushed_bytes += len(block)


def _check_length(length: int) -> None:
    if length > LONGEST_DOCUMENT:
        raise DocumentTooLarge(f"a document of {length} bytes is too large", why="BSON documents have 16 MiB")


def _metadata(
    namespace: str,
    name: SegmentName,
    indexes: Sequence[Mapping[str, Any]] | None,
    options: Mapping[str, Any] | None,
) -> bytes:
    """The metadata file beside a segment, in mongodump's format (extended JSON, gzip), for `mongorestore`."""
    by_id = {"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}}, "name": "_id_"}
    fields = {
        "options": dict(options or {}),
        "indexes": [by_id] if indexes is None else [dict(index) for index in indexes],
        # mongorestore uses it only with --preserveUUID; derived from the name, so that a retry writes the same bytes.
        "uuid": hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:32],
        "collectionName": namespace.partition(".")[2],
        "type": "collection",
    }
    return gzip.compress(json.dumps(fields, separators=(",", ":")).encode(), mtime=0)
