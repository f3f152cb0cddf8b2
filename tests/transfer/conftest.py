"""A shop whose documents hold every type of BSON, and its exporter and importer over the test's own database."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from bson.regex import Regex

from datactl.mongo import CODEC, Mongo
from datactl.schema import Model, Registry, parse_models
from datactl.transfer import Exporter, Importer, ImportOptions, ImportReport

SHOP = """\
models:
  Item:
    enableSoftDelete: true
    uniqueFields: [sku]
    fields:
      name: {type: string, required: true}
      sku: {type: string}
      price: double
      count: {type: int, min: 0}
      views: long
      total: decimal
      rank: number
      active: bool
      seen: date
      owner: objectId
      code: uuid
      photo: binary
      tags: [string]
      labels: {type: map, of: string}
      extra: mixed
      address:
        city: string
        zip: {type: string, default: "0"}
        place:
          lat: double
  Secret:
    fields:
      _id: int
      name: string
      token: {type: string, secret: true}
      keys:
        - pin: {type: string, secret: true}
          label: string
"""

MOMENT = datetime(2026, 1, 31, 12, 30, 0, 125000, tzinfo=UTC)

# Each declared type, and below what BSON knows beside, where nothing is declared.
DECLARED: dict[str, Any] = {
    "name": "Gaming chair",
    "price": 12.5,
    "count": 7,
    "views": Int64(2**40),
    "total": Decimal128("12.50"),
    "rank": 3,
    "active": True,
    "seen": MOMENT,
    "owner": ObjectId("60f1b2c3d4e5f6789abcdef0"),
    "code": uuid.UUID("6f1b3c1e-8d0e-4b5a-9c39-0d8a2f0f5d11"),
    "photo": b"\x00\xff\x10",
    "tags": ["a", "b,c", ""],
    "labels": {"de": "Stuhl"},
    "address": {"city": "Basel", "place": {"lat": -47.5}},
}
FREE: dict[str, Any] = {
    "int32": 5,
    "int64": Int64(5),
    "large": Int64(2**62),
    "double": 5.0,
    "minus zero": -0.0,
    "nan": float("nan"),
    "infinity": float("-inf"),
    "null": None,
    "bool": False,
    "text": "ünï\n\"\t'",
    "empty": "",
    "decimal": Decimal128("1E+3"),
    "decimal nan": Decimal128("NaN"),
    "old date": datetime(1900, 1, 1, tzinfo=UTC),
    "far date": DatetimeMS(2**60),
    "bytes": b"",
    "subtype": Binary(b"\x01\x02", 128),
    "old uuid": Binary(b"a" * 16, 3),
    "vector": Binary(b"\x03\x00\x01", 9),
    "regex": Regex("^a.*$", "im"),
    "code": Code("return 1"),
    "scope": Code("return x", {"x": Int64(1)}),
    "timestamp": Timestamp(1, 2),
    "min": MinKey(),
    "max": MaxKey(),
    "ref": DBRef("items", ObjectId(), "shop", note=Int64(1)),
    "list": [1, [Int64(2), {"x": None}], {}],
    "dotted.name": {"$odd": 1},
}
EXTREME = frozenset(("far date",))


def withdrawn() -> bytes:
    """A document with BSON's withdrawn types: undefined, symbol and DBPointer, which the driver cannot write."""
    body = b"\x07_id\x00" + ObjectId("65f000000000000000000001").binary
    body += b"\x02name\x00\x02\x00\x00\x00n\x00"
    body += b"\x06gone\x00" + b"\x0esymbol\x00\x02\x00\x00\x00s\x00"
    body += b"\x0cpointer\x00\x02\x00\x00\x00c\x00" + ObjectId().binary
    return (len(body) + 5).to_bytes(4, "little") + body + b"\x00"


def every_type(*, extreme: bool) -> list[bytes]:
    """Documents that hold every type, as BSON; `extreme`: also what the embedded engine, itself in Python, cannot."""
    free = {name: value for name, value in FREE.items() if extreme or name not in EXTREME}
    rows: list[dict[str, Any]] = [
        {"_id": ObjectId("65f000000000000000000002"), **DECLARED, "extra": free, "undeclared": free},
        {"_id": ObjectId("65f000000000000000000003"), "name": "only this"},
        {"_id": ObjectId("65f000000000000000000004"), "name": "nulls", **dict.fromkeys(("price", "seen", "tags"))},
        {"_id": ObjectId("65f000000000000000000005"), "name": "Mongoose", "__v": 0, "__t": "Chair"},
        {"_id": ObjectId("65f000000000000000000006"), "name": "looks like a type", "extra": {"$date": 5}},
    ]
    return [*([withdrawn()] if extreme else []), *(bson.encode(row, codec_options=CODEC) for row in rows)]


@pytest.fixture(scope="session")
def shop() -> Registry:
    return parse_models(SHOP)


@pytest.fixture
def item(shop: Registry) -> Model:
    return shop.model("Item")


@pytest.fixture
def fill(mongo: Mongo) -> Callable[..., None]:
    """`fill("items", raw documents)`: put them into the database, byte for byte."""

    def put(collection: str, documents: list[bytes]) -> None:
        raw: list[Any] = [RawBSONDocument(each, DEFAULT_RAW_BSON_OPTIONS) for each in documents]
        mongo.collection(collection).insert_many(raw)

    return put


@pytest.fixture
def stored(mongo: Mongo) -> Callable[[str], list[bytes]]:
    """`stored("items")`: the documents as their bytes, by `_id`."""

    def read(collection: str) -> list[bytes]:
        place = mongo.collection(collection).with_options(codec_options=DEFAULT_RAW_BSON_OPTIONS)
        return [each.raw for each in place.find().sort("_id", 1)]  # type: ignore[attr-defined]

    return read


@pytest.fixture
def exporter(mongo: Mongo) -> Exporter:
    return Exporter(mongo, actor="ann")


@pytest.fixture
def importer(mongo: Mongo, tmp_path: Path) -> Importer:
    return Importer(
        mongo, actor="ann", event_key=bytes(range(32)), state_dir=tmp_path / "state", rejects_dir=tmp_path / "rejected"
    )


@pytest.fixture
def bring(importer: Importer, item: Model) -> Callable[..., ImportReport]:
    """`bring(path, model=..., **options)`: import it."""

    def run(path: Path, model: Model | None = None, **options: Any) -> ImportReport:
        chosen = model or item
        return importer.run(chosen, importer.plan(chosen, path, ImportOptions(**options)))

    return run
