"""Updating: absolute values before and after in the event, whatever operator made them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bson import Binary, Code, ObjectId

from datactl.errors import InvalidDocument, NotFound, PreconditionFailed
from datactl.events import open_payload
from datactl.records import Repository
from tests.records.conftest import EVENT_KEY

Events = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Repository]

CHAIR = {
    "name": "Chair",
    "price": 10,
    "tags": ["red", "old"],
    "inventory": {"quantity": 5, "warehouse": "Oslo"},
    "description": "wood",
}


@pytest.fixture
def chair(products: Repository) -> dict[str, Any]:
    return products.create(CHAIR)


def test_new_values(products: Repository, chair: dict[str, Any], events: Events) -> None:
    changed = products.update_by_id(str(chair["_id"]), {"price": 11, "name": "Chair"}, reason="dearer")
    assert changed == {**chair, "price": 11, "updatedAt": changed["updatedAt"]}
    assert changed["updatedAt"] > chair["updatedAt"]
    assert changed == products.find_by_id(chair["_id"])
    event = events()[1]
    assert (event["eventType"], event["seq"], event["reason"]) == ("ProductUpdated", 2, "dearer")
    assert event["payload"] == {
        "before": {"price": 10, "updatedAt": chair["updatedAt"]},
        "after": {"price": 11, "updatedAt": changed["updatedAt"]},
    }


OPERATORS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"$inc": {"price": 5}}, {"price": 10}, {"price": 15}),
    ({"$mul": {"price": 2}}, {"price": 10}, {"price": 20}),
    ({"$min": {"price": 3}}, {"price": 10}, {"price": 3}),
    ({"$max": {"inventory.quantity": 9}}, {"inventory.quantity": 5}, {"inventory.quantity": 9}),
    ({"$push": {"tags": "new"}}, {"tags": ["red", "old"]}, {"tags": ["red", "old", "new"]}),
    ({"$push": {"tags": {"$each": ["a", "b"], "$slice": -3}}}, {"tags": ["red", "old"]}, {"tags": ["old", "a", "b"]}),
    ({"$addToSet": {"tags": "new"}}, {"tags": ["red", "old"]}, {"tags": ["red", "old", "new"]}),
    ({"$pull": {"tags": "red"}}, {"tags": ["red", "old"]}, {"tags": ["old"]}),
    ({"$pullAll": {"tags": ["red", "old"]}}, {"tags": ["red", "old"]}, {"tags": []}),
    ({"$pop": {"tags": 1}}, {"tags": ["red", "old"]}, {"tags": ["red"]}),
    ({"$set": {"tags.0": "blue"}}, {"tags": ["red", "old"]}, {"tags": ["blue", "old"]}),
    ({"$set": {"inventory.quantity": 6}}, {"inventory.quantity": 5}, {"inventory.quantity": 6}),
    ({"$set": {"supplier.name": "s"}}, {}, {"supplier": {"name": "s"}}),
    ({"$set": {"inventory": {"quantity": 1}}}, {"inventory": CHAIR["inventory"]}, {"inventory": {"quantity": 1}}),
    ({"$unset": {"description": ""}}, {"description": "wood"}, {}),
    ({"$unset": {"inventory.warehouse": ""}}, {"inventory.warehouse": "Oslo"}, {}),
    ({"$rename": {"description": "sku"}}, {"description": "wood"}, {"sku": "wood"}),
    (
        {"$set": {"name": "Stool"}, "$unset": {"description": 1}},
        {"name": "Chair", "description": "wood"},
        {"name": "Stool"},
    ),
    ({"description": None}, {"description": "wood"}, {"description": None}),
]


@pytest.mark.parametrize(("update", "before", "after"), OPERATORS)
def test_operators_are_resolved_to_absolute_values(
    products: Repository,
    chair: dict[str, Any],
    events: Events,
    update: dict[str, Any],
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    changed = products.update_by_id(chair["_id"], update)
    payload = events()[1]["payload"]
    assert payload["before"] == {**before, "updatedAt": chair["updatedAt"]}
    assert payload["after"] == {**after, "updatedAt": changed["updatedAt"]}
    assert changed == products.find_by_id(chair["_id"])
    for path, value in after.items():
        here: Any = changed
        for name in path.split("."):
            here = here[name]
        assert here == value


@pytest.mark.parametrize(
    "update",
    [
        {"price": 10},
        {"$inc": {"price": 0}},
        {"$addToSet": {"tags": "red"}},
        {"$unset": {"sku": ""}},
        {"$set": {"inventory.quantity": 5}},
        {"$max": {"price": 1}},
    ],
)
def test_what_changes_nothing_writes_nothing(
    products: Repository, chair: dict[str, Any], events: Events, update: dict[str, Any]
) -> None:
    assert products.update_by_id(chair["_id"], update) == chair
    assert len(events()) == 1


def test_another_number_type_is_a_change(products: Repository, chair: dict[str, Any], events: Events) -> None:
    products.update_by_id(chair["_id"], {"price": 10.0})
    after = events()[1]["payload"]["after"]["price"]
    assert (after, type(after)) == (10.0, float)


@pytest.mark.parametrize(
    ("update", "where"),
    [
        ({"pirce": 1}, "/pirce"),
        ({"price": "much"}, "/price"),
        ({"price": -1}, "/price"),
        ({"name": None}, "/name"),
        ({"_id": ObjectId()}, "/_id"),
        ({"createdAt": "2026-01-01T00:00:00Z"}, "/createdAt"),
        ({"deleted": True}, "/deleted"),
        ({"$set": {"deletedAt": None}}, "/deletedAt"),
        ({"$unset": {"name": ""}}, "/name"),
        ({"$inc": {"pirce": 1}}, "/pirce"),
        ({"$inc": {"price": "x"}}, "/price"),
        ({"$inc": {"price": -11}}, "/price"),
        ({"$inc": {"inventory.quantity": -6}}, "/inventory/quantity"),
        ({"$push": {"tags": 5}}, "/tags"),
        ({"$rename": {"description": "unknown"}}, "/unknown"),
        ({"$rename": {"name": "sku"}}, "/name"),
        ({"$set": {"tags.$": "x"}}, "/tags/$"),
        ({"$set": {"tags.$[each]": "x"}}, "/tags/$[each]"),
        ({"$setOnInsert": {"price": 1}}, "/$setOnInsert"),
        ({"$set": {"price": 1}, "name": "x"}, "/name"),
        ({"$set": 5}, "/$set"),
        ({"$pull": {"tags": {"$where": "1"}}}, "/$pull/tags"),
        ({"inventory": {"quantity": "x"}}, "/inventory/quantity"),
        ({"$rename": {"token": "description"}}, "/token"),
        ({"$rename": {"supplier.password": "description"}}, "/supplier/password"),
        ({"$rename": {"supplier": "extra"}}, "/supplier"),
        ({"$rename": {"contacts": "extra"}}, "/contacts"),
        ({"$rename": {"description": "token"}}, "/token"),
        ({"$rename": {"extra": "supplier"}}, "/supplier"),
        *(
            ({operator: {"token": "x"}}, "/token")
            for operator in ("$min", "$max", "$inc", "$mul", "$push", "$addToSet")
        ),
        ({"$pullAll": {"token": ["x"]}}, "/token"),
        ({"$pop": {"token": 1}}, "/token"),
        ({"$bit": {"token": {"and": 1}}}, "/token"),
        ({"$currentDate": {"token": True}}, "/token"),
        ({"$pull": {"token": "x"}}, "/token"),
        ({"$pull": {"contacts": {"phone": {"$gt": "5"}}}}, "/contacts/phone"),
        ({"$pull": {"contacts": {"phone": "5"}}}, "/contacts/phone"),
        ({"$pull": {"contacts": {"phone": {"$exists": True}}}}, "/contacts/phone"),
        ({"$pull": {"contacts": {"$eq": {"phone": "5"}}}}, "/contacts"),
        ({"$pull": {"contacts": {"$or": [{"phone": "5"}]}}}, "/contacts"),
        ({"$pullAll": {"contacts": [{"phone": "5"}]}}, "/contacts"),
        ({"$addToSet": {"contacts": {"phone": "5"}}}, "/contacts"),
        ({"$push": {"contacts": {"$each": [], "$sort": {"phone": 1}}}}, "/contacts"),
        ({"$pull": {"contacts.0.phone": "5"}}, "/contacts/0/phone"),
        ({"$pull": {"tags": {"$regex": "^r"}}}, "/tags"),
        ({"$pull": {"tags": {"$elemMatch": {"x": 1}}}}, "/tags"),
        ({"$pull": {"contacts": {"town": "Oslo"}}}, "/contacts/town"),
        ({"$pull": {"extra": {"$regularExpression": {"pattern": "^a", "options": ""}}}}, "/extra"),
    ],
)
def test_what_is_refused_changes_nothing(
    products: Repository, chair: dict[str, Any], events: Events, update: dict[str, Any], where: str
) -> None:
    with pytest.raises(InvalidDocument) as caught:
        products.update_by_id(chair["_id"], update)
    assert where in [problem.where for problem in caught.value.problems]
    assert products.find_by_id(chair["_id"]) == chair
    assert len(events()) == 1


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ({"city": "Oslo"}, [{"city": "Rome", "phone": "2"}]),
        ({"city": {"$gte": "P"}}, [{"city": "Oslo", "phone": "1"}]),
        ({"city": {"$in": ["Oslo", "Rome"]}}, []),
        ({"city": {"$exists": False}}, [{"city": "Oslo", "phone": "1"}, {"city": "Rome", "phone": "2"}]),
    ],
)
def test_pulling_by_what_is_not_secret(products: Repository, condition: dict[str, Any], left: list[Any]) -> None:
    contacts = [{"city": "Oslo", "phone": "1"}, {"city": "Rome", "phone": "2"}]
    made = products.create({**CHAIR, "contacts": contacts})
    products.update_by_id(made["_id"], {"$pull": {"contacts": condition}})
    assert products.find_by_id(made["_id"], reveal=True)["contacts"] == left


def test_the_operand_of_pull_may_be_extended_json(products: Repository) -> None:
    kept, taken = ObjectId(), ObjectId()
    made = products.create({**CHAIR, "extra": [kept, taken, 5, 50]})
    products.update_by_id(made["_id"], {"$pull": {"extra": {"$oid": str(taken)}}})
    products.update_by_id(made["_id"], {"$pull": {"extra": {"$gt": {"$numberLong": "7"}}}})
    assert products.find_by_id(made["_id"])["extra"] == [kept, 5]


@pytest.mark.parametrize("id", [uuid.UUID(int=5), Code("f"), Binary(b"x", 5), 5, {"a": uuid.UUID(int=6)}], ids=repr)
def test_a_state_has_an_etag_whatever_the_id_is(repository: Make, id: Any) -> None:
    loose = repository("Loose")
    loose.collection.insert_one({"_id": id, "v": 1})
    tag = loose.etag(id)
    assert loose.update_by_id(id, {"v": 2}, if_match=tag)["v"] == 2
    with pytest.raises(PreconditionFailed):
        loose.update_by_id(id, {"v": 3}, if_match=tag)


def test_an_empty_update_is_refused(products: Repository, chair: dict[str, Any]) -> None:
    empty: list[dict[str, Any]] = [{}, {"$set": {}}]
    for update in empty:
        with pytest.raises(InvalidDocument):
            products.update_by_id(chair["_id"], update)


def test_what_was_wrong_before_does_not_stand_against_a_change(products: Repository, chair: dict[str, Any]) -> None:
    products.collection.update_one({"_id": chair["_id"]}, {"$set": {"name": 5, "legacy": True}})
    assert products.update_by_id(chair["_id"], {"$inc": {"price": 1}})["price"] == 11
    with pytest.raises(InvalidDocument):
        products.update_by_id(chair["_id"], {"$inc": {"price": -100}})


def test_immutable_fields(repository: Make) -> None:
    categories = repository("Category")
    made = categories.create({"name": "a", "slug": "a"})
    with pytest.raises(InvalidDocument, match="immutable"):
        categories.update_by_id(made["_id"], {"slug": "b"})
    assert categories.update_by_id(made["_id"], {"name": "b"})["slug"] == "a"


def test_a_document_that_is_not_there_or_deleted(products: Repository, chair: dict[str, Any], events: Events) -> None:
    with pytest.raises(NotFound, match="not there"):
        products.update_by_id(ObjectId(), {"price": 1})
    products.soft_delete(chair["_id"])
    with pytest.raises(NotFound, match="deleted"):
        products.update_by_id(chair["_id"], {"price": 1})
    assert [event["eventType"] for event in events()] == ["ProductCreated", "ProductDeleted"]


def test_secret_values_of_a_change(repository: Make, events: Events) -> None:
    products = repository("Product", event_key=EVENT_KEY)
    made = products.create({**CHAIR, "token": "old", "supplier": {"password": "p1"}})
    changed = products.update_by_id(made["_id"], {"token": "new", "price": 11})
    assert "token" not in changed
    event = events()[1]
    assert event["payload"]["after"].keys() == {"price", "updatedAt"}
    assert open_payload(event["payload"], EVENT_KEY, event["_id"]) == ({"token": "old"}, {"token": "new"})
    products.update_by_id(made["_id"], {"$set": {"supplier.password": "p2"}})
    event = events()[2]
    assert open_payload(event["payload"], EVENT_KEY, event["_id"]) == (
        {"supplier.password": "p1"},
        {"supplier.password": "p2"},
    )


def test_one_by_filter(products: Repository, chair: dict[str, Any], events: Events) -> None:
    changed = products.update_one({"name": "Chair"}, {"$inc": {"price": 1}})
    assert changed is not None
    assert changed["price"] == 11
    assert products.update_one({"name": "Table"}, {"price": 1}) is None
    products.soft_delete(chair["_id"])
    assert products.update_one({"name": "Chair"}, {"price": 1}) is None
    assert [event["eventType"] for event in events()] == ["ProductCreated", "ProductUpdated", "ProductDeleted"]


def test_if_match(products: Repository, chair: dict[str, Any], events: Events) -> None:
    tag = products.etag(chair["_id"])
    assert tag != products.etag(chair["_id"], "json")
    products.update_by_id(chair["_id"], {"price": 11}, if_match=tag)
    for stale in (tag, f"W/{products.etag(chair['_id'])}", '"x"', products.etag(chair["_id"]).strip('"')):
        with pytest.raises(PreconditionFailed):
            products.update_by_id(chair["_id"], {"price": 12}, if_match=stale)
    with pytest.raises(PreconditionFailed):
        products.soft_delete(chair["_id"], if_match=tag)
    products.update_by_id(chair["_id"], {"price": 12}, if_match=f'"other", {products.etag(chair["_id"], "json")}')
    products.soft_delete(chair["_id"], if_match="*")
    assert len(events()) == 4
    with pytest.raises(NotFound):
        products.etag(ObjectId())


def test_many(products: Repository, events: Events) -> None:
    products.create_many([{"name": str(number), "price": number} for number in range(30)])
    result = products.update_many({"price": {"$lt": 10}}, {"$inc": {"price": -5}}, reason="sale")
    assert (result.matched, result.changed, result.unchanged, result.failures) == (10, 5, 0, 5)
    assert all("/price" in problem.what for problem in result.failed)
    assert sorted(document["price"] for document in products.find({"price": {"$lt": 10}})) == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]
    rows = events(op=result.op)
    assert [row["payload"]["after"]["price"] for row in rows] == [0, 1, 2, 3, 4]
    plain = products.update_many({}, {"description": "new"})
    assert plain.changed == 30
    assert products.update_many({}, {"description": "new"}).unchanged == 30
