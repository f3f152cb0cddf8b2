"""Copies: a document that is archived and in MongoDB too, by exact ids; and what only looks like one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson.int64 import Int64

from datactl.archive import check, id_key
from datactl.inspect.indexes import IndexKeeper
from datactl.inspect.validating import copies
from datactl.inspect.validating.archived import ArchivedIds
from datactl.schema import parse_models
from tests.inspect.validating.conftest import Shop

MODELS = """
  Item:
    fields: {_id: number, name: string}
"""


@pytest.fixture
def items(shop: Callable[[str], Shop]) -> Shop:
    """Thirty items that were archived in three segments, ten that are live."""
    made = shop(MODELS)
    IndexKeeper(made.mongo, made.registry).create_missing()
    repository = made.repository("Item")
    for segment in range(3):
        repository.create_many([{"_id": segment * 10 + n, "name": "n"} for n in range(10)])
        repository.soft_delete_many(filter={})
        made.archive("Item")
    repository.create_many([{"_id": 100 + n, "name": "live"} for n in range(10)])
    return made


def archived(shop: Shop, **given: Any) -> ArchivedIds:
    model = shop.registry.model("Item")
    return ArchivedIds(shop.mongo, shop.vault, model, check(shop.mongo, shop.vault).namespaces(model), **given)


def test_what_left_and_what_is_live_are_no_copies(items: Shop) -> None:
    assert items.findings("copies") == []


def test_an_id_of_another_width_is_the_same_document(items: Shop) -> None:
    items.rows("Item").insert_many([{"_id": 5.0}, {"_id": Int64(15), "deleted": True}, {"_id": 5.5}])
    assert items.found("copies") == [("live_and_archived", "5.0"), ("marked_and_archived", "15")]
    assert items.found("copies", sample=100) == items.found("copies")


def test_what_was_brought_back_is_no_copy(items: Shop) -> None:
    items.restorer().restore("Item", [3, 13])
    items.restorer().restore("Item", [23], as_archived=True)
    assert items.findings("copies") == []
    items.repository("Item").soft_delete(3)
    items.archive("Item")
    items.rows("Item").insert_one({"_id": 3})
    assert items.found("copies") == [("live_and_archived", "3")]


def test_a_restore_that_owes_its_receipt_is_no_copy(items: Shop) -> None:
    items.restorer().restore("Item", [3])
    (receipt,) = [each.key for each in items.store.list("receipts/Item/") if "restored-" in each.key]
    row = items.outbox.find_one({"eventType": "ItemRestored"})
    items.store.delete(receipt)
    owed = {"_id": {"model": "Item", **_origin(row)}, "op": row["op"], "actor": "ann"}
    items.mongo.collection("datactl_restores").insert_one(owed)
    assert items.findings("copies") == []
    items.mongo.collection("datactl_restores").delete_one({})
    assert items.found("copies") == [("live_and_archived", "3")]


def _origin(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row["payload"]["archived"][name] for name in ("segment", "position")}


def test_a_vault_larger_than_memory_is_gone_through_in_passes(items: Shop) -> None:
    assert [len(each) for each in archived(items).passes()] == [30]
    few = archived(items, hashes_held=20)
    passes = list(few.passes())
    assert [len(each) for each in passes] == [20, 10]
    assert all(list(each) == sorted(each) for each in passes)
    assert few.may_be_archived(id_key(100))  # not known without reading, and then found not to be
    assert not few.is_archived(100)
    assert few.is_archived(5)
    assert not archived(items).may_be_archived(id_key(100))


def test_a_part_that_cannot_be_read_is_not_taken_for_empty(items: Shop) -> None:
    (key, *_) = [each.key for each in items.store.list("indexes/Item/")]
    data = items.store.get(key)
    items.store.delete(key)
    items.store.put(key, data[:-1] + b"\x00")
    known = archived(items)
    assert sum(map(len, known.passes())) == 20
    assert not known.is_whole
    assert [each.code for each in items.findings("vault")] == ["index_damaged"]
    assert items.findings("copies,outside-writes") == []  # what the damaged part held is not said to have vanished


def test_what_a_lost_manifest_held_is_not_said_to_have_vanished(items: Shop) -> None:
    (key, *_) = [each.key for each in items.store.list("manifests/Item/")]
    items.store.delete(key)
    assert [each.code for each in items.findings()] == ["receipt_without_manifest"]


def test_a_vault_whose_identity_is_damaged_ends_no_other_check(items: Shop) -> None:
    data = items.store.get("vault.json")
    items.store.delete("vault.json")
    items.store.put("vault.json", data[:-9])
    items.rows("Item").insert_one({"_id": 500, "name": 1})
    assert sorted(each.code for each in items.findings()) == ["identity_damaged", "type"]


def test_a_document_that_left_in_this_moment_is_no_copy(items: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    real = copies.read_by_id

    def read_after_it_left(*arguments: Any) -> Any:
        items.rows("Item").delete_one({"_id": 5})
        return real(*arguments)

    items.rows("Item").insert_one({"_id": 5})
    assert len(items.findings("copies")) == 1
    monkeypatch.setattr(copies, "read_by_id", read_after_it_left)
    assert items.findings("copies") == []


def test_copies_of_another_collection_are_none_of_this_model(items: Shop) -> None:
    items.registry = parse_models(f"models:\n{MODELS}    collection: others\n")
    items.rows("Item").insert_many([{"_id": n} for n in range(30)])
    assert items.findings("copies") == []


def test_what_is_archived_while_it_is_looked_at_is_known(items: Shop) -> None:
    known = archived(items)
    assert not known.has_left(id_key(100))
    assert not known.is_archived(101)
    items.repository("Item").soft_delete_many(ids=[100, 101])
    items.archive("Item")
    assert known.has_left(id_key(100))
    assert known.is_archived(101)
    assert not known.has_left(id_key(102))
