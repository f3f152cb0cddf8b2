"""The repository: every change of a model's documents, each with its event, and reading them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import bson
from pymongo.client_session import ClientSession

from datactl.errors import DuplicateKey, PartlyDone, UsageError
from datactl.mongo import CODEC, Document, Mongo, mapping_errors
from datactl.records.actions import Action, SoftDelete, Update
from datactl.records.bulk import BulkWork, Tally
from datactl.records.clock import ServerClock
from datactl.records.committing import commit
from datactl.records.creating import Incoming, Intake
from datactl.records.deletable import Deletable
from datactl.records.deleting import Deletion
from datactl.records.etags import etag
from datactl.records.faults import concealed, not_found
from datactl.records.fixing_marks import FixMarks
from datactl.records.ledger import Ledger, State
from datactl.records.marks import both, live, marked
from datactl.records.operations import Context, new_op
from datactl.records.reading import Filter
from datactl.records.references import References
from datactl.records.regrouping import Regrouping
from datactl.records.removals import KIND as REMOVAL
from datactl.records.remover import Remover
from datactl.records.restoring import Restore, Together
from datactl.records.results import BulkResult, Change
from datactl.records.spool import Spool
from datactl.records.updates import UpdatePlan, read_update
from datactl.records.writing import AS_STORED, Outcome, Writer
from datactl.schema import Model, Registry
from datactl.steps import UNWATCHED, Watcher

T = TypeVar("T")


class Repository(Deletable):
    """A model's documents. Subclass it to give a model its own questions (docs/repository.md).

    `actor` is who changes things where a call does not say; `event_key` (32 bytes) encrypts secret fields in events.
    Bulk work freezes its ids under `spool_dir`; without one they are in the system's temporary directory. `remover`
    makes, when it is first needed, what removes documents by way of the vault.
    Every changing method raises NoTransactions or WeakDurability where the server or the URI cannot keep its promise.
    """

    def __init__(
        self,
        model: Model,
        mongo: Mongo,
        registry: Registry,
        *,
        actor: str | None = None,
        event_key: bytes | None = None,
        spool_dir: Path | None = None,
        remover: Callable[[], Remover] | None = None,
    ) -> None:
        super().__init__(model, mongo)
        self.registry = registry
        self.actor = actor
        self._spool_dir = spool_dir
        self._make_remover = remover
        self._event_key = event_key
        self._references = References(registry)
        self._clock = ServerClock(mongo)
        self._intake = Intake(model)
        self._writer = Writer(model, mongo, event_key)

    # -- create --------------------------------------------------------------------------------------------------------

    def create(
        self, data: Mapping[str, Any], *, actor: str | None = None, reason: str | None = None, reveal: bool = False
    ) -> Document:
        """Insert a document and its event; the document as it is stored.

        InvalidDocument with every problem, DocumentTooLarge before anything is written, DuplicateKey naming the field.
        """
        context = self._context(actor, reason)
        document = self._intake.read(data, context.at)
        self._once(lambda session: (self._writer.create(session, [document], context), None))
        stored = bson.decode(document.encoded, CODEC)
        return stored if reveal else self.hide(stored)

    def create_many(
        self,
        items: Iterable[Mapping[str, Any]],
        *,
        actor: str | None = None,
        reason: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> BulkResult:
        """Insert documents as they come, up to 500 with their events in one transaction.

        One that is not valid, or whose key is taken, is listed as failed by its number, and the others go on. Of a run
        that was stopped, `position` is the number of the first input that was not taken.
        """
        context = self._context(actor, reason)

        def insert(session: ClientSession, incoming: Sequence[Incoming]) -> Outcome:
            return self._insert(session, incoming, context)

        matched = len(items) if isinstance(items, Sized) else None
        return self._bulk().create(
            self._intake.read_all(items, context.at), context, insert, matched=matched, watch=watch
        )

    def _insert(self, session: ClientSession, incoming: Sequence[Incoming], context: Context) -> Outcome:
        documents = [item.document for item in incoming if item.document is not None]
        outcome = self._writer.create(session, documents, context) if documents else Outcome()
        inserted, taken = 0, 0
        for item in incoming:
            if item.error is not None:
                outcome.failed.append((item.number, item.error))
            elif inserted == len(outcome.changes):
                break
            else:
                inserted += 1
            taken += 1
        outcome.taken = taken
        return outcome

    # -- update --------------------------------------------------------------------------------------------------------

    def update_by_id(
        self,
        id: Any,
        update: Mapping[str, Any],
        *,
        actor: str | None = None,
        reason: str | None = None,
        if_match: str | None = None,
        reveal: bool = False,
    ) -> Document:
        """Change one live document; the document as it is then. `update`: new values, or MongoDB's update operators.

        NotFound; InvalidDocument for unknown and immutable fields and for a result that the model does not allow;
        PreconditionFailed if it is not in the state that the ETag `if_match` names.
        """
        wanted = self.model.parse_id(id)
        action = Update(self.model, read_update(self.model, update))
        context = self._context(actor, reason)

        def work(session: ClientSession) -> tuple[Outcome, Document | None]:
            outcome = self._writer.change(
                session, action, [wanted], context, selection=live(self.model), if_match=if_match
            )
            return outcome, None if outcome.missed else self._stored(session, wanted)

        _, document = self._once(work)
        if document is None:
            self._refuse_missing(wanted)
        return document if reveal else self.hide(document)

    def update_one(
        self,
        filter: Filter,
        update: Mapping[str, Any],
        *,
        actor: str | None = None,
        reason: str | None = None,
        reveal: bool = False,
    ) -> Document | None:
        """Change the first live document that matches; the document as it is then, None if none matches."""
        action = Update(self.model, read_update(self.model, update))
        context = self._context(actor, reason)
        selection = both(filter, live(self.model))

        def work(session: ClientSession) -> tuple[Outcome, Document | None]:
            first = self.collection.find_one(selection, {"_id": 1}, session=session)
            if first is None:
                return Outcome(), None
            outcome = self._writer.change(session, action, [first["_id"]], context)
            return outcome, self._stored(session, first["_id"])

        _, document = self._once(work)
        return document if document is None or reveal else self.hide(document)

    def update_many(
        self,
        filter: Filter,
        update: Mapping[str, Any],
        *,
        expected: int | None = None,
        actor: str | None = None,
        reason: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> BulkResult:
        """Change every live document that matches when it starts, and still does when its turn comes.

        Declined, and nothing changed, if more than `expected` (what was confirmed) match when it starts.
        """
        plan = read_update(self.model, update)
        order = {"kind": "update", "operators": plan.operators, "plain": plan.plain}
        selection = both(filter, live(self.model))
        context = self._context(actor, reason)
        return self._bulk().change(
            Update(self.model, plan), context, selection=selection, order=order, expected=expected, watch=watch
        )

    # -- restore -------------------------------------------------------------------------------------------------------

    def restore(
        self,
        id: Any,
        *,
        set: Mapping[str, Any] | None = None,
        only: bool = False,
        actor: str | None = None,
        reason: str | None = None,
        if_match: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> Change:
        """Take the mark away, and give fields (dotted paths) new values on the way.

        What the same operation deleted along with it comes back too, unless `only` this one is asked for; also what was
        left of that where the document is live already. References that the deletion emptied stay empty.

        NotFound; InvalidDocument for `_id`, immutable fields and marks in `set`; RestoreConflict with everything that
        stands against any of them, and nothing changed. PartlyDone where something could not come back with it.
        """
        self._soft_deletable()
        wanted = self.model.parse_id(id)
        if only:
            return self.restore_alone(wanted, self._context(actor, reason), set=set, if_match=if_match)
        regrouping = self._regrouping()
        deleted_by = regrouping.deleted_by(wanted) if self._references.to(self.model) else None
        with regrouping.group_of(wanted) as group:
            context = self._context(actor, reason)
            if group is None:
                change = self.restore_alone(wanted, context, set=set, if_match=if_match)
                return replace(change, deleted_by=deleted_by, emptied=regrouping.emptied_by(deleted_by))
            context = regrouping.begun(wanted, group, context)
            change, came = regrouping.restore(
                wanted,
                group,
                context,
                lambda: self.restore_alone(wanted, context, set=set, if_match=if_match, together=group.has),
                set=set,
                watch=watch,
            )
        if came.failed:
            raise PartlyDone(
                f"{self.model.name} {wanted} is restored; {len(came.failed):,} that were deleted with it are not",
                why=came.failed[0].what,
                next="change what stands against them, then restore it again",
                problems=came.failed,
                op=context.op,
            )
        return replace(change, along=came.along, deleted_by=came.deleted_by, emptied=came.emptied)

    def restore_alone(
        self,
        id: Any,
        context: Context,
        *,
        set: Mapping[str, Any] | None = None,
        if_match: str | None = None,
        together: Together | None = None,
    ) -> Change:
        """As `restore` with `only`, under a given operation. `together`: what comes back with it is no conflict."""
        values = read_update(self.model, {"$set": dict(set)}).operators["$set"] if set else {}
        action = Restore(self._soft_deletable(), self.mongo, self.registry, values, together)
        return self._change_one(action, id, context, if_match)

    def _regrouping(self) -> Regrouping:
        return Regrouping(self.model, self.mongo, self._references, self._event_key, self._make_remover)

    def restore_many(
        self,
        *,
        filter: Filter | None = None,
        ids: Iterable[Any] | None = None,
        actor: str | None = None,
        reason: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> BulkResult:
        """Restore documents: those with these ids, or every marked one that matches.

        RestoreConflict with every conflict of every one of them, before anything is changed.
        """
        action = Restore(self._soft_deletable(), self.mongo, self.registry)
        return self._change_many(action, filter, ids, marked(self.model), self._context(actor, reason), watch)

    # -- operations ----------------------------------------------------------------------------------------------------

    def resume_bulk(self, op: str, *, watch: Watcher = UNWATCHED) -> BulkResult:
        """Carry on a bulk operation that was stopped or killed, exactly where it was; a finished one is only told.

        NotFound if there is no such operation, or its frozen ids are needed still and not on this machine.
        """
        row = Ledger(self.mongo).get(op)
        if row["model"] != self.model.name:
            raise UsageError(f"operation {op} is one of {row['model']}, not of {self.model.name}")
        if row["state"] == State.DONE:
            return Tally.of(row).result(stopped=False)
        if row["kind"] in (REMOVAL, SoftDelete.kind):
            decided = row["position"] == row["counts"]["matched"]  # what goes along is found in MongoDB
            spool = Spool.of_decided(row["spool"]) if decided else Spool.open(row["spool"], op)
            return self._resume_delete(row, spool, watch)
        spool = Spool.open(row["spool"], op)
        return self._bulk().resume(row, spool, self._action(spool.order), watch)

    def _action(self, order: Mapping[str, Any]) -> Action:
        if order["kind"] == Restore.kind:
            return Restore(self.model, self.mongo, self.registry)
        if order["kind"] == FixMarks.kind:
            return FixMarks(self.model)
        return Update(self.model, UpdatePlan(order["operators"], order["plain"]))

    # -- state ---------------------------------------------------------------------------------------------------------

    def etag(self, id: Any, representation: str = "") -> str:
        """The ETag of a document's stored state, deleted or not. NotFound."""
        wanted = self.model.parse_id(id)
        raw = self.collection.with_options(codec_options=AS_STORED)
        with mapping_errors(f"reading {self.model.collection}"):
            stored: Any = raw.find_one({"_id": {"$eq": wanted} if isinstance(wanted, Mapping) else wanted})
        if stored is None:
            raise not_found(self.model, wanted)
        return etag(self.mongo.cursor_key, stored.raw, representation)

    # -- how -----------------------------------------------------------------------------------------------------------

    def _context(self, actor: str | None, reason: str | None) -> Context:
        self._writer.prepare()
        return Context(new_op(), self.actor if actor is None else actor, reason, self._clock.now())

    def _bulk(self) -> BulkWork:
        return BulkWork(self.model, self.mongo, self._writer, self._clock, self._spool_directory())

    def _change_one(self, action: Action, id: Any, context: Context, if_match: str | None) -> Change:
        wanted = self.model.parse_id(id)
        self._writer.prepare()

        def work(session: ClientSession) -> tuple[Outcome, None]:
            return self._writer.change(session, action, [wanted], context, if_match=if_match), None

        outcome, _ = self._once(work)
        for _, error in outcome.failed:
            raise error
        if outcome.changes:
            return outcome.changes[0]
        return Change(self.model.name, wanted, action.event.lower(), changed=False, op=context.op)

    def _change_many(
        self,
        action: Action,
        filter: Filter | None,
        ids: Iterable[Any] | None,
        eligible: Mapping[str, Any],
        context: Context,
        watch: Watcher,
        expected: int | None = None,
        deletion: Deletion | None = None,
    ) -> BulkResult:
        if (filter is None) == (ids is None):
            raise UsageError("give either ids or a filter", next="filter={} selects every document there is")
        known = None if ids is None else [self.model.parse_id(each) for each in ids]
        selection = None if filter is None else both(filter, eligible)
        order = {"kind": action.kind}
        return self._bulk().change(
            action,
            context,
            selection=selection,
            ids=known,
            order=order,
            expected=expected,
            deletion=deletion,
            watch=watch,
        )

    def _once(self, work: Callable[[ClientSession], tuple[Outcome, T]]) -> tuple[Outcome, T]:
        """One transaction. DuplicateKey, without the value of a secret field."""
        try:
            return commit(self.mongo, work, event_of=lambda result: result[0].event)
        except DuplicateKey as error:
            raise concealed(error, self.model) from None

    def _stored(self, session: ClientSession, id: Any) -> Document | None:
        return self.collection.find_one({"_id": {"$eq": id} if isinstance(id, Mapping) else id}, session=session)

    def _refuse_missing(self, id: Any) -> NoReturn:
        self.find_by_id(id)
        raise not_found(self.model, id)  # it came back in this moment: what was asked for was not there
