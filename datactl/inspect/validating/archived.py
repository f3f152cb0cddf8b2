"""Which documents of a model the vault holds: by the hashes of their ids in memory, and each one exactly on demand."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Container, Iterator
from functools import cached_property
from typing import Any

from datactl.archive import Listed, id_key, restored_by_now, settled_by_now, split_by_namespace
from datactl.errors import NotFound, VaultDamaged
from datactl.mongo import Mongo
from datactl.schema import Model
from datactl.vault import Candidate, Manifest, Unreadable, Vault, archived_copy, hash_id, normalise_id_key

# Hashes of 8 bytes that are held at a time; a vault of more documents is gone through in several passes.
HASHES_HELD = 8_000_000


class ArchivedIds:
    """The archived documents of one model. What a damaged part of the vault held is not known: see `is_whole`."""

    def __init__(
        self,
        mongo: Mongo,
        vault: Vault,
        model: Model,
        namespaces: Container[str],
        *,
        hashes_held: int = HASHES_HELD,
    ) -> None:
        self._mongo = mongo
        self._vault = vault
        self._model = model
        self._namespaces = namespaces
        self._held = hashes_held
        self._damaged = False
        self._newest: str | None = None

    @cached_property
    def _segments(self) -> Listed:
        listed = self._vault.by_rank(self._model.name)
        self._newest = max((each.name for each in listed), default=None)
        own, _ = split_by_namespace(listed, self._namespaces)
        self._damaged = next(self._vault.receipts_without_manifest(self._model.name), None) is not None
        return own

    @cached_property
    def _readable(self) -> list[Manifest]:
        return [each for each in self._segments if isinstance(each, Manifest)]

    @property
    def is_whole(self) -> bool:
        """Whether every part of the vault that was asked so far could be read."""
        return not self._damaged and not any(isinstance(each, Unreadable) for each in self._segments)

    def passes(self) -> Iterator[array[int]]:
        """The hashes of documents that left MongoDB and were not brought back, sorted: so many at a time.

        Copies of a run that is not done are left out: what is in MongoDB still has not left it.
        """
        found = array("Q")
        for manifest in self._readable:
            if found and len(found) + manifest.documents > self._held:
                yield _sorted(found)
                found = array("Q")
            found.extend(self._departed(manifest, unsettled=False))
        if found:
            yield _sorted(found)

    def is_archived(self, id: Any) -> bool:
        """Whether a document that is not in MongoDB is in the vault. False where a damaged part may have it."""
        key = id_key(id)
        return self._has(key, exactly=True) or (self._renewed() and self._has(key, exactly=True))

    def has_left(self, key: bytes) -> bool:
        """The same of an id key, by its hash alone where these are held."""
        return self._has(key, exactly=False) or (self._renewed() and self._has(key, exactly=False))

    def _has(self, key: bytes, *, exactly: bool) -> bool:
        by_hash = self.may_be_archived(key)
        return by_hash and ((not exactly and self._known is not None) or self.copy_of(key, absent=True) is not None)

    def _renewed(self) -> bool:
        """Look for segments that are newer than those known: a document has one before it leaves MongoDB."""
        if not self._vault.by_rank(self._model.name, after=self._newest):
            return False
        for name in ("_segments", "_readable", "_known"):
            self.__dict__.pop(name, None)
        return True

    def may_be_archived(self, key: bytes) -> bool:
        """False for a document that is surely in no whole part of the vault; by hash, and so without reading it."""
        known = self._known
        return known is None or holds(known, key)

    def copy_of(self, key: bytes, *, absent: bool) -> Candidate | None:
        """The archived copy, proved to be that document's; None if there is none, or its part cannot be read."""
        try:
            found = self._vault.locate(self._model.name, key, within=self._readable)
            settled = (settled_by_now(self._mongo, self._model, key, each) for each in found)
            copy = archived_copy((restored_by_now(self._mongo, self._model, each) for each in settled), absent=absent)
            if copy is not None:
                self._vault.fetch(copy)
        except NotFound:  # another document's, whose _id has the same hash
            return None
        except VaultDamaged:
            self._damaged = True
            return None
        return copy

    @cached_property
    def _known(self) -> array[int] | None:
        """The hashes of all that an absent document may be; None where they are too many to be held."""
        if sum(manifest.documents for manifest in self._readable) > self._held:
            return None
        found = array("Q")
        for manifest in self._readable:
            found.extend(self._departed(manifest, unsettled=True))
        return _sorted(found)

    def _departed(self, manifest: Manifest, *, unsettled: bool) -> Iterator[int]:
        try:
            receipts = self._vault.receipts(manifest)
            left, back = receipts.deleted, receipts.restored
            if left is None and not unsettled:
                return
            for value, position in self._vault.indexed(manifest):
                if left is not None and position not in left:
                    continue
                if position not in back:
                    yield value
        except VaultDamaged:
            self._damaged = True


def holds(hashes: array[int], key: bytes) -> bool:
    """Whether the hash of an id key is among sorted ones."""
    value = hash_id(normalise_id_key(key))
    place = bisect_left(hashes, value)
    return place < len(hashes) and hashes[place] == value


def _sorted(hashes: array[int]) -> array[int]:
    return array("Q", sorted(hashes))
