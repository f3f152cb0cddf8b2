"""Taking a deletion back: what restricts it came in between, so its group is live again, under the same operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pymongo.client_session import ClientSession

from datactl.errors import DatactlError, Problem
from datactl.events import aggregate_key, newest_row
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.committing import commit_outcome
from datactl.records.grouping import Group, Lies, add_absent
from datactl.records.ledger import Ledger
from datactl.records.marks import is_marked
from datactl.records.operations import Context
from datactl.records.references import CASCADE, References, by_ids
from datactl.records.remover import Remover
from datactl.records.restoring import Restore, Together
from datactl.records.surveying import restricted
from datactl.records.writing import Outcome, Writer
from datactl.schema import Model
from datactl.steps import Watcher


class _Unmark(Restore):
    """Nothing stands against it: it was live a moment ago."""

    def refusals(
        self,
        session: ClientSession | None,  # noqa: ARG002 - nothing is looked at
        documents: Sequence[Mapping[str, Any]],
    ) -> Sequence[DatactlError | None]:
        return [None] * len(documents)


class TakingBack:
    """Takes back what one operation deleted of a group."""

    def __init__(
        self,
        mongo: Mongo,
        references: References,
        context: Context,
        event_key: bytes | None,
        remover: Callable[[], Remover] | None,
    ) -> None:
        self._mongo = mongo
        self._references = references
        self._context = context
        self._event_key = event_key
        self._remover = remover
        self._ledger = Ledger(mongo)

    def take_back(self, model: Model, id: Any, edge: str, child: Any, watch: Watcher) -> None:
        """One deleted document to which `child` refers by `edge`: it, what took it along, and all that went along."""
        tops = self._tops(model, id)
        errors: dict[tuple[str, bytes], Problem] = {}
        for top, ids in tops.items():
            for each in ids:
                error = restricted(self._references.registry[top], each, model, id, edge, 1, child)
                errors[top, aggregate_key(each)] = Problem(str(each), str(error), error.code)
        with Group(self._mongo, self._references, self._context.op) as group:
            if self._remover is not None:
                add_absent(self._mongo, self._references, group, self._remover, tops)
            for top, ids in tops.items():
                group.look(self._references.registry[top], ids)
            for part, members in group.members(roots=True):
                with watch.around("take_back", total=len(members), op=self._context.op, model=part.name):
                    self._back(part, members, errors, group.has, watch)

    def _back(
        self,
        model: Model,
        members: Sequence[tuple[Any, Lies]],
        errors: Mapping[tuple[str, bytes], Problem],
        together: Together,
        watch: Watcher,
    ) -> None:
        left = [each for each, lies in members if lies is not Lies.LIVE]
        if model.soft_delete:
            self._unmark(model, left, errors, watch)
        if self._remover is None:
            return
        there = {aggregate_key(row["_id"]) for row in self._read(model, left)}
        absent = [each for each in left if aggregate_key(each) not in there]
        if absent:
            back = self._remover().bring_back(model, absent, self._context, together=together, watch=watch)
            self._count(None, model, [each.id for each in back if each.changed], errors)

    def _read(self, model: Model, ids: Sequence[Any], fields: Mapping[str, int] | None = None) -> list[Document]:
        place = self._mongo.collection(model.collection)
        with mapping_errors(f"reading {model.collection}"):
            return [row for query in by_ids(self._mongo, ids) for row in place.find(query, fields or {"_id": 1})]

    def _tops(self, model: Model, id: Any) -> dict[str, list[Any]]:
        """Upward from a document: the deleted ones that no deleted one of the operation took along."""
        tops: dict[str, list[Any]] = {}
        seen: set[tuple[str, bytes]] = set()
        waiting = [(model, id)]
        while waiting:
            here, wanted = waiting.pop()
            if (here.name, aggregate_key(wanted)) in seen:
                continue
            seen.add((here.name, aggregate_key(wanted)))
            above = self._above(here, wanted)
            waiting += above
            if not above:
                tops.setdefault(here.name, []).append(wanted)
        return tops or {model.name: [id]}

    def _above(self, model: Model, id: Any) -> list[tuple[Model, Any]]:
        """The documents to which it refers by `cascade` and that the operation deleted: marked, or not there."""
        document = self._as_it_was(model, id)
        found: list[tuple[Model, Any]] = []
        if document is None:
            return found
        for edge in self._references.of(model, CASCADE):
            values = edge.values_of(document)
            names = (edge.parent.marks.deleted, edge.parent.marks.deleted_op)
            there = {
                aggregate_key(row["_id"]): row
                for row in self._read(edge.parent, values, dict.fromkeys(("_id", *names), 1))
            }
            absent = [value for value in values if aggregate_key(value) not in there]
            own = [row for row in there.values() if is_marked(edge.parent, row)]
            found += ((edge.parent, row["_id"]) for row in own if row.get(names[1]) == self._context.op)
            found += ((edge.parent, value) for value in absent if self._deleted(edge.parent, value))
        return found

    def _as_it_was(self, model: Model, id: Any) -> Mapping[str, Any] | None:
        """A document from MongoDB, or as the vault offers it."""
        with mapping_errors(f"reading {model.collection}"):
            (query,) = by_ids(self._mongo, [id])
            document = self._mongo.collection(model.collection).find_one(query)
        if document is not None or self._remover is None:
            return document
        (offered,) = self._remover().offered(model, [id])
        return offered

    def _deleted(self, model: Model, id: Any) -> bool:
        """Whether the operation was the last to delete a document that is not there."""
        row = newest_row(self._mongo, model.name, id, "Deleted")
        return row is not None and row["op"] == self._context.op

    def _unmark(
        self, model: Model, ids: Sequence[Any], errors: Mapping[tuple[str, bytes], Problem], watch: Watcher
    ) -> None:
        own = {model.marks.deleted: True, model.marks.deleted_op: self._context.op}
        action = _Unmark(model, self._mongo, self._references.registry)
        writer = Writer(model, self._mongo, self._event_key)
        left = list(ids)
        while left:

            def write(session: ClientSession, chunk: Sequence[Any] = tuple(left)) -> Outcome:
                outcome = writer.change(session, action, chunk, self._context, selection=own)
                self._count(session, model, [change.id for change in outcome.changes], errors)
                return outcome

            left = left[commit_outcome(self._mongo, write, watch=watch).taken :]

    def _count(
        self,
        session: ClientSession | None,
        model: Model,
        ids: Sequence[Any],
        errors: Mapping[tuple[str, bytes], Problem],
    ) -> None:
        """What was to be deleted has failed; what went along with it is told apart."""
        keys = [(model.name, aggregate_key(each)) for each in ids]
        failed = [errors[key] for key in keys if key in errors]
        if failed:
            self._ledger.took_back(session, self._context.op, model.name, failed)
        if len(failed) < len(ids):
            self._ledger.along(session, self._context.op, model.name, "takenBack", len(ids) - len(failed))
