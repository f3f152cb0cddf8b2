"""The outbox: one row per change, written in the transaction of the change. Relaying the rows is not done here.

A row is `{_id, aggregate, aggregateId, eventType, payload, seq, op, actor, reason, createdAt, schemaVersion, processed,
retryCount, lane}`; `processedAt` and `lastError` are absent until there is one, so that
`{lastError: {$exists: true}}` finds failures. `seq` counts an aggregate's events from 1, without a gap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakSet

import bson
from bson import ObjectId
from bson.binary import Binary
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING, IndexModel, InsertOne
from pymongo.client_session import ClientSession

from datactl.errors import DatabaseError
from datactl.events.lanes import aggregate_key, lane_of
from datactl.mongo import CODEC, Document, Mongo, WriteModel, mapping_errors

OUTBOX = "outboxes"
CHUNKS = "outbox_chunks"
SCHEMA_VERSION = 1
SEQ_INDEX = "datactl_seq"

# A payload up to this size stands in its row; MongoDB's limit for a document is 16 MiB, the rest of a row is small.
PAYLOAD_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 8 * 1024 * 1024

_NEWEST_FIRST = [("aggregate", ASCENDING), ("aggregateId", ASCENDING), ("seq", DESCENDING)]
_INDEXES = (
    IndexModel(_NEWEST_FIRST, name="datactl_newest"),
    # A query without `seq` cannot use a partial index, hence the plain one above.
    IndexModel(
        [("aggregate", ASCENDING), ("aggregateId", ASCENDING), ("seq", ASCENDING)],
        name=SEQ_INDEX,
        unique=True,
        partialFilterExpression={"seq": {"$exists": True}},
    ),
    # What an operation did, in the order in which it did it: for undo, and for the restore of a group.
    IndexModel([("op", ASCENDING), ("_id", ASCENDING)], name="datactl_op"),
)
_CHUNK_INDEXES = (IndexModel([("parent", ASCENDING), ("n", ASCENDING)], name="datactl_parts", unique=True),)

_indexed: WeakSet[Mongo] = WeakSet()


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of the outbox, the rows that hold its payload if that is large, and the payload's size in bytes."""

    row: Document
    chunks: tuple[Document, ...]
    size: int

    def models(self, mongo: Mongo) -> Iterator[WriteModel]:
        """The inserts, for `mongo.bulk_write`."""
        yield InsertOne(self.row, namespace=mongo.namespace(OUTBOX))
        for chunk in self.chunks:
            yield InsertOne(chunk, namespace=mongo.namespace(CHUNKS))


def event_row(
    *,
    aggregate: str,
    aggregate_id: Any,
    event_type: str,
    payload: Mapping[str, Any],
    seq: int,
    op: str,
    actor: str | None,
    reason: str | None,
    created_at: datetime,
    id: Any = None,
) -> EventRow:
    """A complete row, not yet delivered. `payload` comes from `make_payload`; `id` None makes a new one."""
    encoded = bson.encode(payload, codec_options=CODEC)
    row_id = ObjectId() if id is None else id
    chunks: tuple[Document, ...] = ()
    stored: Any = RawBSONDocument(encoded)
    if len(encoded) > PAYLOAD_BYTES:
        parts = [encoded[start : start + _CHUNK_BYTES] for start in range(0, len(encoded), _CHUNK_BYTES)]
        chunks = tuple(
            {"_id": ObjectId(), "parent": row_id, "n": n, "data": Binary(part)} for n, part in enumerate(parts)
        )
        stored = {"chunked": len(parts), "sha256": hashlib.sha256(encoded).hexdigest()}
    row = {
        "_id": row_id,
        "aggregate": aggregate,
        "aggregateId": aggregate_id,
        "eventType": event_type,
        "payload": stored,
        "seq": seq,
        "op": op,
        "actor": actor,
        "reason": reason,
        "createdAt": created_at,
        "schemaVersion": SCHEMA_VERSION,
        "processed": False,
        "retryCount": 0,
        "lane": lane_of(aggregate_key(aggregate_id)),
    }
    return EventRow(row, chunks, len(encoded))


def next_seqs(mongo: Mongo, session: ClientSession, aggregate: str, ids: Sequence[Any]) -> list[int]:
    """The next `seq` of each aggregate, in the order of `ids`: one more than its newest row's, as the session sees it.

    Write them in the same transaction: of two transactions that read the same one, one fails and is run again.
    """
    outbox = mongo.collection(OUTBOX)
    if len(ids) == 1:
        newest = outbox.find_one(
            {"aggregate": aggregate, "aggregateId": _equal(ids[0])},
            {"_id": 0, "seq": 1},
            sort=_NEWEST_FIRST,
            session=session,
        )
        return [1 + ((newest or {}).get("seq") or 0)]
    seen: dict[bytes, int] = {}
    step = mongo.capabilities.in_chunk
    for start in range(0, len(ids), step):
        pipeline: list[dict[str, Any]] = [
            {"$match": {"aggregate": aggregate, "aggregateId": {"$in": list(ids[start : start + step])}}},
            {"$sort": dict(_NEWEST_FIRST)},
            {"$group": {"_id": "$aggregateId", "seq": {"$first": "$seq"}}},
        ]
        for found in outbox.aggregate(pipeline, session=session, batchSize=step + 1):
            seen[aggregate_key(found["_id"])] = found.get("seq") or 0
    if not seen:
        return [1] * len(ids)
    return [1 + seen.get(aggregate_key(each), 0) for each in ids]


def _equal(id: Any) -> Any:
    return {"$eq": id} if isinstance(id, Mapping) else id


def insert_rows(mongo: Mongo, session: ClientSession, rows: Sequence[EventRow]) -> None:
    """Insert many rows: one insert of a collection is a third cheaper for the server than a client bulkWrite."""
    if rows:
        mongo.collection(OUTBOX).insert_many([row.row for row in rows], session=session)
    chunks = [chunk for row in rows for chunk in row.chunks]
    for chunk in chunks:  # one by one: each is near the size of a message
        mongo.collection(CHUNKS).insert_one(chunk, session=session)


def ensure_outbox_indexes(mongo: Mongo) -> None:
    """Make the outbox's indexes where they are missing, once per connection. Call it outside a transaction."""
    if mongo in _indexed:
        return
    with mapping_errors(f"making the indexes of {OUTBOX}"):
        mongo.collection(OUTBOX).create_indexes(list(_INDEXES))
        mongo.collection(CHUNKS).create_indexes(list(_CHUNK_INDEXES))
    _indexed.add(mongo)


def read_payload(mongo: Mongo, row: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of a stored row, put together from its chunks if it has any. DatabaseError if they are not whole."""
    payload: dict[str, Any] = row["payload"]
    if "chunked" not in payload or "sha256" not in payload:
        return payload
    with mapping_errors(f"reading {CHUNKS}"):
        parts = [part["data"] for part in mongo.collection(CHUNKS).find({"parent": row["_id"]}).sort("n", ASCENDING)]
    encoded = b"".join(bytes(part) for part in parts)
    if len(parts) != payload["chunked"] or hashlib.sha256(encoded).hexdigest() != payload["sha256"]:
        raise DatabaseError(
            f"the payload of event {row['_id']} is not whole",
            why=f"{len(parts)} of {payload['chunked']} parts are in {CHUNKS}, or one was altered",
        )
    return bson.decode(encoded, CODEC)
