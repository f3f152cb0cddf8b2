"""Soft delete and restore: marks, events, and what stands against a restore."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from datactl.errors import BadId, NotFound, NotSoftDeletable, RestoreConflict, UsageError
from datactl.records import Repository
from tests.records.conftest import make_indexes

Events = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Repository]
MARKS = ("deleted", "deletedAt", "deletedBy", "deleteReason", "deletedOp")


@pytest.fixture
def chair(products: Repository) -> dict[str, Any]:
    return products.create({"name": "Chair", "price": 10, "sku": "A1"})


def stored(products: Repository, id: Any) -> dict[str, Any]:
    return products.find_by_id(id, include_deleted=True)


def test_marks_and_event(products: Repository, chair: dict[str, Any], events: Events) -> None:
    change = products.soft_delete(str(chair["_id"]), actor="bob", reason="broken")
    now = stored(products, chair["_id"])
    assert change.changed
    assert (change.kind, change.id, change.seq, change.after) == (
        "deleted",
        chair["_id"],
        2,
        events()[1]["payload"]["after"],
    )
    assert (now["deleted"], now["deletedBy"], now["deleteReason"], now["deletedOp"]) == (
        True,
        "bob",
        "broken",
        change.op,
    )
    assert now["deletedAt"] == now["updatedAt"] > chair["updatedAt"]
    assert {name: value for name, value in now.items() if name not in (*MARKS, "updatedAt")} == {
        name: value for name, value in chair.items() if name not in ("deleted", "updatedAt")
    }
    event = events()[1]
    assert (event["eventType"], event["op"], event["actor"], event["reason"]) == (
        "ProductDeleted",
        change.op,
        "bob",
        "broken",
    )
    assert event["payload"] == {
        "before": {"deleted": False, "updatedAt": chair["updatedAt"]},
        "after": {name: now[name] for name in (*MARKS, "updatedAt")},
    }


def test_it_is_not_seen_any_more(products: Repository, chair: dict[str, Any]) -> None:
    products.soft_delete_by_id(chair["_id"])
    assert list(products.find()) == list(products.find_active({"name": "Chair"})) == []
    assert products.count() == 0
    assert products.count(include_deleted=True) == 1
    assert [document["_id"] for document in products.find_deleted()] == [chair["_id"]]
    assert [document["_id"] for document in products.find_with_deleted()] == [chair["_id"]]
    with pytest.raises(NotFound, match="is deleted"):
        products.find_by_id(chair["_id"])


def test_the_first_marks_are_kept(products: Repository, chair: dict[str, Any], events: Events) -> None:
    products.soft_delete(chair["_id"], reason="first")
    before = stored(products, chair["_id"])
    again = products.soft_delete(chair["_id"], actor="eve", reason="second")
    assert not again.changed
    assert stored(products, chair["_id"]) == before
    assert len(events()) == 2


def test_stale_marks_of_an_earlier_deletion_do_not_stay(products: Repository, chair: dict[str, Any]) -> None:
    """mongoose-delete's `deleted = false` by hand leaves the other marks."""
    products.soft_delete(chair["_id"], reason="first")
    products.collection.update_one({"_id": chair["_id"]}, {"$set": {"deleted": False}})
    change = products.soft_delete(chair["_id"])
    assert change.before is not None
    assert change.before["deleteReason"] == "first"
    assert "deleteReason" not in stored(products, chair["_id"])


def test_what_is_not_there_and_what_is_no_id(products: Repository) -> None:
    with pytest.raises(NotFound):
        products.soft_delete(ObjectId())
    with pytest.raises(NotFound):
        products.restore(ObjectId())
    with pytest.raises(BadId):
        products.soft_delete("nothing")


def test_a_model_without_soft_delete(repository: Make) -> None:
    settings = repository("Setting")
    settings.create({"_id": "a", "value": 1})
    for work in (
        lambda: settings.soft_delete("a"),
        lambda: settings.restore("a"),
        lambda: settings.soft_delete_many(filter={}),
        lambda: settings.restore_many(ids=["a"]),
        lambda: settings.plan_soft_delete({}),
    ):
        with pytest.raises(NotSoftDeletable):
            work()
    assert settings.find_by_id("a")["value"] == 1
    assert list(settings.find_deleted()) == []


def test_restore(products: Repository, chair: dict[str, Any], events: Events) -> None:
    products.soft_delete(chair["_id"], reason="oops")
    marked = stored(products, chair["_id"])
    change = products.restore(chair["_id"], actor="bob", reason="was fine")
    back = products.find_by_id(chair["_id"])
    assert change.changed
    assert back == {**chair, "deleted": False, "updatedAt": back["updatedAt"]}
    event = events()[2]
    assert (event["eventType"], event["seq"], event["reason"]) == ("ProductRestored", 3, "was fine")
    assert event["payload"] == {
        "before": {name: marked[name] for name in (*MARKS, "updatedAt")},
        "after": {"deleted": False, "updatedAt": back["updatedAt"]},
    }
    assert not products.restore(chair["_id"]).changed
    assert len(events()) == 3


def test_every_conflict_is_listed_and_nothing_changes(repository: Make, products: Repository, events: Events) -> None:
    make_indexes(products)
    category = repository("Category").create({"name": "c", "slug": "c"})
    chair = products.create({"name": "Chair", "price": 1, "sku": "A1", "category": category["_id"]})
    products.soft_delete(chair["_id"])
    other = products.create({"name": "Stool", "price": 1, "sku": "A1"})
    repository("Category").soft_delete(category["_id"])
    products.collection.update_one({"_id": chair["_id"]}, {"$set": {"price": -5}, "$unset": {"name": ""}})
    before, events_before = stored(products, chair["_id"]), len(events())
    with pytest.raises(RestoreConflict) as caught:
        products.restore(chair["_id"])
    found = {(problem.where, problem.code) for problem in caught.value.problems}
    assert found == {
        ("/name", "required"),
        ("/price", "min"),
        ("/category", "reference_deleted"),
        ("/sku", "unique_taken"),
    }
    assert str(other["_id"]) in next(p.what for p in caught.value.problems if p.code == "unique_taken")
    assert stored(products, chair["_id"]) == before
    assert len(events()) == events_before


def test_a_reference_to_what_is_not_there(products: Repository) -> None:
    chair = products.create({"name": "Chair", "price": 1, "category": ObjectId()})
    products.soft_delete(chair["_id"])
    with pytest.raises(RestoreConflict) as caught:
        products.restore(chair["_id"])
    assert [problem.code for problem in caught.value.problems] == ["reference_missing"]


def test_keys_that_do_not_clash(products: Repository, chair: dict[str, Any]) -> None:
    """Its own key, one of a deleted document, and no key at all."""
    make_indexes(products)
    nameless = [products.create({"name": "x", "price": 1})["_id"] for _ in range(2)]
    products.soft_delete(chair["_id"])
    twin = products.create({"name": "Twin", "price": 1, "sku": "A1"})
    products.soft_delete(twin["_id"])
    for each in nameless:
        products.soft_delete(each)
    for each in (chair["_id"], *nameless):
        assert products.restore(each).changed


def test_many_by_filter(products: Repository, events: Events) -> None:
    products.create_many([{"name": str(number), "price": number} for number in range(30)])
    products.soft_delete_many(filter={"price": {"$gte": 25}}, reason="first")
    plan = products.plan_soft_delete({"price": {"$gte": 20}})
    assert (plan.model, plan.collection, plan.matching, plan.live_total) == ("Product", "products", 5, 25)
    result = products.soft_delete_many(filter={"price": {"$gte": 20}}, reason="old", actor="bob")
    assert (result.matched, result.changed, result.unchanged, result.failures) == (5, 5, 0, 0)
    rows = events(op=result.op)
    assert len(rows) == 5
    assert {(row["seq"], row["actor"], row["reason"], row["eventType"]) for row in rows} == {
        (2, "bob", "old", "ProductDeleted")
    }
    marked = list(products.find_deleted({"deletedOp": result.op}))
    assert {document["deletedAt"] for document in marked} == {rows[0]["createdAt"]}
    assert products.count() == 20


def test_many_by_ids(products: Repository, events: Events) -> None:
    ids = [products.create({"name": str(number), "price": number})["_id"] for number in range(4)]
    products.soft_delete(ids[0], reason="first")
    missing = ObjectId()
    result = products.soft_delete_many(ids=[str(ids[0]), ids[1], ids[2], str(ids[2]), missing])
    assert (result.matched, result.changed, result.unchanged, result.failures) == (5, 2, 2, 1)
    assert [(problem.where, problem.code) for problem in result.failed] == [(str(missing), "not_found")]
    assert len(events(op=result.op)) == 2
    assert stored(products, ids[0])["deleteReason"] == "first"
    assert products.plan_soft_delete(ids=ids).matching == 1


def test_either_ids_or_a_filter(products: Repository) -> None:
    wrong: list[dict[str, Any]] = [{}, {"ids": [], "filter": {}}]
    for options in wrong:
        with pytest.raises(UsageError, match="either ids or a filter"):
            products.soft_delete_many(**options)
    with pytest.raises(BadId):
        products.soft_delete_many(ids=["x"])


def test_restore_many(products: Repository, events: Events) -> None:
    make_indexes(products)
    products.create_many([{"name": str(number), "price": number, "sku": f"S{number}"} for number in range(20)])
    products.soft_delete_many(filter={"price": {"$lt": 10}})
    result = products.restore_many(filter={"price": {"$lt": 5}}, reason="back")
    assert (result.matched, result.changed) == (5, 5)
    assert products.count() == 15
    assert {row["eventType"] for row in events(op=result.op)} == {"ProductRestored"}
    again = products.restore_many(ids=[document["_id"] for document in products.find({"price": {"$lt": 3}})])
    assert (again.changed, again.unchanged) == (0, 3)


def test_restore_many_lists_all_conflicts_before_it_changes_any(
    products: Repository, events: Events, mongo: Any
) -> None:
    make_indexes(products)
    products.create_many([{"name": str(number), "price": number, "sku": f"S{number % 150}"} for number in range(150)])
    products.soft_delete_many(filter={})
    products.create_many([{"name": "new", "price": 500, "sku": f"S{number}"} for number in (3, 140)])
    twins = [{"name": "twin", "price": 600, "sku": "TWIN", "deleted": True} for _ in range(2)]
    products.collection.insert_many(twins)
    count = len(events())
    with pytest.raises(RestoreConflict) as caught:
        products.restore_many(filter={})
    assert sorted(problem.where.rpartition("/")[2] for problem in caught.value.problems) == ["sku"] * 3
    assert {"S3", "S140", "TWIN"} == {problem.what.split("'")[1] for problem in caught.value.problems}
    assert products.count() == 2
    assert len(events()) == count
    assert mongo.collection("datactl_ops").count_documents({"kind": "restore"}) == 0
