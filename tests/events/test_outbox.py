"""Outbox rows: complete, counted without a gap, whole however large, and readable by other programs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from datactl.errors import DatabaseError, DuplicateKey
from datactl.events import (
    CHUNKS,
    OUTBOX,
    SEQ_INDEX,
    EventRow,
    ensure_outbox_indexes,
    event_row,
    insert_rows,
    make_payload,
    next_seqs,
    read_payload,
)
from datactl.mongo import Mongo

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def a_row(id: Any, seq: int, payload: dict[str, Any] | None = None, aggregate: str = "Product") -> EventRow:
    return event_row(
        aggregate=aggregate,
        aggregate_id=id,
        event_type=f"{aggregate}Created",
        payload=payload or make_payload(None, {"a": 1}),
        seq=seq,
        op="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        actor="ann",
        reason=None,
        created_at=NOW,
    )


def write(mongo: Mongo, *rows: EventRow) -> None:
    mongo.transaction(lambda session: insert_rows(mongo, session, rows))


def seqs(mongo: Mongo, *ids: Any, aggregate: str = "Product") -> list[int]:
    return mongo.transaction(lambda session: next_seqs(mongo, session, aggregate, ids))


FIELDS = [
    *("_id", "aggregate", "aggregateId", "eventType", "payload", "seq", "op", "actor", "reason"),
    *("createdAt", "schemaVersion", "processed", "retryCount", "lane"),
]


def test_a_row_has_every_field_and_no_error_before_there_is_one() -> None:
    product = ObjectId()
    row = a_row(product, 1).row
    assert list(row) == FIELDS
    assert row["aggregateId"] is product
    assert (row["processed"], row["retryCount"], row["schemaVersion"], row["createdAt"]) == (False, 0, 1, NOW)


def test_the_queries_that_other_programs_ask(mongo: Mongo) -> None:
    write(mongo, a_row(1, 1), a_row(2, 1), a_row(3, 1, aggregate="Post"))
    outbox = mongo.collection(OUTBOX)
    outbox.update_one({"aggregateId": 2}, {"$set": {"retryCount": 5, "lastError": "no route"}})
    assert [row["aggregateId"] for row in outbox.find({"retryCount": {"$gte": 5}})] == [2]
    assert [row["aggregateId"] for row in outbox.find({"lastError": {"$exists": True}})] == [2]
    created = {"aggregate": "Product", "eventType": "ProductCreated", "processed": False}
    assert [row["aggregateId"] for row in outbox.find(created).sort("aggregateId")] == [1, 2]


def test_seq_goes_on_from_the_newest_row_of_each_aggregate(mongo: Mongo) -> None:
    mongo.collection(OUTBOX).insert_one({"aggregate": "Product", "aggregateId": "x"})  # written without one
    write(mongo, *(a_row("a", n) for n in (1, 2, 3)), a_row({"k": 1}, 1), a_row(5, 1), a_row("a", 9, aggregate="Post"))
    assert seqs(mongo, "a", "b", {"k": 1}, {"k": 1.0}, 5.0, "x") == [4, 1, 2, 2, 2, 1]
    assert seqs(mongo, "a") == [4]
    assert seqs(mongo, {"k": 1}) == [2]
    assert seqs(mongo, "x") == [1]
    assert seqs(mongo, "a", aggregate="Post") == [10]


def test_many_ids_are_asked_for_in_parts(mongo: Mongo) -> None:
    write(mongo, *(a_row(n, 1) for n in range(0, 250, 2)))
    assert seqs(mongo, *range(250)) == [2, 1] * 125


def test_one_seq_is_not_given_twice(mongo: Mongo) -> None:
    ensure_outbox_indexes(mongo)
    write(mongo, a_row("a", 1))
    with pytest.raises(DuplicateKey) as caught:
        write(mongo, a_row("a", 1))
    assert caught.value.details["index"] == SEQ_INDEX
    write(mongo, a_row("a", 2), a_row("b", 1))
    mongo.collection(OUTBOX).insert_many([{"aggregate": "Product", "aggregateId": "a"} for _ in range(2)])  # no seq


def test_indexes_are_made_once_and_by_two_at_a_time(mongo: Mongo) -> None:
    threads = [threading.Thread(target=ensure_outbox_indexes, args=(mongo,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [tuple(index["key"].items()) for index in mongo.collection(OUTBOX).list_indexes()]
    assert keys.count((("aggregate", 1), ("aggregateId", 1), ("seq", -1))) == 1
    assert keys.count((("aggregate", 1), ("aggregateId", 1), ("seq", 1))) == 1


@pytest.fixture
def large() -> dict[str, Any]:
    return make_payload({"text": "x" * 9_000_000}, {"text": "y" * 9_000_000})


def test_a_large_payload_is_put_in_chunks_and_read_back(mongo: Mongo, large: dict[str, Any]) -> None:
    event = a_row("big", 1, large)
    assert len(event.chunks) == 3
    write(mongo, event)
    row = mongo.collection(OUTBOX).find_one({"aggregateId": "big"})
    assert row is not None
    assert row["payload"].keys() == {"chunked", "sha256"}
    assert [part["n"] for part in mongo.collection(CHUNKS).find({"parent": row["_id"]}).sort("n")] == [0, 1, 2]
    assert read_payload(mongo, row) == large


@pytest.mark.parametrize("damage", ["lost", "altered"])
def test_a_chunk_that_is_lost_or_altered_is_noticed(mongo: Mongo, large: dict[str, Any], damage: str) -> None:
    write(mongo, a_row("big", 1, large))
    chunks = mongo.collection(CHUNKS)
    if damage == "lost":
        chunks.delete_one({"n": 1})
    else:
        chunks.update_one({"n": 1}, {"$set": {"data": b"other"}})
    row = mongo.collection(OUTBOX).find_one({"aggregateId": "big"})
    assert row is not None
    with pytest.raises(DatabaseError, match="not whole"):
        read_payload(mongo, row)


def test_a_small_payload_stands_in_its_row(mongo: Mongo) -> None:
    write(mongo, a_row("small", 1))
    row = mongo.collection(OUTBOX).find_one({"aggregateId": "small"})
    assert row is not None
    assert read_payload(mongo, row) == {"before": None, "after": {"a": 1}}
    assert mongo.collection(CHUNKS).count_documents({}) == 0


def test_the_newest_seq_is_read_through_the_plain_index(mongo: Mongo, explained: Callable[..., str]) -> None:
    ensure_outbox_indexes(mongo)
    write(mongo, *(a_row(n, 1) for n in range(50)))
    order = {"aggregate": 1, "aggregateId": 1, "seq": -1}
    assert "datactl_newest" in explained(OUTBOX, {"aggregate": "Product", "aggregateId": 7}, order)
