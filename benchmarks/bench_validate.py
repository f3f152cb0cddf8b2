"""Validating all 234,908 places, which refer to 252 countries, against the bare scans that the server makes for it.

python -m benchmarks.bench_validate [--runs 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from benchmarks.measuring import Ratio, bench, median_of, timed
from datactl.archive import Archiver
from datactl.demo.places import read_cities, read_countries
from datactl.inspect import IndexKeeper
from datactl.inspect.validating import CHECKS, Validator
from datactl.mongo import Mongo
from datactl.objects import open_store
from datactl.records import Repository
from datactl.schema import Model, Registry, load_models
from datactl.vault import Vault

MODELS = Path(__file__).parent.parent / "examples/geonames/models.yaml"
LIVE = {"deleted": {"$in": [False, None]}}
NEWEST_FIRST = {"aggregate": 1, "aggregateId": 1, "seq": -1}
MARKS = ("deletedAt", "deletedBy", "deleteReason", "deletedOp")
CHUNK = 1_000
MARKED, ARCHIVED = 20_000, 10_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3)
    for ratio in measure(options.parse_args().runs):
        print(ratio, flush=True)


def measure(runs: int = 3) -> Iterator[Ratio]:
    """The ratios, as they are measured."""
    registry = load_models(MODELS)
    with bench() as at:
        vault = Vault(open_store(f"file:{at.scratch}/vault"))
        number = _load(at.mongo, registry)
        validator = Validator(at.mongo, vault, registry)
        what = f"validate of {number:,} documents with references / the scans it needs"
        yield Ratio(what, *_pair(at.mongo, registry, validator, runs), unit="s", at_most=2.0)
        _live_through(at.mongo, vault, registry, at.scratch)
        what = f"the same with {MARKED:,} events and {ARCHIVED:,} documents archived"
        yield Ratio(what, *_pair(at.mongo, registry, validator, runs), unit="s", at_most=2.0)


def _load(mongo: Mongo, registry: Registry) -> int:
    """The places as an application writes them, with every index; how many they are."""
    IndexKeeper(mongo, registry).create_missing()
    cities = [bson.encode(city) for city in read_cities(everything=True)]
    mongo.collection("countries").insert_many(read_countries())
    for start in range(0, len(cities), 5_000):
        mongo.collection("cities").insert_many([RawBSONDocument(each) for each in cities[start : start + 5_000]])
    return len(cities)


def _live_through(mongo: Mongo, vault: Vault, registry: Registry, scratch: Path) -> None:
    """Mark some of them through datactl, and archive some of these."""
    model = registry.model("City")
    cities = Repository(model, mongo, registry, actor="bench", spool_dir=scratch / "spool")
    ids = [row["_id"] for row in mongo.collection("cities").find({}, {"_id": 1}).limit(MARKED)]
    cities.soft_delete_many(ids=ids[:ARCHIVED])
    archiver = Archiver(mongo, vault, registry, actor="bench")
    report = archiver.run(archiver.plan("City", 0))
    assert report.archived == ARCHIVED, report
    cities.soft_delete_many(ids=ids[ARCHIVED:])


def _pair(mongo: Mongo, registry: Registry, validator: Validator, runs: int) -> tuple[float, float]:
    plan = validator.plan("City", only=",".join(CHECKS))
    model = registry.model("City")
    pairs = []
    for _ in range(runs):
        bare = timed(lambda: _bare(mongo, model))
        ours = timed(lambda: _clean(validator.run(plan)))
        pairs.append((ours, bare))
    return median_of(pairs)


def _clean(findings: Iterator[Any]) -> None:
    assert not (found := list(findings)), found[:3]


def _bare(mongo: Mongo, model: Model) -> None:
    """What the server is asked for, and nothing made of the answers.

    Documents that the schema refuses; suspicious marks; the values that documents refer to, and whether these are
    there; if there are events, the newest of each document, those events, and their documents; if anything was
    archived, every `_id`.
    """
    cities, outbox = mongo.collection("cities"), mongo.collection("outboxes")
    _read(cities.find_raw_batches({"$nor": [model.validator()]}))
    left = {"$or": [{name: {"$ne": None}} for name in MARKS]}
    dates = {"$or": [{"deletedAt": {"$not": {"$type": "date"}}}, {"deletedAt": {"$gt": mongo.server_time()}}]}
    odd = {"deleted": {"$nin": [True, False, None]}}
    _read(cities.find_raw_batches({"$or": [odd, {"deleted": True, **dates}, {**LIVE, **left}]}))
    for reference in model.references:
        group = [{"$match": LIVE}, {"$group": {"_id": f"${reference.path}"}}]
        values = [row["_id"] for row in cities.aggregate(group)]
        for chunk in _chunks(values):
            _read(mongo.collection("countries").find_raw_batches({"_id": {"$in": chunk}}, {"_id": 1}))
    newest = {"$group": {"_id": "$aggregateId", "row": {"$first": "$_id"}}}
    rows = list(outbox.aggregate([{"$match": {"aggregate": "City"}}, {"$sort": NEWEST_FIRST}, newest]))
    for chunk in _chunks(rows):
        _read(outbox.find_raw_batches({"_id": {"$in": [row["row"] for row in chunk]}}))
        _read(cities.find_raw_batches({"_id": {"$in": [row["_id"] for row in chunk]}}))
    if rows:
        _read(cities.find_raw_batches({}, {"_id": 1}))


def _read(batches: Any) -> None:
    for _ in batches:
        pass


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


if __name__ == "__main__":
    main()
