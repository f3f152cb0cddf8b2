"""Companions: documents that the same undo brings back or takes away, and that so stand against nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from datactl.events import OUTBOX, aggregate_key
from datactl.mongo import Mongo, mapping_errors
from datactl.schema import Model


class Companions:
    """Which documents an operation touched too, and are still to come when a change of it is taken back.

    A real undo has done what came before, so only what comes after counts. A dry run has done nothing: there every
    document of the operation counts, but those that it found to stay as they are.
    """

    def __init__(self, mongo: Mongo, op: str, *, forward: bool, dry: bool) -> None:
        self._mongo = mongo
        self._op = op
        self._forward = forward
        self._dry = dry
        self._staying: set[int] = set()  # hashes: this may be many, and a clash only makes a dry run too careful

    def stays(self, model: Model, key: bytes) -> None:
        """A dry run found that the document stays as it is."""
        if self._dry:
            self._staying.add(hash((model.name, key)))

    def coming(
        self, model: Model, ids: Sequence[Any], after: ObjectId, session: ClientSession | None
    ) -> frozenset[bytes]:
        """Of these documents of a model, the keys of those whose turn comes after that of the event `after`."""
        found = {
            key
            for key, row in self._touched(model, ids, session)
            if self._dry or (row > after if self._forward else row < after)
        }
        return frozenset(self._without_staying(model, found))

    def stayed(
        self, model: Model, ids: Sequence[Any], before: ObjectId, session: ClientSession | None
    ) -> frozenset[bytes]:
        """Of these documents, which are live, the keys of those that had their turn before the event, and so stay.

        Only where parents have their turn before their children.
        """
        if not self._forward or not ids:
            return frozenset()
        found = {key for key, row in self._touched(model, ids, session) if row < before}
        return frozenset(found - set(self._without_staying(model, found)) if self._dry else found)

    def _touched(
        self, model: Model, ids: Sequence[Any], session: ClientSession | None
    ) -> Iterator[tuple[bytes, ObjectId]]:
        """Which of these the operation touched, by each of its events."""
        step = self._mongo.capabilities.in_chunk
        with mapping_errors(f"reading {OUTBOX}"):
            for start in range(0, len(ids), step):
                wanted: dict[str, Any] = {
                    "aggregate": model.name,
                    "aggregateId": {"$in": list(ids[start : start + step])},
                    "op": self._op,
                }
                for row in self._mongo.collection(OUTBOX).find(wanted, {"aggregateId": 1}, session=session):
                    yield aggregate_key(row["aggregateId"]), row["_id"]

    def _without_staying(self, model: Model, keys: Iterable[bytes]) -> Iterable[bytes]:
        return (key for key in keys if hash((model.name, key)) not in self._staying)
