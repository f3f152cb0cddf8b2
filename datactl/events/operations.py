"""The events of one operation: which documents it touched, in the order in which it did."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING

from datactl.events.outbox import OUTBOX
from datactl.mongo import Document, Mongo, mapping_errors

_ROWS = 500


def operation_rows(
    mongo: Mongo,
    op: str,
    *,
    newest_first: bool = False,
    payload: bool = True,
    aggregate: str | None = None,
    event_types: Collection[str] | None = None,
    skip: int = 0,
) -> Iterator[Document]:
    """The outbox rows of an operation, as it wrote them (a cascade's parents before their children), or backwards.

    One cursor, a few hundred rows at a time. Without `payload` the rows say only what was touched and how. A chunked
    payload is put together by `read_payload`. With `event_types`, only rows of these; `skip` leaves out the first ones.
    """
    wanted: dict[str, Any] = {"op": op} if aggregate is None else {"op": op, "aggregate": aggregate}
    if event_types is not None:
        wanted["eventType"] = {"$in": list(event_types)}
    fields = None if payload else {"payload": 0}
    way = DESCENDING if newest_first else ASCENDING
    with mapping_errors(f"reading {OUTBOX}"):
        found = mongo.collection(OUTBOX).find(wanted, fields, batch_size=_ROWS).sort([("op", way), ("_id", way)])
        yield from found.skip(skip)


@dataclass(frozen=True, slots=True)
class EventCount:
    """How many events of one type an operation wrote for one aggregate."""

    aggregate: str
    event_type: str
    number: int

    @property
    def event(self) -> str:
        """The type without the aggregate's name: `Created`, `Updated`, `Deleted`, `Restored`, ..."""
        return self.event_type.removeprefix(self.aggregate)


def count_events(mongo: Mongo, op: str) -> tuple[EventCount, ...]:
    """What an operation did to how many documents, by aggregate and type of event; the server counts."""
    stages: list[dict[str, Any]] = [
        {"$match": {"op": op}},
        {"$group": {"_id": {"aggregate": "$aggregate", "eventType": "$eventType"}, "number": {"$sum": 1}}},
    ]
    with mapping_errors(f"counting the events of operation {op}"):
        found = list(mongo.collection(OUTBOX).aggregate(stages))
    counts = (EventCount(row["_id"]["aggregate"], row["_id"]["eventType"], row["number"]) for row in found)
    return tuple(sorted(counts, key=lambda count: (count.aggregate, count.event_type)))


@dataclass(frozen=True, slots=True)
class Doing:
    """Who did an operation, when and why, as one of its events has it."""

    op: str
    actor: str | None
    reason: str | None
    at: datetime


def doing_of(mongo: Mongo, op: str) -> Doing | None:
    """The circumstances of an operation, from its first event; None if the outbox has none of it."""
    row = next(operation_rows(mongo, op, payload=False), None)
    return None if row is None else Doing(op, row.get("actor"), row.get("reason"), row["createdAt"])


def operations_beginning(mongo: Mongo, beginning: str) -> list[str]:
    """The first two operations whose id begins so and that have an event, in the order of their ids."""
    found: list[str] = []
    bounds: dict[str, Any] = {"$gte": beginning, "$lt": beginning + "\uffff"}
    with mapping_errors(f"looking for an operation in {OUTBOX}"):
        while len(found) < 2:
            row = mongo.collection(OUTBOX).find_one({"op": bounds}, {"op": 1}, sort=[("op", ASCENDING)])
            if row is None:
                break
            found.append(row["op"])
            bounds = {"$gt": row["op"], "$lt": beginning + "\uffff"}
    return found


def deleted_by(mongo: Mongo, op: str, aggregates: Sequence[str], *, after: Any = None) -> Iterator[Document]:
    """What an operation deleted of these aggregates, in the order in which it did: `{_id, aggregate, aggregateId}`.

    From behind the row `after` on. A document may be there twice, and may have been brought back since.
    """
    wanted: dict[str, Any] = {"op": op, "eventType": {"$in": [f"{each}Deleted" for each in aggregates]}}
    if after is not None:
        wanted["_id"] = {"$gt": after}
    fields = {"aggregate": 1, "aggregateId": 1}
    with mapping_errors(f"reading {OUTBOX}"):
        yield from (
            mongo.collection(OUTBOX)
            .find(wanted, fields, batch_size=_ROWS)
            .sort([("op", ASCENDING), ("_id", ASCENDING)])
        )


def newest_row(mongo: Mongo, aggregate: str, aggregate_id: Any, event: str) -> Document | None:
    """The newest row of this kind (`Deleted`) of one document, without its payload."""
    key = {"$eq": aggregate_id} if isinstance(aggregate_id, Mapping) else aggregate_id
    wanted = {"aggregate": aggregate, "aggregateId": key, "eventType": aggregate + event}
    with mapping_errors(f"reading {OUTBOX}"):
        return mongo.collection(OUTBOX).find_one(wanted, {"payload": 0}, sort=[("seq", DESCENDING)])
