"""Stamping marked documents without a date of deletion, so that they come due, by the server's clock, with events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datactl.mongo import Mongo, mapping_errors
from datactl.records.actions import Action, Decision, Values
from datactl.records.bulk import BulkWork
from datactl.records.clock import ServerClock
from datactl.records.marks import is_marked
from datactl.records.operations import Context, new_op
from datactl.records.results import BulkResult
from datactl.records.writing import Writer
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher


class FixMarks(Action):
    """Give a marked document the date that it lacks. A value that is there is left as it is, be it a date or not."""

    kind = "fix_marks"
    event = "Updated"

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.model.marks.deleted, self.model.marks.deleted_at, "updatedAt")

    def update(self, context: Context) -> Mapping[str, Any]:
        return {"$set": self._after(context)}

    def decide(self, document: Mapping[str, Any], context: Context) -> Decision | None:
        if not is_marked(self.model, document) or document.get(self.model.marks.deleted_at) is not None:
            return None
        after = self._after(context)
        return {path: document[path] for path in after if path in document}, after

    def _after(self, context: Context) -> Values:
        return {self.model.marks.deleted_at: context.at, **self.stamps(context)}


class MarkFixer:
    """Stamps what `undated` selects, as one operation that is in the ledger and can be resumed and undone."""

    def __init__(
        self, model: Model, mongo: Mongo, *, actor: str | None, event_key: bytes | None, spool_dir: Path
    ) -> None:
        self._model = model
        self._mongo = mongo
        self._actor = actor
        self._event_key = event_key
        self._spool_dir = spool_dir

    def count(self) -> int:
        """How many documents have a mark and no date."""
        if not self._model.soft_delete:
            return 0
        with mapping_errors(f"counting marks of {self._model.collection}"):
            return self._mongo.collection(self._model.collection).count_documents(undated(self._model))

    def run(self, *, reason: str | None, watch: Watcher = UNWATCHED) -> BulkResult | None:
        """Stamp them; None, and no operation, where there are none. NoTransactions, WeakDurability."""
        if not self.count():
            return None
        writer = Writer(self._model, self._mongo, self._event_key)
        writer.prepare()
        clock = ServerClock(self._mongo)
        context = Context(new_op(), self._actor, reason, clock.now())
        work = BulkWork(self._model, self._mongo, writer, clock, self._spool_dir)
        action = FixMarks(self._model)
        return work.change(action, context, selection=undated(self._model), order={"kind": FixMarks.kind}, watch=watch)


def undated(model: Model) -> dict[str, Any]:
    """The filter of marked documents without a date: absent and null are one to it. A list with true is no mark."""
    return {model.marks.deleted: {"$eq": True, "$not": {"$type": "array"}}, model.marks.deleted_at: None}
