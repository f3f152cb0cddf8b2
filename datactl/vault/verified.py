"""What was read back from the store and found right: the only things that a commit accepts (I1).

Making one of these values IS the reading: nothing else constructs them, so nobody can hand loose data to a commit.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from datactl.errors import BadId, InvalidDocument, ObjectMissing, VaultDamaged
from datactl.objects import ObjectStore
from datactl.vault import names, sidecar
from datactl.vault.idkey import hash_id, normalise_id_key
from datactl.vault.manifest import Stored
from datactl.vault.members import Member, inflate
from datactl.vault.rawbson import id_key, split
from datactl.vault.trailer import Trailer, read_trailer

CHUNK_DOCUMENTS = 500
CHUNK_BYTES = 8_000_000
REMEDY = "Run `datactl archive verify`, and bring the object back from another copy of the vault."


class StoredDocument(NamedTuple):
    """A document as the vault holds it: its position in the segment, its id key, its BSON."""

    position: int
    id_key: bytes
    document: bytes


class VerifiedSegment:
    """A segment that was read back: size, SHA-256, trailer, every member and every document's frame are right.

    Holds the compressed bytes; documents are inflated one member at a time when they are iterated over.
    Raises `VaultDamaged` naming what is wrong when it is made.
    """

    def __init__(self, store: ObjectStore, model: str, name: str, segment: Stored, metadata: Stored) -> None:
        self.store = store
        self.model, self.name = model, name
        self.segment, self.metadata = segment, metadata
        key = names.segment_key(model, name)
        read_checked(store, names.metadata_key(model, name), metadata)
        self._data = read_checked(store, key, segment)
        with damage_of(key):
            self.trailer = checked_trailer(self._data, model, name)
            self.hashes = id_hashes(self._data, self.trailer)

    @property
    def documents(self) -> int:
        return self.trailer.documents

    def members(self) -> Iterator[list[StoredDocument]]:
        """The documents, one list per member, in order."""
        for member in self.trailer.members:
            yield [
                StoredDocument(member.first + place, id_key(document), document)
                for place, document in enumerate(self._documents(member))
            ]

    def chunks(self, documents: int = CHUNK_DOCUMENTS, size: int = CHUNK_BYTES) -> Iterator[list[StoredDocument]]:
        """The documents in order, in lists of at most `documents` and `size` bytes, or one larger document alone."""
        chunk: list[StoredDocument] = []
        chunk_bytes = 0
        for member in self.members():
            for stored in member:
                length = len(stored.document)
                if chunk and (len(chunk) >= documents or chunk_bytes + length > size):
                    yield chunk
                    chunk, chunk_bytes = [], 0
                chunk.append(stored)
                chunk_bytes += length
        if chunk:
            yield chunk

    def repeated(self) -> frozenset[int]:
        """Positions of documents whose `_id` comes again later in the segment. Runs of today make none."""
        if len(set(self.hashes)) == self.documents:
            return frozenset()
        last: dict[bytes, int] = {}
        found: set[int] = set()
        for member in self.members():
            for each in member:
                normal = normalise_id_key(each.id_key)
                if normal in last:
                    found.add(last[normal])
                last[normal] = each.position
        return frozenset(found)

    def _documents(self, member: Member) -> list[bytes]:
        return member_documents(self._data[member.offset : member.offset + member.length], member)


class VerifiedSidecar:
    """A sidecar that was read back and is, byte for byte, the one that follows from a verified segment."""

    def __init__(self, segment: VerifiedSegment, built: bytes) -> None:
        self.segment = segment
        self.index = stored(built)
        key = names.index_key(segment.model, segment.name)
        header_end = sidecar.header_bytes(len(segment.trailer.members), sidecar.pages_for(segment.documents))
        read = read_checked(segment.store, key, self.index)
        self.header = sidecar.read_header(read[:header_end], segment.name)
        self.pages_offset = header_end


def stored(data: bytes) -> Stored:
    return Stored(len(data), hashlib.sha256(data).hexdigest())


def read_checked(store: ObjectStore, key: str, expected: Stored) -> bytes:
    """The object, whole. Raises `VaultDamaged` if it is missing or not of the expected size and SHA-256."""
    try:
        data = store.get(key)
    except ObjectMissing as error:
        raise VaultDamaged(
            f"{key} is missing", why="what names it was written after it", next=REMEDY, key=key
        ) from error
    if len(data) != expected.size:
        raise VaultDamaged(f"{key} has {len(data)} bytes instead of {expected.size}", next=REMEDY, key=key)
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        raise VaultDamaged(f"{key} is not what was written", why="its SHA-256 differs", next=REMEDY, key=key)
    return data


def checked_trailer(data: bytes, model: str, name: str) -> Trailer:
    """The trailer of a segment. Raises `VaultDamaged` if it is not whole, or another segment's."""
    trailer = read_trailer(data)
    if (trailer.model, trailer.name) != (model, name):
        raise VaultDamaged("it is another segment", why=f"its trailer says {trailer.model} {trailer.name}")
    return trailer


def member_documents(data: bytes | memoryview, member: Member) -> list[bytes]:
    """The documents of a member from its compressed bytes. Raises `VaultDamaged`."""
    try:
        documents = split(inflate(data, member))
    except InvalidDocument as error:
        raise VaultDamaged(f"the member at byte {member.offset} has no whole documents", why=str(error)) from error
    if len(documents) != member.count:
        raise VaultDamaged(f"the member at byte {member.offset} has {len(documents)} documents, not {member.count}")
    return documents


def id_hashes(data: bytes, trailer: Trailer) -> array[int]:
    """The hash of every document's `_id` in a segment, in order: reads all of it. Raises `VaultDamaged`."""
    hashes = array("Q")
    for member in trailer.members:
        for document in member_documents(data[member.offset : member.offset + member.length], member):
            try:
                hashes.append(hash_id(normalise_id_key(id_key(document))))
            except (InvalidDocument, BadId) as error:
                raise VaultDamaged(f"document {len(hashes)} has no usable _id", why=str(error)) from error
    return hashes


@contextmanager
def damage_of(key: str) -> Iterator[None]:
    """Damage found in the block is said of the object `key`, with what to do about it."""
    try:
        yield
    except VaultDamaged as damage:
        raise VaultDamaged(f"{key} is damaged", why=str(damage), next=REMEDY, key=key) from damage
