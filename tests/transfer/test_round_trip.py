"""Export and import again: the same documents, every type of BSON, in the database and in the events."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId

from datactl.events import OUTBOX
from datactl.mongo import CODEC, Mongo
from datactl.schema import Model, Registry
from datactl.transfer import Exporter, Format, ImportReport
from tests.transfer.conftest import DECLARED, EXTREME, FREE, MOMENT, every_type

Bring = Callable[..., ImportReport]
Stored = Callable[[str], list[bytes]]


@pytest.mark.parametrize("extreme", [False, pytest.param(True, marks=pytest.mark.real)], ids=["common", "extreme"])
@pytest.mark.parametrize("format", [Format.BSON, Format.NDJSON])
def test_every_type_comes_back_to_the_byte(
    format: Format,
    extreme: bool,
    mongo: Mongo,
    item: Model,
    exporter: Exporter,
    bring: Bring,
    fill: Callable[..., None],
    stored: Stored,
    tmp_path: Path,
) -> None:
    documents = every_type(extreme=extreme)
    fill("items", documents)
    before = stored("items")
    assert sorted(before) == sorted(documents)
    out = exporter.run(item, exporter.plan(item, tmp_path, format))
    assert (out.documents, out.whole) == (len(before), 1 + extreme if format is Format.NDJSON else 0)
    mongo.collection("items").drop()
    report = bring(out.path)
    assert (report.created, report.rejected) == (len(before), 0), report.failed
    assert stored("items") == before
    events = mongo.collection(OUTBOX).with_options(codec_options=bson.raw_bson.DEFAULT_RAW_BSON_OPTIONS).find()
    payloads = {event["aggregateId"]: event["payload"]["after"].raw for event in events}
    assert payloads == {bson.decode(raw, CODEC)["_id"]: raw for raw in before}


def test_csv_brings_back_every_declared_type(
    mongo: Mongo,
    item: Model,
    exporter: Exporter,
    bring: Bring,
    fill: Callable[..., None],
    tmp_path: Path,
) -> None:
    free = {name: value for name, value in FREE.items() if name not in EXTREME}
    rows: list[dict[str, Any]] = [
        {"_id": ObjectId(), **DECLARED, "extra": free, "undeclared": free},
        {"_id": ObjectId(), "name": "nulls", **dict.fromkeys(("price", "seen", "tags")), "address": {"city": None}},
        {"_id": ObjectId(), "name": "odd ones", "sku": "", "rank": 1.5, "address": {}, "extra": "5", "labels": {}},
        {"_id": ObjectId(), "name": "=1+1", "tags": [], "extra": "=2", "address": {"city": "-x", "more": 1}},
        {"_id": ObjectId(), "name": "marked", "deleted": True, "deletedAt": MOMENT, "deletedBy": "bo"},
    ]
    fill("items", [bson.encode(row, codec_options=CODEC) for row in rows])
    plan = exporter.plan(item, tmp_path, Format.CSV, include_deleted=True)
    out = exporter.run(item, plan)
    mongo.collection("items").drop()
    report = bring(out.path)
    assert (report.created, report.rejected) == (len(rows), 0), report.failed
    for row in rows:
        found = mongo.collection("items").find_one({"_id": row["_id"]})
        assert found is not None
        assert found.keys() == row.keys()
        assert {name: _bson(value) for name, value in found.items()} == {
            name: _bson(value) for name, value in row.items()
        }


def test_numbers_of_a_csv_come_back_in_the_declared_width(
    mongo: Mongo, item: Model, exporter: Exporter, bring: Bring, tmp_path: Path
) -> None:
    mongo.collection("items").insert_one({"_id": ObjectId(), "name": "n", "views": 5, "price": 5, "count": Int64(5)})
    out = exporter.run(item, exporter.plan(item, tmp_path, Format.CSV))
    with (out.path / "Item.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["views"], row["price"], row["count"], row["$other"]) == ("5", "5", "5", "")
    mongo.collection("items").drop()
    bring(out.path)
    found = mongo.collection("items").find_one({})
    assert found is not None
    assert [type(found[name]) for name in ("views", "price", "count")] == [Int64, float, int]


@pytest.mark.parametrize("format", list(Format))
def test_an_empty_collection(
    format: Format, mongo: Mongo, item: Model, exporter: Exporter, bring: Bring, tmp_path: Path
) -> None:
    mongo.database.create_collection("items")
    out = exporter.run(item, exporter.plan(item, tmp_path, format))
    assert out.documents == 0
    assert bring(out.path).read == 0


@pytest.mark.parametrize("format", list(Format))
def test_secret_fields_are_left_out_or_revealed(
    format: Format, mongo: Mongo, shop: Registry, exporter: Exporter, bring: Bring, tmp_path: Path, stored: Stored
) -> None:
    model = shop.model("Secret")
    rows = [{"_id": n, "name": "n", "token": "tok-1", "keys": [{"pin": "pin-1", "label": "l"}]} for n in range(3)]
    mongo.collection(model.collection).insert_many(rows)
    before = stored(model.collection)
    hidden = exporter.run(model, exporter.plan(model, tmp_path / "hidden", format, reveal=False))
    shown = exporter.run(model, exporter.plan(model, tmp_path / "shown", format, reveal=True))
    assert hidden.withheld == ("keys.pin", "token")
    assert shown.withheld == ()
    there = bring(hidden.path, model)  # what was left out is no difference
    assert (there.present, there.rejected) == (3, 0)
    mongo.collection(model.collection).drop()
    assert bring(hidden.path, model, again=True).created == 3
    found = [bson.decode(raw) for raw in stored(model.collection)]
    assert found == [{"_id": n, "name": "n", "keys": [{"label": "l"}]} for n in range(3)]
    mongo.collection(model.collection).drop()
    assert bring(shown.path, model).created == 3
    assert [bson.decode(raw) for raw in stored(model.collection)] == [bson.decode(raw) for raw in before]


def _bson(value: Any) -> bytes:
    return bson.encode({"v": value}, codec_options=CODEC)
