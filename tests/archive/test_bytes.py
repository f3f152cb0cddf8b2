"""What leaves MongoDB comes back bit for bit, whatever its `_id` and values are: nothing is decoded on the way."""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument

from datactl.archive import Place
from datactl.archive.documents import document_of, element, has_mark, unmarked
from datactl.mongo import split_batch
from datactl.schema import Marks, Registry, define_model
from tests.archive.desk import Desk, account

ANY_ID = define_model("Post", {"_id": {"type": "mixed"}, "title": {"type": "string"}}, enable_soft_delete=True)
BEYOND_9999 = DatetimeMS(3 * 253_402_300_800_000)

IDS: dict[str, Any] = {
    "int": 7,
    "long": Int64(2**40),
    "double": 1.5,
    "whole double": 12.0,
    "NaN": float("nan"),
    "infinity": float("-inf"),
    "decimal": Decimal128("3.250"),
    "string": "slug-é",
    "bool": True,
    "null": None,
    "date": datetime(2020, 2, 29, tzinfo=UTC),
    "ObjectId": ObjectId(),
    "UUID": Binary.from_uuid(uuid.uuid4()),
    "binary": Binary(b"\x00\x01bin", 0),
    "document": {"b": 1, "a": {"n": Int64(1), "x": 2.0}},
    "timestamp": Timestamp(4, 2),
    "min key": MinKey(),
    "max key": MaxKey(),
    "code": Code("f()"),
}
# The Python engine cannot hold these.
MORE_IDS: dict[str, Any] = {
    "date beyond 9999": BEYOND_9999,
    "date before year 1": DatetimeMS(-(10**15)),
    "document with a far date": {"on": BEYOND_9999, "n": 1},
}
ODD_VALUES = {
    b"undefined": b"\x06",
    b"symbol": b"\x0e" + struct.pack("<i", 2) + b"s\x00",
    b"pointer": b"\x0c" + struct.pack("<i", 2) + b"n\x00" + b"0" * 12,
    b"far": b"\x09" + struct.pack("<q", 10**16),
}


@pytest.fixture(autouse=True)
def any_id(desk: Desk) -> None:
    """A model whose `_id` may be of any type."""
    desk.registry = Registry([ANY_ID])


def aged(desk: Desk, fields: dict[str, Any], odd: dict[bytes, bytes] | None = None) -> bytes:
    """A marked document, raw: the fields, a NaN with a payload, what BSON once had, and marks in the middle."""
    at = desk.mongo.server_time() - timedelta(days=120)
    start = bson.encode({**fields, "deleted": True, "deletedAt": at})[4:-1]
    strange = [
        element(b"nan", b"\x01" + bytes.fromhex("010000000000f87f")),
        element(b"minus", b"\x01" + b"\0" * 7 + b"\x80"),
    ]
    strange += [element(name, value) for name, value in (odd or {}).items()]
    return document_of([start, *strange, bson.encode({"end": "the end"})[4:-1]])


def insert_raw(desk: Desk, documents: list[bytes]) -> dict[bytes, bytes]:
    for document in documents:
        desk.posts.insert_one(RawBSONDocument(document))
    before = dict(split_batch(b"".join(documents)))
    assert desk.live() == before  # what the engine keeps is what it was given
    return before


def there_and_back(desk: Desk, before: dict[bytes, bytes], ids: list[Any]) -> None:
    report = desk.archive()
    assert report.archived == len(before)
    assert account(desk, before).archived == len(before)
    restorer = desk.restorer()
    assert {restorer.find("Post", each).place for each in ids} == {Place.ARCHIVED}
    report = restorer.restore("Post", ids, as_archived=True)
    report.raise_failures()
    assert len(report.restored) == len(ids)
    assert desk.live() == before
    assert desk.archived() == {}


def test_ids_of_every_type(desk: Desk) -> None:
    before = insert_raw(desk, [aged(desk, {"_id": each, "kind": name}) for name, each in IDS.items()])
    there_and_back(desk, before, list(IDS.values()))


@pytest.mark.real
def test_ids_and_values_that_only_bson_has(desk: Desk) -> None:
    all_ids = {**IDS, **MORE_IDS}
    before = insert_raw(desk, [aged(desk, {"_id": each, "kind": name}, ODD_VALUES) for name, each in all_ids.items()])
    there_and_back(desk, before, list(all_ids.values()))


def test_an_id_is_found_by_its_value_whatever_its_type(desk: Desk) -> None:
    before = insert_raw(desk, [aged(desk, {"_id": 7})])
    desk.archive()
    restorer = desk.restorer()
    for same in (7.0, Int64(7), Decimal128("7.00")):
        assert restorer.find("Post", same).place is Place.ARCHIVED
    restorer.restore("Post", [7.0], as_archived=True).raise_failures()
    assert desk.live() == before


def test_a_restored_document_is_unmarked_and_otherwise_as_it_was(desk: Desk) -> None:
    document = aged(desk, {"_id": "one", "title": "a"})
    insert_raw(desk, [document])
    desk.archive()
    desk.restorer().restore("Post", ["one"]).raise_failures()
    (restored,) = desk.live().values()
    values = bson.decode(document)
    del values["deletedAt"]
    assert restored == bson.encode({**values, "deleted": False})  # every field in its place, as before


@pytest.mark.real
def test_documents_of_sixteen_megabytes(desk: Desk) -> None:
    """As large as MongoDB takes them, and some that together are more than a transaction or a segment is to hold."""
    size = 16 * 1024 * 1024
    documents = []
    for number, length in enumerate([size, size, 5 * 1024 * 1024, 100, 5 * 1024 * 1024]):
        empty = aged(desk, {"_id": number, "bulk": b""})
        documents.append(aged(desk, {"_id": number, "bulk": bytes(max(0, length - len(empty)))}))
    assert len(documents[0]) == size
    before = insert_raw(desk, documents)
    there_and_back(desk, before, list(range(len(documents))))


def test_marks_are_taken_out_of_bytes_that_cannot_be_decoded() -> None:
    """Invalid UTF-8: MongoDB takes it from some drivers, the engines of these tests take it from none."""
    broken = element(b"title", b"\x02" + struct.pack("<i", 3) + b"\xff\xfe\x00")
    document = document_of(
        [bson.encode({"_id": 1})[4:-1], broken, bson.encode({"deleted": True, "deletedBy": "x"})[4:-1]]
    )
    assert has_mark(document, "deleted")
    live = bson.encode({"deleted": False})[4:-1]
    assert unmarked(document, Marks()) == document_of([bson.encode({"_id": 1})[4:-1], broken, live])
