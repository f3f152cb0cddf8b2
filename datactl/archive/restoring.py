"""One restore of one or many documents: each on its own, with the receipts written together."""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

from pymongo.client_session import ClientSession

from datactl.archive.documents import decoded
from datactl.archive.each_other import EachOther, only_references
from datactl.archive.evidence import Origin
from datactl.archive.holds import held_of, hold, release
from datactl.archive.insertion import Insertion
from datactl.archive.owed import Owed, owed, pay
from datactl.archive.restored import Restored, RestoreFailure, RestoreReport
from datactl.archive.unoffered import not_offered
from datactl.archive.whereabouts import (
    Listed,
    Place,
    as_copy,
    id_key,
    place_of,
    settled_by_now,
    split_by_namespace,
    stored_document,
)
from datactl.errors import (
    AccessError,
    Conflict,
    DatabaseError,
    DatactlError,
    DocumentRejected,
    NotFound,
    RestoreConflict,
    UsageError,
    VaultDamaged,
)
from datactl.events import aggregate_key
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.records.ledger import Ledger, State
from datactl.records.operations import Context
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.vault import Candidate, Manifest, Retrieved, Vault, archived_copy

KIND = "restore"

# What stands against one document and says nothing of the next one.
_OF_ONE_DOCUMENT = (NotFound, Conflict, VaultDamaged, UsageError, DocumentRejected)

# So many documents come back before their receipts are written together, one object per segment.
RECEIPT_DOCUMENTS = 100


# So often a document is looked up anew when its copy is overtaken before it is inserted.
_LOOKS = 5


class _OtherCopy(Exception):
    """The copy that was looked up is not the one that is offered now: the transaction is given up."""


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
        *,
        namespaces: Container[str],
        named: Manifest | None,
    ) -> None:
        """`namespaces`: whose copies are this model's. `named`: the segment that the operator wants the copy of."""
        self._mongo = mongo
        self._vault = vault
        self._model = model
        self._context = context
        self._insertion = insertion
        self._repository = repository
        self._watch = watch
        self._namespaces = namespaces
        self._named = named
        self._absent_only = False
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
        report = self._report(ids, done)
        if ledger is not None:
            counts = {
                "changed": len(self._restored),
                "unchanged": len(self._unchanged),
                "failed": len(self._failed),
            }
            ledger.advance(None, self._context.op, position=0, taken=done, counts=counts)
            ledger.close(self._context.op, State.STOPPED if report.left else State.DONE, self._mongo.server_time())
        return report

    def bring_back(self, ids: Sequence[Any]) -> RestoreReport:
        """As `run`, within an operation that has its own row in the ledger: what is not absent is unchanged."""
        self._absent_only = True
        self._finish_earlier()
        return self._report(ids, self._restore_all(ids))

    def _report(self, ids: Sequence[Any], done: int) -> RestoreReport:
        left = len(ids) - done
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
        self._restore_each_other()
        self._pay()
        return done

    def _restore_each_other(self) -> None:
        """Again those against which nothing but references to each other stands: a parent may come after its child."""
        waiting = {aggregate_key(each.id): each for each in self._failed if only_references(each.error)}
        if len(waiting) < 2 or self._named is not None:
            return
        each_other = EachOther(self._model, waiting, self._insertion.together)
        for key, failure in waiting.items():
            document = self._to_come(id_key(failure.id))
            if document is None or self._insertion.refusal(document, each_other.asked_by(key)) is not None:
                each_other.stays(key)
        coming = each_other.coming()
        self._insertion = replace(self._insertion, together=each_other.together)
        for failure in [waiting[key] for key in coming]:
            if self._watch.stopping():
                break
            self._failed.remove(failure)
            try:
                self._restore(failure.id)
            except _OF_ONE_DOCUMENT as error:
                self._failed.append(RestoreFailure(failure.id, error))
            if len(self._owed) >= RECEIPT_DOCUMENTS:
                self._pay()

    def _to_come(self, key: bytes) -> bytes | None:
        """The document as it is: marked in MongoDB, or as the vault offers it."""
        document = stored_document(self._mongo, self._model, key)
        if document is not None:
            return document if place_of(self._model, document) is Place.MARKED else None
        offered = self._offered(key)
        return None if offered is None else offered.document

    def _offered(self, key: bytes) -> Retrieved | None:
        return self._vault.retrieve(
            self._model.name,
            key,
            absent=True,
            within=self._segments,
            settled=lambda copy: settled_by_now(self._mongo, self._model, key, copy),
        )

    @cached_property
    def _listed(self) -> tuple[Listed, Listed]:
        """Listed once a restore, newest rank first: the model's own segments, and those of other namespaces."""
        return split_by_namespace(self._vault.by_rank(self._model.name), self._namespaces)

    @property
    def _segments(self) -> Listed:
        return self._listed[0] if self._named is None else [self._named]

    def _finish_earlier(self) -> None:
        """Receipts that killed restores of this model still owe. One that cannot be written the archive reports."""
        debts = owed(self._mongo, self._model.name)
        if debts:
            with self._watch.around("receipt", unit="receipts"):
                pay(self._mongo, self._vault, self._model.name, debts)
            self._finished = {debt.origin for debt in debts}

    def _restore(self, id: Any) -> None:
        key = id_key(id)
        document = stored_document(self._mongo, self._model, key)
        place = place_of(self._model, document)
        if self._named is not None and document is not None:
            self._refuse_named(id, key, document, self._named)
            return
        if place is Place.MARKED and self._absent_only:
            self._unchanged.append(id)
        elif place is Place.MARKED and not self._unmark(id, key):
            place = Place.ABSENT  # the archive took it in between
        if place is Place.ABSENT:
            self._bring_back(id, key)
        elif place is Place.LIVE and document is not None:
            self._look_again(id, key, document)

    def _unmark(self, id: Any, key: bytes) -> bool:
        """Restore a marked document; False if it is not there any more.

        `as_archived` leaves its mark and holds it. With `archive.select` it may be due again as soon as it is live:
        it is held before.
        """
        if self._insertion.as_archived:
            self._hold(key)
            if stored_document(self._mongo, self._model, key) is None:
                return False
            self._unchanged.append(id)
            return True
        selected = self._model.archive.select is not None
        fresh = selected and not held_of(self._mongo, self._model.name, [key], self._context.at)
        if fresh:
            self._hold(key)
        try:
            change = self._repository.restore_alone(
                id, self._context, set=self._insertion.set, together=self._insertion.together
            )
        except DatactlError as error:
            if fresh:
                release(self._mongo, self._model.name, key, op=self._context.op)
            if isinstance(error, NotFound):
                return False
            raise
        if selected and not fresh:
            self._hold(key)
        if change.changed:
            self._restored.append(Restored(id, Place.MARKED))
        else:
            self._unchanged.append(id)
        return True

    def _hold(self, key: bytes) -> None:
        def place(session: ClientSession) -> None:
            hold(self._mongo, session, self._model.name, key, now=self._context.at, op=self._context.op)

        self._mongo.transaction(place)

    def _bring_back(self, id: Any, key: bytes) -> None:
        for _ in range(_LOOKS):
            with suppress(_OtherCopy):
                self._bring_back_what_is_offered(id, key)
                return
        raise RestoreConflict(
            f"{self._model.name} {id} was archived and brought back again each time it was looked up",
            why=f"{_LOOKS} times in a row",
            next="run it again",
        )

    def _check_still_offered(self, key: bytes, copy: Candidate) -> None:
        """Raise _OtherCopy unless the copy is what the vault offers still, inside the transaction that inserts it.

        The document is absent in its snapshot. If a newer one was archived since the look-up, its manifest was there
        before it left MongoDB; and if this copy was brought back by another restore, its receipt was.
        """
        if self._named is not None:
            return
        known = [each.name for listed in self._listed for each in listed]
        newer = self._vault.by_rank(self._model.name, after=max(known, default=None))
        if newer:
            del self._listed  # what the next look-up goes through
            own, _ = split_by_namespace(newer, self._namespaces)
            if any(True for _ in self._vault.locate(self._model.name, key, within=own)):
                raise _OtherCopy
        receipts = self._vault.receipts(copy.manifest)
        if copy.position in receipts.restored or (
            receipts.deleted is not None and copy.position not in receipts.deleted
        ):
            raise _OtherCopy

    def _bring_back_what_is_offered(self, id: Any, key: bytes) -> None:
        retrieved = self._offered(key) if self._named is None else self._retrieve_named(id, key, self._named)
        if retrieved is None:
            raise not_offered(self._mongo, self._vault, self._model, id, key, *self._listed)
        with self._watch.around("insert"):
            origin = self._insertion.insert(retrieved, lambda: self._check_still_offered(key, retrieved.copy))
        self._owed.append(Owed(origin, self._context.op, self._context.actor))
        self._restored.append(Restored(id, Place.ARCHIVED, as_copy(retrieved.copy, offered=True)))

    def _retrieve_named(self, id: Any, key: bytes, named: Manifest) -> Retrieved:
        """The copy of the segment that was named, whatever its receipts say; the last one that left, of several."""
        copies = sorted(
            self._vault.locate(self._model.name, key, within=[named]),
            key=lambda copy: (copy.receipt is not False, copy.position),
            reverse=True,
        )
        for copy in copies:
            with suppress(NotFound):  # another document's, whose _id has the same hash
                return Retrieved(copy, self._vault.fetch(copy))
        raise self._no_copy(id, named)

    def _no_copy(self, id: Any, named: Manifest) -> NotFound:
        return NotFound(
            f"segment {named.name} has no copy of {self._model.name} {id}",
            next=f"datactl archive find {self._model.name} {id}",
        )

    def _refuse_named(self, id: Any, key: bytes, document: bytes, named: Manifest) -> None:
        """A copy was named and MongoDB has a document: a conflict, unless a killed restore just brought it back."""
        candidates = list(self._vault.locate(self._model.name, key, within=self._segments))
        back = next((each for each in candidates if _origin(each) in self._finished), None)
        if back is not None:
            self._restored.append(Restored(id, Place.ARCHIVED, as_copy(back, offered=False)))
        elif candidates:
            raise self._clash(id, document, candidates[0])
        else:
            raise self._no_copy(id, named)

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
            f"{self._model.name} {id} cannot be restored: a {place_of(self._model, document)} document has its _id",
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
                paid = pay(self._mongo, self._vault, self._model.name, self._owed)
            self._owed = []
            if paid.failed:
                raise paid.failed[0]


def _origin(candidate: Candidate) -> Origin:
    return Origin(candidate.manifest.name, candidate.position)
