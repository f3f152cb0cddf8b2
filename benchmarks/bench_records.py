"""Records: creating, soft deleting and paging, against bare pymongo that does the same work. Prints ratios.

    python -m benchmarks.bench_records [--documents 100000] [--kind rs|py]

Runs are interleaved and each figure is the median of its runs, since one machine's speed wanders.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, InsertOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from benchmarks.measuring import Bench, Ratio, bench, median_of, timed
from datactl.events import ensure_outbox_indexes
from datactl.mongo import Mongo, open_mongo
from datactl.records import Repository
from datactl.schema import parse_models

MODELS = """
models:
  Item:
    fields:
      name: {type: String, required: true}
      group: Number
      price: Number
    indexes:
      - fields: {group: 1}
      - fields: {price: 1, _id: 1}
    enableSoftDelete: true
"""
CHUNK = 500
GROUP = 40  # documents that match the page's filter


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=100_000)
    options.add_argument("--kind", default="rs", choices=("rs", "py"))
    options.add_argument("--runs", type=int, default=3)
    asked = options.parse_args()
    for each in measure(asked.documents, asked.runs, asked.kind):
        print(each, flush=True)


def measure(documents: int = 100_000, runs: int = 3, kind: str = "rs") -> Iterator[Ratio]:
    """The ratios, as they are measured."""
    with bench(kind) as at:
        yield from bench_create(at)
        yield from bench_page(at)
        yield from bench_soft_delete(at, documents, runs)


def fresh(at: Bench, documents: int) -> tuple[Repository, list[Any]]:
    """A repository over this many documents, and their ids."""
    mongo = at.mongo
    for name in ("items", "outboxes", "outbox_chunks", "datactl_ops"):
        mongo.collection(name).drop()
    registry = parse_models(MODELS)
    model = registry.model("Item")
    ids = [ObjectId() for _ in range(documents)]
    for start in range(0, documents, 5000):
        mongo.collection("items").insert_many(
            [
                {"_id": each, "name": f"item {number}", "group": number // GROUP, "price": number}
                for number, each in enumerate(ids[start : start + 5000], start)
            ]
        )
    for index in model.indexes():
        command = index.as_command()
        mongo.collection("items").create_index(list(command.pop("key").items()), **command)
    with open_mongo(at.uri, "bench") as other:  # a connection makes them once: the dropped ones need another
        ensure_outbox_indexes(other)
    assert len(list(mongo.collection("outboxes").list_indexes())) > 1
    return Repository(model, mongo, registry, actor="bench", spool_dir=at.scratch / "spool"), ids


def interleaved(runs: int, **works: Callable[[], Any]) -> dict[str, float]:
    """Seconds of each work: medians over runs in turn."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            found[name].append(timed(work))
    return {name: statistics.median(each) for name, each in found.items()}


def ratio(what: str, ours: float, bare: float, at_most: float | None = None) -> Ratio:
    return Ratio(what, ours * 1000, bare * 1000, "ms", at_most)


def row_of(id: Any, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "_id": ObjectId(),
        "aggregate": "Item",
        "aggregateId": id,
        "eventType": "ItemDeleted",
        "payload": payload,
        "seq": 1,
        "op": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "actor": "bench",
        "reason": "bench",
        "createdAt": now,
        "schemaVersion": 1,
        "processed": False,
        "retryCount": 0,
        "lane": 0,
    }


def bench_create(at: Bench, rounds: int = 600) -> Iterator[Ratio]:
    repository, _ = fresh(at, 1000)
    repository.create({"name": "warm", "group": 1, "price": 1})
    client, database = at.mongo.client, at.mongo.database

    def bare() -> None:
        now = datetime.now(UTC)
        document = {"_id": ObjectId(), "name": "x", "group": 1, "price": 1, "createdAt": now, "updatedAt": now}
        row = row_of(document["_id"], {"before": None, "after": document}, now)
        with client.start_session() as session:
            session.start_transaction(ReadConcern("snapshot"), WriteConcern("majority"))
            database.outboxes.find_one(
                {"aggregate": "Item", "aggregateId": document["_id"]},
                {"_id": 0, "seq": 1},
                sort=[("aggregate", ASCENDING), ("aggregateId", ASCENDING), ("seq", DESCENDING)],
                session=session,
            )
            client.bulk_write(
                [InsertOne(document, namespace="bench.items"), InsertOne(row, namespace="bench.outboxes")],
                session=session,
            )
            session.commit_transaction()

    took = interleaved(
        rounds,
        ours=lambda: repository.create({"name": "x", "group": 1, "price": 1}),
        bare=bare,
        insert=lambda: database.items.insert_one({"name": "x", "group": 1, "price": 1}),
    )
    yield ratio("create / the same transaction in bare pymongo", took["ours"], took["bare"], 1.3)
    yield ratio("create / bare insert_one", took["ours"], took["insert"])


def bench_page(at: Bench, rounds: int = 300) -> Iterator[Ratio]:
    repository, _ = fresh(at, 20_000)
    items = at.mongo.database.items
    query = {"group": 7, "deleted": {"$in": [False, None]}}

    def bare() -> None:
        items.count_documents(query)
        list(items.find(query, sort=[("_id", 1)], limit=20))

    took = interleaved(rounds, ours=lambda: repository.find_with_pagination({"group": 7}, limit=20), bare=bare)
    yield ratio("page of 20 / the same find and count in bare pymongo", took["ours"], took["bare"], 1.3)
    first = repository.find_with_pagination({}, limit=2, sort="price")
    deep = repository.find_with_pagination({}, limit=2, sort="price", page=4999)

    def page(after: str | None) -> Callable[[], Any]:
        return lambda: repository.find_with_pagination({}, limit=2, sort="price", after=after)

    took = interleaved(20, deep=page(deep.next_cursor), first=page(None), second=page(first.next_cursor))
    yield ratio("the cursor's page 5,000 / page 1, which counts the total as well", took["deep"], took["first"], 1.2)
    yield ratio("the cursor's page 5,000 / page 2", took["deep"], took["second"])


def bench_soft_delete(at: Bench, documents: int, runs: int) -> Iterator[Ratio]:
    pairs: list[tuple[float, float]] = []
    for _ in range(runs):
        _, ids = fresh(at, documents)
        bare = timed(lambda ids=ids: bare_soft_delete(at.mongo, ids))  # type: ignore[misc]
        repository, _ = fresh(at, documents)
        ours = timed(lambda: repository.soft_delete_many(filter={}, reason="bench"))  # noqa: B023
        pairs.append((ours, bare))
    ours, bare = median_of(pairs)
    yield ratio(f"soft delete of {documents:,} with events / its floor", ours, bare, 2.0)


def bare_soft_delete(mongo: Mongo, ids: list[Any]) -> None:
    now = datetime.now(UTC)
    marks = {
        "deleted": True,
        "deletedAt": now,
        "deletedBy": "bench",
        "deleteReason": "bench",
        "deletedOp": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "updatedAt": now,
    }
    for chunk in chunks(ids):
        mongo.database.items.update_many({"_id": {"$in": chunk}}, {"$set": marks})
        mongo.database.outboxes.insert_many([row_of(each, {"before": {}, "after": marks}, now) for each in chunk])


def chunks(ids: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


if __name__ == "__main__":
    main()
