"""Removing archived documents from MongoDB: compare with the copy, delete what is equal, in one transaction (I2)."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo.client_session import ClientSession

from datactl.archive.documents import has_mark, ids_filter, read_by_id
from datactl.archive.holds import held_of
from datactl.archive.outranked import outranked
from datactl.archive.removed import removed_last
from datactl.archive.rules import Outcome, ageing, outcome
from datactl.errors import DatabaseError
from datactl.mongo import Mongo, mapping_errors
from datactl.records.clock import ServerClock
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.vault import Manifest, StoredDocument, Vault, normalise_id_key

Guard = Callable[[ClientSession], None]
"""Proves inside a transaction that the run still holds its lease, or it cannot commit. Raises LeaseLost."""


@dataclass(frozen=True, slots=True)
class Removal:
    """How documents of one model leave MongoDB.

    `guard` is called in every transaction, after the deletes. `due_before` None: the bytes were due when this run
    copied them, so equal bytes are due bytes; else due is asked of the server in the same snapshot. `manifest` is that
    of the copies they leave with; `namespaces`: whose segments are this model's.
    """

    mongo: Mongo
    vault: Vault
    model: Model
    manifest: Manifest
    namespaces: Container[str]
    guard: Guard
    clock: ServerClock
    due_before: datetime | None = None

    def remove(self, chunk: Sequence[StoredDocument], watch: Watcher) -> list[Outcome]:
        """Take a chunk out in one transaction; what became of each document, in the chunk's order."""
        attempts = 0

        def attempt(session: ClientSession) -> list[Outcome]:
            nonlocal attempts
            attempts += 1
            with watch.around("compare", total=len(chunk)):
                outcomes = self._compare(session, chunk)
            equal = [c.id_key for c, found in zip(chunk, outcomes, strict=True) if found is Outcome.REMOVE]
            delete_compared(self.mongo, self.model, session, equal)
            self.guard(session)
            if attempts > 1:
                # An attempt whose commit went unanswered may have been the one that took them out.
                return [Outcome.REMOVE if found.is_out else found for found in outcomes]
            return outcomes

        return self.mongo.transaction(attempt, watch=watch)

    def _compare(self, session: ClientSession, chunk: Sequence[StoredDocument]) -> list[Outcome]:
        keys = [copy.id_key for copy in chunk]
        place = self.model.collection
        stored = dict(read_by_id(self.mongo, place, keys, session=session))
        held = held_of(self.mongo, self.model.name, keys, self.clock.now(), session=session)
        due = self._due(session, list(stored))
        outcomes: list[Outcome] = []
        for copy in chunk:
            key = copy.id_key
            document = stored.get(key)
            found = outcome(copy.document, document, due=due is None or key in due, held=key in held)
            if found is Outcome.CHANGED and document and self._unmarked(copy.document, document):
                found = Outcome.RESTORED
            outcomes.append(found)
        return self._with_removals(session, chunk, self._with_newer(chunk, outcomes))

    def _with_newer(self, chunk: Sequence[StoredDocument], outcomes: list[Outcome]) -> list[Outcome]:
        """Of those that are equal: one that a removal copied since, and a restore brought back, leaves another time."""
        equal = [copy for copy, found in zip(chunk, outcomes, strict=True) if found is Outcome.REMOVE]
        newer = outranked(self.vault, self.manifest, equal, self.namespaces) if equal else frozenset()
        return [
            Outcome.OUTRANKED if copy.position in newer else found for copy, found in zip(chunk, outcomes, strict=True)
        ]

    def _with_removals(
        self, session: ClientSession, chunk: Sequence[StoredDocument], outcomes: list[Outcome]
    ) -> list[Outcome]:
        """Of those that are gone: a removal, which holds no lease of the model, may have taken them out."""
        gone = [c.id_key for c, found in zip(chunk, outcomes, strict=True) if found is Outcome.VANISHED]
        if not gone:
            return outcomes
        removed = removed_last(self.mongo, self.model, gone, session=session)
        return [
            Outcome.DELETED if found is Outcome.VANISHED and copy.id_key in removed else found
            for copy, found in zip(chunk, outcomes, strict=True)
        ]

    def _unmarked(self, before: bytes, after: bytes) -> bool:
        mark = self.model.marks.deleted
        return has_mark(before, mark) and not has_mark(after, mark)

    def _due(self, session: ClientSession, keys: Sequence[bytes]) -> set[bytes] | None:
        if self.due_before is None:
            return None
        return {
            key
            for selection in ageing(self.model)  # of a model that lost its soft delete nothing is due any more
            for key, _ in read_by_id(
                self.mongo,
                self.model.collection,
                keys,
                session=session,
                also=selection.due(self.due_before),
                ids_only=True,
            )
        }


def delete_compared(mongo: Mongo, model: Model, session: ClientSession, keys: Sequence[bytes]) -> None:
    """Delete the documents that were compared in this transaction. DatabaseError, and none is, if it is not them."""
    collection = mongo.collection(model.collection)
    step = mongo.capabilities.in_chunk
    deleted = 0
    with mapping_errors(f"removing archived documents of {model.collection}"):
        for start in range(0, len(keys), step):
            deleted += collection.delete_many(ids_filter(keys[start : start + step]), session=session).deleted_count
    if deleted != len(keys) and deleted != len({normalise_id_key(key) for key in keys}):
        # Leaving the block by an error aborts the transaction: nothing was deleted.
        raise DatabaseError(
            f"{model.collection}: asked to remove {len(keys)} documents, the server says {deleted}",
            why="documents compared in a transaction must be those that it deletes",
            next="run it again; if it stays so, report it with the server's version",
        )
