"""Putting back: documents get the values or the marks that they had, with their events, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from datactl.mongo import Mongo
from datactl.records.actions import UPDATED_AT, Decision
from datactl.records.operations import Context
from datactl.records.undoing.guards import Reversal
from datactl.records.undoing.looking import Look, Looker
from datactl.records.undoing.past import Past, Way
from datactl.records.writing import Writer
from datactl.schema import Model

_EVENTS = {Way.PATHS: "Updated", Way.UNMARK: "Restored", Way.MARK: "Deleted"}


class Vanished(Exception):
    """A document that was there is not any more: the transaction is given up, and it is looked for again."""


class PuttingBack:
    """Takes changes back under one operation, those of one model and one way at a time."""

    def __init__(self, mongo: Mongo, looker: Looker, context: Context, event_key: bytes | None) -> None:
        self._mongo = mongo
        self._looker = looker
        self._context = context
        self._event_key = event_key
        self._writers: dict[str, Writer] = {}

    def take(self, session: ClientSession, chunk: Sequence[Past]) -> tuple[list[Look], ObjectId | None]:
        """As many of the first as one transaction takes, and one of the events that it wrote. Vanished."""
        model = chunk[0].model
        if model is None or chunk[0].way is Way.NONE:
            return self._looker.look(chunk, {}, session), None
        chunk = self._looker.fitting(chunk, session)
        documents = self._looker.read(model, chunk, session)
        looks = self._looker.look(chunk, documents, session)
        if any(each.goes for each in looks):
            raise Vanished
        decided: list[tuple[Any, Decision]] = []
        for each in looks:
            if each.reversal is not None and each.reversal.writes:
                self._stamp(model, each.reversal, documents[each.past.key])
                decided.append((documents[each.past.key]["_id"], (each.reversal.before, each.reversal.after)))
        if not decided:
            return looks, None
        done = self._writer(model).change_each(session, _EVENTS[chunk[0].way], decided, self._context)
        return looks, done.event

    def _stamp(self, model: Model, reversal: Reversal, document: dict[str, Any]) -> None:
        """What every change sets: the time of this one, not that of the state which comes back."""
        if model.timestamps:
            if UPDATED_AT in document:
                reversal.before[UPDATED_AT] = document[UPDATED_AT]
            reversal.after[UPDATED_AT] = self._context.at

    def _writer(self, model: Model) -> Writer:
        if model.name not in self._writers:
            self._writers[model.name] = Writer(model, self._mongo, self._event_key)
        return self._writers[model.name]
