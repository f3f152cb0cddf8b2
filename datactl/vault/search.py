"""Finding a document in the vault: its copies by their sidecars, and one copy by one ranged read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from datactl.errors import NotFound, ObjectMissing, ShortRead, VaultDamaged
from datactl.objects import ObjectStore
from datactl.vault import sidecar
from datactl.vault.copies import Candidate
from datactl.vault.idkey import hash_id, normalise_id_key
from datactl.vault.manifest import Manifest
from datactl.vault.members import Member
from datactl.vault.rawbson import id_key as id_key_of
from datactl.vault.verified import REMEDY, damage_of, member_documents, read_checked


def places(store: ObjectStore, manifest: Manifest, value: int) -> list[tuple[int, Member, int]]:
    """(position, member, place in it) of the documents of a segment whose `_id` has hash `value`.

    Reads one range of the sidecar as a rule if there are none, two if there are, three at most. Raises
    `VaultDamaged`.
    """
    read = _reader(store, manifest.index_key)
    with damage_of(manifest.index_key):
        numbers, header = sidecar.find(manifest.geometry, value, read)
        if numbers and header is None:
            header = sidecar.read_header(read(0, manifest.pages_offset), manifest.name)
        return [(number, *header.member_of(number)) for number in numbers] if header else []


def indexed(store: ObjectStore, manifest: Manifest) -> Iterator[tuple[int, int]]:
    """(hash of `_id`, position) of every document of a segment, in the order of the hashes. Raises `VaultDamaged`."""
    with damage_of(manifest.index_key):
        data = read_checked(store, manifest.index_key, manifest.index)
        for number in range(manifest.pages):
            start = manifest.pages_offset + number * sidecar.PAGE_BYTES
            yield from sidecar.read_page(data[start : start + sidecar.PAGE_BYTES], manifest.name, number)


def fetch(store: ObjectStore, candidate: Candidate) -> bytes:
    """The document of a candidate, see `Vault.fetch`."""
    key, member = candidate.manifest.segment_key, candidate.member
    with damage_of(key):
        documents = member_documents(_reader(store, key)(member.offset, member.length), member)
        document = documents[candidate.place]
        found = normalise_id_key(id_key_of(document))
    if found == candidate.normal_id:
        return document
    if hash_id(found) == hash_id(candidate.normal_id):
        raise NotFound("the copy is another document's", why="two _ids have the same hash", key=key)
    raise VaultDamaged(f"{key} and its index do not agree", why="another _id is there", next=REMEDY, key=key)


def _reader(store: ObjectStore, key: str) -> Callable[[int, int], bytes]:
    def read(start: int, length: int) -> bytes:
        try:
            return store.get_range(key, start, length)
        except (ObjectMissing, ShortRead) as error:
            raise VaultDamaged("it is missing or cut short", why=str(error), key=key) from error

    return read
