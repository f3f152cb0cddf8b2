"""datactl moves in beside a Mongoose application on the same database, and the application notices nothing.

Six models with mongoose-delete, references, lists, nested schemas and a compound unique index. The application's own
tests run before, between and after everything that datactl does, and it is asked what it sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from datactl.schema import FieldType, load_models
from tests.interop.application import Application, Beside, Census

pytestmark = pytest.mark.real

MODELS = ("User", "Category", "Product", "Order", "Review", "Payment")
LONG_AGO = "60"


@dataclass(frozen=True)
class BesideShop(Beside):
    """The shop, and datactl beside it."""

    client: MongoClient[dict[str, Any]]

    @property
    def application(self) -> Application:
        return Application(self.uri, self.name)

    @property
    def database(self) -> Database[dict[str, Any]]:
        return self.client[self.name]

    def documents(self, collection: str, filter: dict[str, Any]) -> dict[Any, dict[str, Any]]:
        return {each["_id"]: each for each in self.database[collection].find(filter)}

    def snapshot(self) -> dict[str, dict[Any, dict[str, Any]]]:
        """Every document of the application, by collection and id."""
        return {name: self.documents(name, {}) for name in self.application_collections()}

    @staticmethod
    def application_collections() -> tuple[str, ...]:
        return ("users", "categories", "products", "orders", "reviews", "payments")


@pytest.fixture
def beside(engine_uri: str, tmp_path: Path) -> Iterator[BesideShop]:
    with MongoClient[dict[str, Any]](engine_uri, tz_aware=True) as client:
        found = BesideShop(engine_uri, f"shop_{ObjectId()}", tmp_path, client)
        found.application.seed()
        yield found
        client.drop_database(found.name)


@pytest.fixture
def moved_in(beside: BesideShop) -> BesideShop:
    """datactl has made its models.yaml of what it found."""
    beside.run("init", "--from-db", "--yes")
    return beside


def test_what_is_found_is_what_the_application_declared(moved_in: BesideShop) -> None:
    before = moved_in.snapshot()
    moved_in.run("models", "check")
    shown = {each["model"]: each for each in moved_in.run("stats")["models"]}
    assert set(shown) == set(MODELS)
    assert {name: (one["live"], one["deleted"]) for name, one in shown.items()} == {
        "User": (120, 0),
        "Category": (26, 0),
        "Product": (600, 0),
        "Order": (380, 20),
        "Review": (400, 100),
        "Payment": (200, 0),
    }
    registry = load_models(moved_in.directory / "models.yaml")
    assert {model.name for model in registry.values() if model.soft_delete} == set(MODELS) - {"Payment"}
    assert {(model.name, field.path): field.ref for model in registry.values() for field in model.references} == {
        ("Category", "parent"): "Category",
        ("Product", "category"): "Category",
        ("Order", "customer"): "User",
        ("Order", "items.product"): "Product",
        ("Review", "product"): "Product",
        ("Review", "author"): "User",
        ("Payment", "order"): "Order",
    }
    assert registry["User"].secret_paths == {"passwordHash"}
    types = {path: registry["Product"].field(path).type for path in ("price", "tags", "variants", "dimensions")}  # type: ignore[union-attr]
    assert types == {
        "price": FieldType.DECIMAL,
        "tags": FieldType.ARRAY,
        "variants": FieldType.ARRAY,
        "dimensions": FieldType.OBJECT,
    }
    assert {("sku", 1), ("warehouse", 1)} in [
        set(index.keys) for index in registry["Product"].indexes() if index.unique
    ]
    # What is missing are the indexes that make a look at references fast; of the documents nothing is wrong.
    wanted = {("Category", "parent_1"), ("Order", "items.product_1"), ("Review", "author_1")}
    found = moved_in.run("validate", status=5)
    assert {(each["code"], each["model"], each["where"]) for each in found} == {
        ("index_missing", *each) for each in wanted
    }
    planned = [
        (row["model"], row["name"]) for row in moved_in.run("index", "plan", status=5) if row["state"] == "missing"
    ]
    assert (set(planned), len(planned)) == (wanted, 3)
    due = {each["model"]: each["documents"] for each in moved_in.run("archive", "plan")}
    assert due["Order"] == 20
    assert sum(due.values()) == 20
    assert moved_in.snapshot() == before  # looking changes nothing
    moved_in.application.test()


def test_delete_restore_and_archive_beside_it(moved_in: BesideShop) -> None:
    application = moved_in.application
    application.test()
    before, held = application.census(), moved_in.snapshot()

    moved_in.run("index")
    assert moved_in.run("validate") == []
    application.test()
    seen = application.census()
    assert seen.live == before.live

    cheap = [str(key) for key, one in held["products"].items() if one["inventory"]["quantity"] < 3]
    assert len(cheap) == 36
    marked = moved_in.run("delete", "Product", *cheap, "--reason", "nearly sold out")
    assert marked["changed"] == 36
    application.test()
    after_delete = application.census("Product", cheap)
    assert after_delete.live["Product"] == before.live["Product"] - set(cheap)
    assert after_delete.deleted["Product"] == before.deleted["Product"] | set(cheap)
    assert {str(one["_id"]) for one in after_delete.documents} == set(cheap)
    assert all(one["deleted"] and one["deletedAt"] is not None for one in after_delete.documents)
    same_but_products(after_delete, before)
    application.rewrite("Product", cheap[:1])  # its mark holds nothing that the application's schema refuses

    back, rest = cheap[:6], cheap[6:]
    moved_in.run("restore", "Product", *back, "--reason", "found some more")
    application.test()
    after_restore = application.census("Product", back)
    assert after_restore.live["Product"] == before.live["Product"] - set(rest)
    assert after_restore.deleted["Product"] == before.deleted["Product"] | set(rest)
    assert len(after_restore.documents) == len(back)
    for one in after_restore.documents:
        assert one["deleted"] is False
        assert untouched(one) == untouched(held["products"][one["_id"]])

    reports = moved_in.run("archive", "Product", "0")["reports"]
    assert [each["archived"] for each in reports] == [30]
    application.test()
    after_archive = application.census()
    assert after_archive.live["Product"] == before.live["Product"] - set(rest)
    assert after_archive.deleted["Product"] == before.deleted["Product"]
    assert moved_in.database["products"].count_documents({}) == 570

    moved_in.run("restore", "Product", *rest, "--reason", "a mistake")
    application.test()
    everything = application.census("Product", rest)
    assert everything.live == before.live
    assert everything.deleted == before.deleted
    assert len(everything.documents) == len(rest)
    for one in everything.documents:
        assert untouched(one) == untouched(held["products"][one["_id"]])
    now = moved_in.snapshot()
    for name in moved_in.application_collections():
        assert {key: untouched(one) for key, one in now[name].items()} == {
            key: untouched(one) for key, one in held[name].items()
        }
    assert moved_in.run("validate") == []


def test_what_mongoose_deleted_long_ago_is_archived_and_comes_back(moved_in: BesideShop) -> None:
    application = moved_in.application
    before = application.census()
    old = moved_in.documents("orders", {"deleted": True})
    assert len(old) == 20
    reports = moved_in.run("archive", "Order", LONG_AGO)["reports"]
    assert [each["archived"] for each in reports] == [20]
    application.test()
    gone = application.census()
    assert gone.live == before.live
    assert gone.deleted["Order"] == frozenset()
    back = [str(key) for key in list(old)[:5]]
    moved_in.run("restore", "Order", *back, "--as-archived")
    assert moved_in.documents("orders", {"deleted": True}) == {ObjectId(key): old[ObjectId(key)] for key in back}
    assert application.census().deleted["Order"] == set(back)
    application.test()


def test_a_payment_has_no_mark_and_leaves_by_way_of_the_vault(moved_in: BesideShop) -> None:
    application = moved_in.application
    payments = moved_in.documents("payments", {})
    wanted = list(payments)[30:33]  # of orders that are there still
    moved_in.run("delete", "Payment", *map(str, wanted), "--reason", "test cards")
    application.test()
    assert application.census().live["Payment"] == {str(key) for key in payments if key not in wanted}
    moved_in.run("restore", "Payment", *map(str, wanted))
    assert moved_in.documents("payments", {}) == payments
    application.test()


def untouched(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what a deletion and a restore stamp."""
    return {name: value for name, value in document.items() if name not in ("updatedAt", "deleted")}


def same_but_products(one: Census, other: Census) -> None:
    for name in MODELS:
        if name != "Product":
            assert one.live[name] == other.live[name], name
            assert one.deleted[name] == other.deleted[name], name
