"""Companions: documents that the same undo brings back or takes away, and that so stand against nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        found: set[bytes] = set()
        step = self._mongo.capabilities.in_chunk
        with mapping_errors(f"reading {OUTBOX}"):
            for start in range(0, len(ids), step):
                wanted: dict[str, Any] = {
                    "aggregate": model.name,
                    "aggregateId": {"$in": list(ids[start : start + step])},
                    "op": self._op,
                }
                for row in self._mongo.collection(OUTBOX).find(wanted, {"aggregateId": 1}, session=session):
                    if self._dry or (row["_id"] > after if self._forward else row["_id"] < after):
                        found.add(aggregate_key(row["aggregateId"]))
        return frozenset(self._without_staying(model, found))

    def _without_staying(self, model: Model, keys: Iterable[bytes]) -> Iterable[bytes]:
        return (key for key in keys if hash((model.name, key)) not in self._staying)
