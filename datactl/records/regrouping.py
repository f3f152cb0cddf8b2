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
from datactl.events import aggregate_key, count_events, newest_row
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.clock import ServerClock
from datactl.records.committing import commit_outcome
from datactl.records.faults import ITS_OWN_FAULT, concealed
from datactl.records.grouping import Group, Lies, add_absent
from datactl.records.ledger import Ledger, State
from datactl.records.marks import is_marked
from datactl.records.operations import Context
from datactl.records.placing import with_values
from datactl.records.references import CASCADE, NULLIFY, References, by_ids, live_keys
from datactl.records.remover import Remover
from datactl.records.restoring import Preflight, Restore, Together, conflicts, documents_of
from datactl.records.results import Along
from datactl.records.writing import Outcome, Writer
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
            yield group if group.to_come() or self._unfinished(id, op) is not None else None

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

    def begun(self, id: Any, group: Group, context: Context) -> Context:
        """The restore of this document and this group that was killed or stopped, to be carried on; else the new one.

        One that was to undo another deletion of the document is nothing that could be carried on.
        """
        row = self._unfinished(id, group.op)
        if row is None:
            return context
        return Context(row["_id"], row["actor"], row["reason"], row["startedAt"])

    def _unfinished(self, id: Any, group: str) -> Document | None:
        wanted = {"detail.root": id, "detail.group": group}
        return next(iter(self._ledger.unfinished(self.model.name, kind=KIND, **wanted)), None)

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
        ways: str | None = None
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
                    ways = ways or refusal.next
                    where = f"{model.name} {document['_id']}"
                    problems += (Problem(f"{where}{each.where}", each.what, each.code) for each in refusal.problems)
            done += len(members)
            watch.progress("preflight", done, group.to_come() + 1)
        if problems:
            raise RestoreConflict(
                f"{conflicts(len(problems))} against restoring {documents_of(done)} deleted together",
                why=f"{problems[0].where}: {problems[0].what}",
                next=f"nothing was changed; restore one alone with --only, or {ways}",
                problems=problems,
                model=self.model.name,
            )

    def _members(self, group: Group, context: Context, watch: Watcher) -> tuple[list[Problem], bool]:
        """Those that failed, and whether it was stopped before the end."""
        failed: list[Problem] = []
        for model, members, together in group.parts():
            if watch.stopping():
                return failed, True
            marked = [each for each, lies in members if lies is Lies.MARKED]
            absent = [each for each, lies in members if lies is Lies.ABSENT]
            if marked:
                missed = self._unmark(model, marked, group, together, context, failed, watch)
                absent += self._gone_since(model, missed, group, failed)
            if absent and not self._bring_back(model, absent, together, context, failed, watch):
                return failed, True
        return failed + list(self._orphans(group)), False

    def _orphans(self, group: Group) -> Iterator[Problem]:
        """Members that are live, and their parent is not: it was deleted in the moment in which they came back."""
        for model, members in group.members(roots=True):
            keys = {aggregate_key(each): each for each, _ in members}
            dead = keys.keys() - live_keys(self._mongo, model, list(keys.values())).keys()
            for key in dead:
                for child, orphan in group.children_of(model, key):
                    if live_keys(self._mongo, child, [orphan]):
                        what = f"it is live, and {model.name} {keys[key]} to which it belongs was deleted meanwhile"
                        yield Problem(f"{child.name} {orphan}", what, "reference_deleted")

    def _gone_since(self, model: Model, missed: Sequence[Any], group: Group, failed: list[Problem]) -> list[Any]:
        """Of members whose mark was not there any more when their turn came those that are in the vault by now."""
        there: dict[bytes, Document] = {}
        with mapping_errors(f"reading {model.collection}"):
            fields = {"_id": 1, model.marks.deleted: 1}
            for query in by_ids(self._mongo, missed):
                for row in self._mongo.collection(model.collection).find(query, fields):
                    there[aggregate_key(row["_id"])] = row
        absent = {key: each for each in missed if (key := aggregate_key(each)) not in there}
        offered = self._remover().offered(model, list(absent.values())) if absent and self._remover is not None else ()
        found = {aggregate_key(each["_id"]) for each in group.deleted_last(model, offered)}
        for row in there.values():
            if is_marked(model, row):
                failed.append(_stays(model, row["_id"], "it was deleted by another operation since"))
        for key, each in absent.items():
            if key not in found:
                failed.append(_stays(model, each, "it is not there any more"))
        return [each for key, each in absent.items() if key in found]

    def _bring_back(
        self,
        model: Model,
        absent: Sequence[Any],
        together: Together,
        context: Context,
        failed: list[Problem],
        watch: Watcher,
    ) -> bool:
        """Out of the vault; False if it was stopped before the end."""
        if self._remover is None:
            failed += (_stays(model, each, "it is in the vault, and none is at hand") for each in absent)
            return True
        with watch.around("bring_back", 0, len(absent), op=context.op, model=model.name):
            back = self._remover().bring_back(model, absent, context, together=together, watch=watch)
        count = sum(each.changed for each in back)
        if count:
            self._ledger.along(None, context.op, model.name, "restored", count)
        failed += (_failure(model, each.id, each.error) for each in back if each.error is not None)
        there = [each.id for each in back if not each.changed and each.error is None]
        live = live_keys(self._mongo, model, there)
        failed += (
            _stays(model, each, "it is there again, and deleted") for each in there if aggregate_key(each) not in live
        )
        return len(back) == len(absent)

    def _unmark(
        self,
        model: Model,
        ids: Sequence[Any],
        group: Group,
        together: Together,
        context: Context,
        failed: list[Problem],
        watch: Watcher,
    ) -> list[Any]:
        """Take the marks away; those that had none of this operation any more."""
        missed: list[Any] = []
        action = Restore(model, self._mongo, self._references.registry, together=together)
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
                    outcome = commit_outcome(self._mongo, write, watch=watch)
            except ITS_OWN_FAULT as error:
                if len(chunk) > 1:
                    waiting += [chunk[len(chunk) // 2 :], chunk[: len(chunk) // 2]]
                else:
                    failed.append(_failure(model, chunk[0], concealed(error, model)))
                continue
            if outcome.taken < len(chunk):
                waiting.append(chunk[outcome.taken :])
            failed += (_failure(model, each, reason) for each, reason in outcome.failed)
            missed += outcome.missed
        return missed


def _stays(model: Model, id: Any, what: str) -> Problem:
    return Problem(f"{model.name} {id}", f"{model.name} {id} stays deleted: {what}", "changed_since")


def _failure(model: Model, id: Any, error: DatactlError) -> Problem:
    return Problem(f"{model.name} {id}", str(error), error.code)
