"""One restore of one or many documents: each on its own, with the receipts written together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from datactl.archive.documents import decoded
from datactl.archive.evidence import Origin
from datactl.archive.insertion import Insertion
from datactl.archive.owed import Owed, owed, pay
from datactl.archive.whereabouts import ArchivedCopy, Place, as_copy, id_key, place_of, stored_document
from datactl.errors import (
    AccessError,
    Conflict,
    DatabaseError,
    DatactlError,
    DocumentRejected,
    NotFound,
    PartlyDone,
    RestoreConflict,
    UsageError,
    VaultDamaged,
)
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.records.ledger import Ledger, State
from datactl.records.operations import Context
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.vault import Candidate, Manifest, Vault, archived_copy

KIND = "restore"

# What stands against one document and says nothing of the next one.
_OF_ONE_DOCUMENT = (NotFound, Conflict, VaultDamaged, UsageError, DocumentRejected)

# So many documents come back before their receipts are written together, one object per segment.
RECEIPT_DOCUMENTS = 100


@dataclass(frozen=True, slots=True)
class Restored:
    """One document that is back. `came_from` is where it was; an archived one names its copy."""

    id: Any
    came_from: Place
    copy: ArchivedCopy | None = None


@dataclass(frozen=True, slots=True)
class RestoreFailure:
    """One document that did not come back, and the error that says why."""

    id: Any
    error: DatactlError


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What became of each document. `unchanged` were live already; `left` were not reached when stopped."""

    op: str
    model: str
    restored: tuple[Restored, ...]
    unchanged: tuple[Any, ...]
    failed: tuple[RestoreFailure, ...]
    stopped: bool
    left: int

    def raise_failures(self) -> None:
        """The error of the only document that was asked for; PartlyDone where one of several failed."""
        if not self.failed:
            return
        if len(self.failed) == 1 and not self.restored and not self.unchanged and not self.left:
            raise self.failed[0].error
        first = self.failed[0].error
        raise PartlyDone(
            f"{len(self.failed)} of {len(self.restored) + len(self.unchanged) + len(self.failed)} documents "
            f"of {self.model} did not come back",
            why=str(first),
            next=first.next,
            problems=first.problems,
            op=self.op,
            failed=[{"id": str(each.id), "code": each.error.code, "what": str(each.error)} for each in self.failed],
        )


class RestoreJob:
    """The work of one restore. Receipts are owed in MongoDB until they are written, so a crash loses none."""

    def __init__(
        self,
        mongo: Mongo,
        vault: Vault,
        model: Model,
        context: Context,
        insertion: Insertion,
        repository: Repository,
        watch: Watcher,
    ) -> None:
        self._mongo = mongo
        self._vault = vault
        self._model = model
        self._context = context
        self._insertion = insertion
        self._repository = repository
        self._watch = watch
        self._owed: list[Owed] = []
        self._finished: set[Origin] = set()
        self._restored: list[Restored] = []
        self._unchanged: list[Any] = []
        self._failed: list[RestoreFailure] = []

    def run(self, ids: Sequence[Any]) -> RestoreReport:
        self._finish_earlier()
        ledger = Ledger(self._mongo) if len(ids) > 1 else None
        if ledger is not None:
            ledger.open(
                self._context,
                kind=KIND,
                model=self._model.name,
                collection=self._model.collection,
                matched=len(ids),
            )
        try:
            done = self._restore_all(ids)
        except DatactlError as error:
            if ledger is not None:
                with suppress(AccessError, DatabaseError):  # the server may be what failed
                    ledger.close(self._context.op, State.FAILED, self._mongo.server_time(), error=error.code)
            raise
        left = len(ids) - done
        if ledger is not None:
            counts = {
                "changed": len(self._restored),
                "unchanged": len(self._unchanged),
                "failed": len(self._failed),
            }
            ledger.advance(None, self._context.op, position=0, taken=done, counts=counts)
            ledger.close(self._context.op, State.STOPPED if left else State.DONE, self._mongo.server_time())
        return RestoreReport(
            op=self._context.op,
            model=self._model.name,
            restored=tuple(self._restored),
            unchanged=tuple(self._unchanged),
            failed=tuple(self._failed),
            stopped=left > 0,
            left=left,
        )

    def _restore_all(self, ids: Sequence[Any]) -> int:
        """One after the other; how many were reached before it was stopped. What is back has its receipt then."""
        done = 0
        for each in ids:
            if self._watch.stopping():
                break
            try:
                self._restore(each)
            except _OF_ONE_DOCUMENT as error:
                self._failed.append(RestoreFailure(each, error))
            done += 1
            self._watch.progress(KIND, done, len(ids))
            if len(self._owed) >= RECEIPT_DOCUMENTS:
                self._pay()
        self._pay()
        return done

    @cached_property
    def _segments(self) -> list[Manifest]:
        """Listed once a restore, newest rank first."""
        return self._vault.by_rank(self._model.name)

    def _finish_earlier(self) -> None:
        """Receipts that killed restores of this model still owe."""
        debts = owed(self._mongo, self._model.name)
        if debts:
            with self._watch.around("receipt", unit="receipts"):
                pay(self._mongo, self._vault, self._model.name, debts)
            self._finished = {debt.origin for debt in debts}

    def _restore(self, id: Any) -> None:
        key = id_key(id)
        document = stored_document(self._mongo, self._model, key)
        place = place_of(self._model, document)
        if place is Place.MARKED and not self._unmark(id):
            place = Place.ABSENT  # the archive took it in between
        if place is Place.ABSENT:
            self._bring_back(id, key)
        elif place is Place.LIVE and document is not None:
            self._look_again(id, key, document)

    def _unmark(self, id: Any) -> bool:
        """Restore a marked document; False if it is not there any more."""
        if self._insertion.as_archived:
            self._unchanged.append(id)
            return True
        try:
            change = self._repository.restore(id, set=self._insertion.set, reason=self._context.reason)
        except NotFound:
            return False
        if change.changed:
            self._restored.append(Restored(id, Place.MARKED))
        else:
            self._unchanged.append(id)
        return True

    def _bring_back(self, id: Any, key: bytes) -> None:
        retrieved = self._vault.retrieve(self._model.name, key, absent=True, within=self._segments)
        if retrieved is None:
            raise NotFound(
                f"{self._model.name} {id} is neither in MongoDB nor in the vault",
                why="no archived copy is left to bring back",
                next=f"datactl archive find {self._model.name} {id}",
            )
        with self._watch.around("insert"):
            origin = self._insertion.insert(retrieved)
        self._owed.append(Owed(origin, self._context.op, self._context.actor))
        self._restored.append(Restored(id, Place.ARCHIVED, as_copy(retrieved.copy, offered=True)))

    def _look_again(self, id: Any, key: bytes, document: bytes) -> None:
        """A live document: nothing to do, unless the vault offers another one under the same `_id`."""
        candidates = list(self._vault.locate(self._model.name, key, within=self._segments))
        back = next((each for each in candidates if _origin(each) in self._finished), None)
        if back is not None:
            self._restored.append(Restored(id, Place.ARCHIVED, as_copy(back, offered=False)))
            return
        clash = archived_copy(candidates, absent=False)
        if clash is None:
            self._unchanged.append(id)
            return
        raise self._clash(id, document, clash)

    def _clash(self, id: Any, document: bytes, copy: Candidate) -> RestoreConflict:
        live = decoded(document)
        times = {name: live[name] for name in ("createdAt", "updatedAt") if name in live}
        archived = copy.manifest
        return RestoreConflict(
            f"{self._model.name} {id} cannot be restored: a live document has its _id",
            why=f"the archived one left MongoDB with segment {archived.name} on {archived.created_at:%Y-%m-%d}",
            next=f"datactl archive find {self._model.name} {id}",
            live={"id": str(id), **{name: str(value) for name, value in times.items()}},
            archived={
                "segment": archived.name,
                "position": copy.position,
                "archivedAt": archived.created_at.isoformat(),
                "op": archived.op,
                "actor": archived.actor,
                "reason": archived.reason,
            },
        )

    def _pay(self) -> None:
        if self._owed:
            with self._watch.around("receipt", unit="receipts"):
                pay(self._mongo, self._vault, self._model.name, self._owed)
            self._owed = []


def _origin(candidate: Candidate) -> Origin:
    return Origin(candidate.manifest.name, candidate.position)
