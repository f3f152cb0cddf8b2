"""Outside writes: what differs from the last event's values, and the many things that do not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from datactl.inspect.validating import outside_writes
from datactl.schema import parse_models
from tests.inspect.validating.conftest import Shop

FIELDS = """
      _id: string
      name: string
      level: int
      nested: {a: {b: int}, pin: {type: string, secret: SECRET}}
      list: [{phone: {type: string, secret: SECRET}, city: string}]
      keys: {type: map, of: {type: string, secret: SECRET}}
      token: {type: string, secret: SECRET}
"""


def models(*, secret: bool) -> str:
    return "  Item:\n    fields:" + FIELDS.replace("SECRET", str(secret).lower())


FULL = {
    "_id": "a",
    "name": "n",
    "level": 1,
    "nested": {"a": {"b": 1}, "pin": "1234"},
    "list": [{"phone": "1", "city": "x"}, {"phone": "2", "city": "y"}],
    "keys": {"k": "v", "7": "w"},
    "token": "t",
}
SECRETS = {
    "nested.pin": "9999",
    "list.1.phone": "secret",
    "keys.k": "z",
    "keys.7": "z",
    "token": "z",
}


@pytest.fixture
def items(shop: Callable[[str], Shop]) -> Shop:
    return shop(models(secret=True))


def write(shop: Shop, update: dict[str, Any]) -> None:
    assert shop.rows("Item").update_one({"_id": "a"}, update).modified_count == 1


@pytest.mark.parametrize("path", SECRETS)
def test_a_secret_is_compared_with_the_key_and_left_aside_without(items: Shop, path: str) -> None:
    items.repository("Item").create(FULL)
    assert items.findings("outside-writes") == []
    write(items, {"$set": {path: SECRETS[path]}})
    (finding,) = items.findings("outside-writes")
    assert finding.what.startswith(f"{path} is not")
    assert SECRETS[path] not in finding.what.replace(path, "")
    for other in (None, bytes(32)):
        items.key = other
        assert items.findings("outside-writes") == []


def test_a_secret_that_no_event_has(items: Shop) -> None:
    items.key = None
    items.repository("Item").create(FULL)
    write(items, {"$set": {"token": "z", "nested.pin": "z", "list.0.phone": "z"}})
    assert items.findings("outside-writes") == []
    write(items, {"$set": {"nested.a.b": 2, "list.0.city": "z"}})
    (finding,) = items.findings("outside-writes")
    assert finding.what.startswith("nested, list are not")


@pytest.mark.parametrize("then", [True, False])
@pytest.mark.parametrize("key", [None, bytes(range(32))])
def test_what_is_secret_may_be_declared_otherwise_later(
    shop: Callable[[str], Shop], then: bool, key: bytes | None
) -> None:
    items = shop(models(secret=then))
    items.key = key
    items.repository("Item").create(FULL)
    items.registry = parse_models(f"models:\n{models(secret=not then)}")
    assert items.findings("outside-writes") == []
    write(items, {"$set": {"nested.a.b": 2}})
    assert items.found("outside-writes") == [("changed", "a")]


def test_only_what_the_last_event_touched_counts(items: Shop) -> None:
    repository = items.repository("Item")
    repository.create(FULL)
    write(items, {"$set": {"level": 5}})
    assert items.found("outside-writes") == [("changed", "a")]
    repository.update_by_id("a", {"name": "m"})
    assert items.findings("outside-writes") == []
    write(items, {"$set": {"name": "o"}})
    assert items.found("outside-writes") == [("changed", "a")]


def test_an_outside_write_that_is_taken_back_is_none(items: Shop) -> None:
    items.repository("Item").create(FULL)
    write(items, {"$set": {"list": FULL["list"][::-1]}})
    assert items.found("outside-writes") == [("changed", "a")]
    write(items, {"$set": {"list": FULL["list"]}})
    assert items.findings("outside-writes") == []


def test_fields_in_another_order_are_another_value(items: Shop) -> None:
    items.repository("Item").create(FULL)
    write(items, {"$set": {"nested": {"pin": "1234", "a": {"b": 1}}}})
    assert items.findings("outside-writes", model="Item") == []  # the secret part stands apart
    write(items, {"$set": {"list.0": {"city": "x", "phone": "1"}}})
    write(items, {"$set": {"nested": {"a": {"b": 1, "c": 2}, "pin": "1234"}}})
    assert items.found("outside-writes") == [("changed", "a")]


def test_events_of_other_programs_and_emptied_ones_tell_nothing(items: Shop) -> None:
    items.repository("Item").create(FULL)
    newest = {"aggregate": "Item", "aggregateId": "a", "eventType": "ItemUpdated", "createdAt": datetime.now(UTC)}
    write(items, {"$set": {"name": "other"}})
    for number, payload in enumerate((None, "text", {"anything": 1}, {"after": ["x"]}, {"before": 1, "after": {}}), 2):
        items.outbox.insert_one({**newest, "_id": ObjectId(), "seq": number, "payload": payload})
        assert items.findings("outside-writes") == []
    items.outbox.insert_one({"aggregate": "Item", "seq": 1, "payload": {"before": None, "after": {}}})  # of nobody
    items.outbox.delete_many({"seq": {"$gt": 1}})
    items.outbox.insert_one({**newest, "payload": {"before": {}, "after": {"name": "x"}}})  # without a number
    assert items.found("outside-writes") == [("changed", "a")]


def test_a_model_that_was_never_written_through_datactl(items: Shop) -> None:
    items.rows("Item").insert_one({"_id": "b", "name": "n"})
    assert items.findings("outside-writes") == []


def test_what_was_removed_is_not_missed(items: Shop) -> None:
    repository = items.repository("Item")
    repository.create(FULL)
    repository.soft_delete("a")
    items.archive("Item")
    assert items.findings("outside-writes") == []
    items.restorer().restore("Item", ["a"])
    assert items.findings("outside-writes") == []
    items.rows("Item").delete_one({"_id": "a"})
    assert items.found("outside-writes") == [("vanished", "a")]


def test_a_change_of_datactl_in_between_is_no_outside_write(items: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = items.repository("Item")
    repository.create(FULL)
    real = outside_writes.read_by_id
    looks = 0

    def read_after_another_change(*arguments: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks <= 2:  # between the event and the document, the first look and the second
            repository.update_by_id("a", {"level": looks * 10})
        return real(*arguments, **options)

    monkeypatch.setattr(outside_writes, "read_by_id", read_after_another_change)
    assert items.findings("outside-writes") == []
    assert looks >= 3


def test_a_sample_is_looked_at_alone(items: Shop) -> None:
    items.repository("Item").create_many([{"_id": f"i{n}", "name": "n"} for n in range(30)])
    items.rows("Item").update_many({}, {"$set": {"name": "m"}})
    assert len(items.found("outside-writes", sample=10)) == 10


def test_large_payloads_are_put_together(items: Shop) -> None:
    repository = items.repository("Item")
    repository.create({"_id": "a", "name": "x" * 9_000_000})
    assert items.findings("outside-writes") == []
    write(items, {"$set": {"name": "x" * 8_999_999 + "y"}})
    assert items.found("outside-writes") == [("changed", "a")]


def test_names_that_a_dotted_path_could_mean(items: Shop) -> None:
    assert outside_writes.value_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert outside_writes.value_at({"a": [{"b": 2}]}, "a.0.b") == 2
    assert outside_writes.value_at({"a": {"0": 3}}, "a.0") == 3
    absent = outside_writes.value_at({}, "x")
    for document in ({}, {"a": 1}, {"a": []}, {"a": [1]}):
        assert outside_writes.value_at(document, "a.1.b") is absent


@pytest.mark.parametrize("encrypted", ["text", {"key": "x"}, {"paths": [], "data": b""}])
def test_an_encrypted_part_that_is_not_whole(items: Shop, encrypted: Any) -> None:
    items.repository("Item").create(FULL)
    items.outbox.update_one({}, {"$set": {"payload.encrypted": encrypted}})
    assert items.found("outside-writes") == [("event_damaged", "a")]


def test_an_event_that_lacks_who_and_when(items: Shop) -> None:
    items.repository("Item").create(FULL)
    items.outbox.update_one({}, {"$unset": {"createdAt": "", "actor": "", "op": "", "eventType": ""}})
    assert items.findings("outside-writes") == []
    write(items, {"$set": {"name": "other"}})
    assert items.found("outside-writes") == [("changed", "a")]
