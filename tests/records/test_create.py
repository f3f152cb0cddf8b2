"""Creating: a document and its event, both or neither."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from bson.regex import Regex

from datactl.errors import DocumentTooLarge, DuplicateKey, InvalidDocument
from datactl.events import open_payload, read_payload
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.steps import Step, Watcher
from tests.records.conftest import EVENT_KEY, make_indexes

Events = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Repository]


def test_a_document_and_its_event(products: Repository, events: Events, mongo: Mongo) -> None:
    before = mongo.server_time()
    created = products.create({"name": "Chair", "price": 10}, reason="new in stock")
    assert created == products.find_by_id(created["_id"]) == products.collection.find_one({"_id": created["_id"]})
    assert list(created) == ["_id", "name", "price", "createdAt", "updatedAt", "deleted"]
    assert created["deleted"] is False  # as mongoose-delete writes it
    assert created["createdAt"] == created["updatedAt"]
    assert before - timedelta(seconds=1) <= created["createdAt"] <= mongo.server_time() + timedelta(seconds=1)
    (event,) = events()
    assert event["aggregateId"] == created["_id"]
    assert (event["aggregate"], event["eventType"], event["seq"]) == ("Product", "ProductCreated", 1)
    assert (event["actor"], event["reason"], event["createdAt"]) == ("ann", "new in stock", created["createdAt"])
    assert event["payload"] == {"before": None, "after": created}
    assert len(event["op"]) == 26


def test_actor_of_the_call_before_the_repositorys(products: Repository, events: Events) -> None:
    products.create({"name": "Chair", "price": 1}, actor="bob")
    assert events()[0]["actor"] == "bob"


def test_every_problem_at_once_and_nothing_written(products: Repository, events: Events) -> None:
    with pytest.raises(InvalidDocument) as caught:
        products.create({"_id": "xyz", "name": 5, "price": -1, "nmae": "x", "deleted": True})
    assert {problem.where for problem in caught.value.problems} == {"/_id", "/name", "/price", "/nmae", "/deleted"}
    assert products.count(include_deleted=True) == 0
    assert events() == []


def test_a_taken_key_names_the_field_and_writes_no_event(products: Repository, events: Events) -> None:
    make_indexes(products)
    first = products.create({"name": "Chair", "price": 1, "sku": "A1"})
    with pytest.raises(DuplicateKey, match="sku"):
        products.create({"name": "Stool", "price": 1, "sku": "A1"})
    with pytest.raises(DuplicateKey, match="_id"):
        products.create({"_id": first["_id"], "name": "Stool", "price": 1})
    assert [event["aggregateId"] for event in events()] == [first["_id"]]


def test_a_key_is_free_again_after_a_soft_delete(products: Repository) -> None:
    make_indexes(products)
    first = products.create({"name": "Chair", "price": 1, "sku": "A1"})
    products.soft_delete(first["_id"])
    products.create({"name": "Stool", "price": 1, "sku": "A1"})
    products.create({"name": "None", "price": 1})
    products.create({"name": "None either", "price": 1})


IDS = [
    *(7, Int64(2**40), 1.5, Decimal128("1.5"), "text", UUID(int=1), b"bytes", True, ObjectId()),
    *({"k": 1, "n": {"m": 2}}, datetime(2026, 1, 1, tzinfo=UTC)),
]


@pytest.mark.parametrize("id", IDS)
def test_ids_of_every_type(repository: Make, events: Events, id: Any) -> None:
    for model in ("Loose", "Product") if id != "text" else ("Loose",):  # text is read as the declared type
        name = {"v": 1} if model == "Loose" else {"name": "x", "price": 1}
        made = repository(model).create({"_id": id, **name})
        assert made["_id"] == id
        assert repository(model).find_by_id(id)["_id"] == id
        assert events(aggregate=model)[0]["aggregateId"] == id
        found = repository(model).update_by_id(id, {"v": 2} if model == "Loose" else {"price": 2})
        assert found["_id"] == id
        assert repository(model).soft_delete(id).changed
        assert repository(model).restore(id).changed
        assert [event["seq"] for event in events(aggregate=model)] == [1, 2, 3, 4]
        assert {event["aggregateId"] == id for event in events(aggregate=model)} == {True}


@pytest.mark.parametrize("id", [None, [1], Regex("a")])
def test_what_cannot_be_an_id(products: Repository, id: Any) -> None:
    with pytest.raises(InvalidDocument) as caught:
        products.create({"_id": id, "name": "x", "price": 1})
    assert [problem.where for problem in caught.value.problems] == ["/_id"]


def test_a_model_whose_ids_cannot_be_made_wants_one(repository: Make) -> None:
    with pytest.raises(InvalidDocument, match="required"):
        repository("Setting").create({"value": 1})
    assert repository("Setting").create({"_id": "a", "value": 1}) == {"_id": "a", "value": 1}  # no timestamps either


def test_one_number_in_two_types_is_one_id(repository: Make) -> None:
    loose = repository("Loose")
    loose.create({"_id": 1, "v": 1})
    with pytest.raises(DuplicateKey):
        loose.create({"_id": 1.0, "v": 1})
    loose.update_by_id(1.0, {"v": 2})
    assert loose.find_by_id(Decimal128("1"))["v"] == 2


def test_a_document_beyond_the_limit_is_refused_before_anything_is_written(repository: Make, events: Events) -> None:
    loose = repository("Loose")
    with pytest.raises(DocumentTooLarge, match=r"16,777,2\d\d bytes"):
        loose.create({"_id": 1, "v": "x" * (16 * 1024 * 1024)})
    assert loose.count() == 0
    assert events() == []


def test_the_largest_document_has_its_event_in_chunks(repository: Make, events: Events, mongo: Mongo) -> None:
    loose = repository("Loose")
    loose.create({"_id": 1, "v": "x" * (16 * 1024 * 1024 - 100)})
    (event,) = events()
    assert event["payload"]["chunked"] == 2
    payload = read_payload(mongo, event)
    assert payload["after"] == loose.find_by_id(1)


@pytest.mark.parametrize("value", ["\ud800", 2**70])
def test_what_bson_cannot_hold(repository: Make, value: Any) -> None:
    with pytest.raises(InvalidDocument):
        repository("Loose").create({"_id": 1, "v": value})
    assert repository("Loose").count() == 0


def test_a_date_beyond_the_year_9999_is_refused(products: Repository) -> None:
    with pytest.raises(InvalidDocument, match="seen"):
        products.create({"name": "x", "price": 1, "seen": DatetimeMS(2**52)})


@pytest.mark.real
def test_a_stored_date_beyond_the_year_9999_survives_other_changes(products: Repository, events: Events) -> None:
    """Only the fast engine takes one."""
    made = products.create({"name": "x", "price": 1})
    far = DatetimeMS(2**52)
    products.collection.update_one({"_id": made["_id"]}, {"$set": {"seen": far}})
    assert products.update_by_id(made["_id"], {"$inc": {"price": 1}})["seen"] == far
    products.soft_delete(made["_id"])
    assert products.find_by_id(made["_id"], include_deleted=True)["seen"] == far
    products.collection.update_one({"_id": made["_id"]}, {"$set": {"deleted": False}})
    products.update_by_id(made["_id"], {"$unset": {"seen": ""}})
    assert events()[-1]["payload"]["before"]["seen"] == far


SECRET = {
    "name": "x",
    "price": 1,
    "token": "T0P",
    "supplier": {"name": "s", "password": "P4SS"},
    "contacts": [{"phone": "1", "city": "Oslo"}],
}


def test_secret_fields_are_stored_but_not_shown(products: Repository, events: Events) -> None:
    made = products.create(SECRET)
    for document in (made, products.find_by_id(made["_id"]), next(products.find())):
        assert "token" not in document
        assert document["supplier"] == {"name": "s"}
        assert document["contacts"] == [{"city": "Oslo"}]
    whole = products.find_by_id(made["_id"], reveal=True)
    assert (whole["token"], whole["supplier"]["password"]) == ("T0P", "P4SS")
    assert products.create(SECRET, reveal=True)["token"] == "T0P"
    payload = events(aggregateId=made["_id"])[0]["payload"]
    assert payload["withheld"] == ["token", "supplier.password", "contacts.0.phone"]
    assert payload["after"] == made


def test_with_a_key_their_values_are_in_the_event_encrypted(repository: Make, events: Events) -> None:
    made = repository("Product", event_key=EVENT_KEY).create(SECRET)
    (event,) = events()
    assert "withheld" not in event["payload"]
    assert "T0P" not in str(event)
    before, after = open_payload(event["payload"], EVENT_KEY, event["_id"])
    assert (before, after) == ({}, {"token": "T0P", "supplier.password": "P4SS", "contacts.0.phone": "1"})
    assert event["payload"]["after"] == made


def test_many(products: Repository, events: Events, mongo: Mongo) -> None:
    steps: list[tuple[str, str, int]] = []

    class Recorder(Watcher):
        def see(self, step: Step) -> None:
            steps.append((step.name, str(step.when), step.done))

    items: list[dict[str, Any]] = [{"name": str(number), "price": number} for number in range(700)]
    items[3] = {"name": "bad"}
    result = products.create_many(iter(items), reason="import", watch=Recorder())
    assert (result.matched, result.changed, result.failures, result.left) == (700, 699, 1, 0)
    assert [problem.where for problem in result.failed] == ["3"]
    assert "price" in result.failed[0].what
    assert products.count() == 699
    rows = events()
    assert len(rows) == 699
    assert {row["op"] for row in rows} == {result.op}
    assert {row["seq"] for row in rows} == {1}
    row = mongo.collection("datactl_ops").find_one({"_id": result.op})
    assert row is not None
    assert (row["kind"], row["state"], row["actor"], row["reason"]) == ("create", "done", "ann", "import")
    assert row["counts"] == {"matched": 700, "changed": 699, "unchanged": 0, "failed": 1}
    assert [step for step in steps if step[0] == "create"] == [("create", "progress", 500), ("create", "progress", 700)]
    assert [name for name, _, _ in steps][:2] == ["ledger.open", "ledger.open"]


def test_many_with_taken_keys_and_large_documents(repository: Make, events: Events) -> None:
    loose = repository("Loose")
    loose.create({"_id": 20, "v": "there"})
    items = [{"_id": number, "v": "x" * (3_000_000 if number in (5, 6, 7) else 10)} for number in range(40)]
    result = loose.create_many(items)
    assert (result.changed, [problem.where for problem in result.failed]) == (39, ["20"])
    assert result.failed[0].code == "duplicate_key"
    assert loose.find_by_id(20)["v"] == "there"
    assert [event["seq"] for event in events()] == [1] * 40
