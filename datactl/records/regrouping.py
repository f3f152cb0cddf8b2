"""Restoring a group: what a deletion took along comes back with the document that it was about.

Everything that stands against any marked member is looked for first, and nothing is changed if there is something. A
member that is in the vault is looked at when its turn comes. Killed or stopped, it goes on when it is run again: who
is live by then is known to be a member still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pymongo.client_session import ClientSession

from datactl.errors import DatactlError, Problem, RestoreConflict
from datactl.events import count_events, newest_row
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.bulk import ITS_OWN_FAULT
from datactl.records.clock import ServerClock
from datactl.records.grouping import Group, Lies, add_absent
from datactl.records.ledger import Ledger, State
from datactl.records.marks import is_marked
from datactl.records.operations import Context
from datactl.records.placing import with_values
from datactl.records.references import CASCADE, NULLIFY, References, by_ids
from datactl.records.remover import Remover
from datactl.records.restoring import Preflight, Restore
from datactl.records.results import Along
from datactl.records.writing import Outcome, Writer, concealed, seq_was_taken
from datactl.schema import Model
from datactl.steps import Watcher

T = TypeVar("T")

KIND = Restore.kind


@dataclass(frozen=True, slots=True)
class CameAlong:
    """What came back with a document, by model (`restored`, `failed`), and what did not come back.

    `deleted_by`: the operation that had deleted it. `emptied`: how many references of which models that one emptied;
    they stay so, an undo of it puts them back. `stopped`: there is more to come back.
    """

    deleted_by: str
    along: Along = field(default_factory=dict)
    failed: tuple[Problem, ...] = ()
    emptied: Mapping[str, int] = field(default_factory=dict)
    stopped: bool = False


class Regrouping:
    """Restores documents of one model with their groups."""

    def __init__(
        self,
        model: Model,
        mongo: Mongo,
        references: References,
        event_key: bytes | None,
        remover: Callable[[], Remover] | None,
    ) -> None:
        self.model = model
        self._mongo = mongo
        self._references = references
        self._event_key = event_key
        self._remover = remover
        self._ledger = Ledger(mongo)

    @contextmanager
    def group_of(self, id: Any) -> Iterator[Group | None]:
        """The group of a document, None where nothing of one has to come back, and no restore of it is to be ended."""
        op = self.deleted_by(id) if self._references.to(self.model, CASCADE) else None
        if op is None:
            yield None
            return
        with Group(self._mongo, self._references, op) as group:
            if self._remover is not None:
                add_absent(self._mongo, self._references, group, self._remover, [self.model.name])
            group.look(self.model, [id])
            yield group if group.to_come() or self._unfinished(id) is not None else None

    def deleted_by(self, id: Any) -> str | None:
        """The operation that deleted a document, whether it is live by now, marked, or in the vault."""
        marks = self.model.marks
        with mapping_errors(f"reading {self.model.collection}"):
            (query,) = by_ids(self._mongo, [id])
            fields = {marks.deleted: 1, marks.deleted_op: 1}
            row = self._mongo.collection(self.model.collection).find_one(query, fields)
        if row is not None and is_marked(self.model, row):
            op: str | None = row.get(marks.deleted_op)
            return op
        event = newest_row(self._mongo, self.model.name, id, "Deleted")
        return None if event is None else event["op"]

    def emptied_by(self, op: str | None) -> dict[str, int]:
        """How many references of which models the deletion emptied."""
        if op is None or not self._references.to(self.model, NULLIFY, CASCADE):
            return {}
        return {count.aggregate: count.number for count in count_events(self._mongo, op) if count.event == "Updated"}

    def begun(self, id: Any, context: Context) -> Context:
        """The restore of this document that was killed or stopped, to be carried on; else the new one."""
        row = self._unfinished(id)
        if row is None:
            return context
        return Context(row["_id"], row["actor"], row["reason"], row["startedAt"])

    def _unfinished(self, id: Any) -> Document | None:
        return next(iter(self._ledger.unfinished(self.model.name, kind=KIND, **{"detail.root": id})), None)

    def restore(
        self,
        id: Any,
        group: Group,
        context: Context,
        bring_back: Callable[[], T],
        *,
        set: Mapping[str, Any] | None = None,
        watch: Watcher,
    ) -> tuple[T, CameAlong]:
        """The document by `bring_back`, then its group, under one operation with one row in the ledger.

        RestoreConflict with everything that stands against any marked one of them, and nothing changed; what
        `bring_back` raises, and nothing of the group is changed.
        """
        self._preflight(group, set or {}, watch)
        row = self._ledger.find(context.op)
        if row is not None:
            self._ledger.resumed(context.op, ServerClock(self._mongo).now(), position=row["position"])
        else:
            with watch.around("ledger.open", op=context.op):
                self._ledger.open(
                    context,
                    kind=KIND,
                    model=self.model.name,
                    collection=self.model.collection,
                    matched=1,
                    detail={"root": id, "group": group.op},
                )
        try:
            with watch.around("root", op=context.op, model=self.model.name):
                back = bring_back()
            if row is None or not row["position"]:
                self._ledger.advance(None, context.op, position=0, taken=1, counts={"changed": 1})
            failed, stopped = self._members(group, context, watch)
        except DatactlError as error:
            with suppress(DatactlError):  # the error that is raised is the one that matters
                self._ledger.close(context.op, State.FAILED, ServerClock(self._mongo).now(), error=str(error))
            raise
        with watch.around("ledger.close", op=context.op):
            if not stopped:
                self._ledger.kept(context.op, failed)
            state = State.STOPPED if stopped else State.DONE
            self._ledger.close(context.op, state, ServerClock(self._mongo).now())
        along = self._ledger.get(context.op)["detail"].get("along", {})
        return back, CameAlong(group.op, along, tuple(failed), self.emptied_by(group.op), stopped)

    def _preflight(self, group: Group, values: Mapping[str, Any], watch: Watcher) -> None:
        looks: dict[str, Preflight] = {}
        problems: list[Problem] = []
        done = 0
        for model, members in group.members(roots=True):
            place = self._mongo.collection(model.collection)
            look = looks.setdefault(model.name, Preflight(model, self._mongo, self._references.registry, group.has))
            documents = [
                document
                for query in by_ids(self._mongo, [each for each, lies in members if lies is not Lies.LIVE])
                for document in place.find(query)
                if is_marked(model, document)
            ]
            if not done and values:
                documents = [with_values(document, values) for document in documents]
            for document, refusal in zip(documents, look.refusals(None, documents), strict=True):
                if refusal is not None:
                    where = f"{model.name} {document['_id']}"
                    problems += (Problem(f"{where}{each.where}", each.what, each.code) for each in refusal.problems)
            done += len(members)
            watch.progress("preflight", done, group.to_come() + 1)
        if problems:
            raise RestoreConflict(
                f"{len(problems)} conflicts stand against restoring {done:,} documents that were deleted together",
                why=f"{problems[0].where}: {problems[0].what}",
                next="nothing was changed; change what stands against them, or restore one alone with --only",
                problems=problems,
                model=self.model.name,
            )

    def _members(self, group: Group, context: Context, watch: Watcher) -> tuple[list[Problem], bool]:
        """Those that failed, and whether it was stopped before the end."""
        failed: list[Problem] = []
        for model, members in group.members():
            if watch.stopping():
                return failed, True
            marked = [each for each, lies in members if lies is Lies.MARKED]
            absent = [each for each, lies in members if lies is Lies.ABSENT]
            if marked:
                self._unmark(model, marked, group, context, failed, watch)
            if absent and self._remover is not None:
                with watch.around("bring_back", 0, len(absent), op=context.op, model=model.name):
                    back = self._remover().bring_back(model, absent, context, together=group.has, watch=watch)
                count = sum(each.changed for each in back)
                if count:
                    self._ledger.along(None, context.op, model.name, "restored", count)
                failed += (_failure(model, each.id, each.error) for each in back if each.error is not None)
                if len(back) < len(absent):
                    return failed, True
        return failed, False

    def _unmark(
        self, model: Model, ids: Sequence[Any], group: Group, context: Context, failed: list[Problem], watch: Watcher
    ) -> None:
        action = Restore(model, self._mongo, self._references.registry, together=group.has)
        writer = Writer(model, self._mongo, self._event_key)
        own = {model.marks.deleted: True, model.marks.deleted_op: group.op}
        waiting = [list(ids)]
        while waiting:
            chunk = waiting.pop()

            def write(session: ClientSession, chunk: list[Any] = chunk) -> Outcome:
                outcome = writer.change(session, action, chunk, context, selection=own)
                if outcome.changes:
                    self._ledger.along(session, context.op, model.name, "restored", len(outcome.changes))
                return outcome

            try:
                with watch.around("restore", 0, len(ids), op=context.op, model=model.name):
                    outcome = self._mongo.transaction(write, watch=watch)
            except ITS_OWN_FAULT as error:
                if seq_was_taken(error):
                    waiting.append(chunk)
                elif len(chunk) > 1:
                    waiting += [chunk[len(chunk) // 2 :], chunk[: len(chunk) // 2]]
                else:
                    failed.append(_failure(model, chunk[0], concealed(error, model)))
                continue
            if outcome.taken < len(chunk):
                waiting.append(chunk[outcome.taken :])
            failed += (_failure(model, each, reason) for each, reason in outcome.failed)


def _failure(model: Model, id: Any, error: DatactlError) -> Problem:
    return Problem(f"{model.name} {id}", str(error), error.code)
