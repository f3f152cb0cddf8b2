"""The former state of what a document refers to: was it dead already when the operation came?

A document that was live beside a dead reference may be so again: that reference is as it was. What died by the
operation or since stands against it. Where nothing tells, it counts as having died since.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import DESCENDING
from pymongo.client_session import ClientSession

from datactl.events import OUTBOX
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.references import by_ids
from datactl.records.undoing.past import Past
from datactl.schema import Model

_DIED, _ARCHIVED = "Deleted", "Archived"


def was_dead(mongo: Mongo, target: Model, id: Any, past: Past, session: ClientSession | None) -> bool:
    """Whether a document that is not live was marked or missing before the operation that `past` is of."""
    if past.at is None:
        return False
    marks = target.marks
    (query,) = by_ids(mongo, [id])
    with mapping_errors(f"reading {target.collection}"):
        fields = {marks.deleted_at: 1, marks.deleted_op: 1}
        row = mongo.collection(target.collection).find_one(query, fields, session=session)
    died = _newest(mongo, target, id, {"$ne": f"{target.name}{_ARCHIVED}"}, session)
    if row is not None:
        marked_at = row.get(marks.deleted_at)
        before = marked_at is not None and marked_at < past.at and row.get(marks.deleted_op) != past.op
        newest = _newest(mongo, target, id, f"{target.name}{_DIED}", session)
        return before and (newest is None or newest["createdAt"] < past.at)
    if died is None:  # no event of it at all, or no more than that it was archived
        return _newest(mongo, target, id, f"{target.name}{_ARCHIVED}", session) is None
    gone = died["eventType"] == f"{target.name}{_DIED}"
    return gone and died["op"] != past.op and bool(died["createdAt"] < past.at)


def _newest(
    mongo: Mongo, target: Model, id: Any, event_type: str | Mapping[str, Any], session: ClientSession | None
) -> Document | None:
    key = {"$eq": id} if isinstance(id, Mapping) else id
    wanted = {"aggregate": target.name, "aggregateId": key, "eventType": event_type}
    newest = [("aggregate", 1), ("aggregateId", 1), ("seq", DESCENDING)]
    with mapping_errors(f"reading {OUTBOX}"):
        return mongo.collection(OUTBOX).find_one(wanted, {"payload": 0}, sort=newest, session=session)
