"""Indexes: what is missing is made, what differs is reported, and nothing else is touched."""

from __future__ import annotations

from datactl.inspect import IndexKeeper
from datactl.inspect.indexes import State
from datactl.mongo import Mongo
from datactl.schema import Registry, define_model
from datactl.steps import Step, Watcher, When

PRODUCT = define_model(
    "Product",
    {"sku": "string", "price": "number", "name": "string"},
    unique_fields=["sku"],
    text_search_fields=["name"],
    indexes=[{"fields": {"price": -1}}],
)
REGISTRY = Registry([PRODUCT])


def states(keeper: IndexKeeper) -> dict[str, State]:
    return {index.name: index.state for index in keeper.plan()}


def test_missing_ones_are_created_and_found_again(mongo: Mongo) -> None:
    keeper = IndexKeeper(mongo, REGISTRY)
    before = states(keeper)
    assert {before["sku_1"], before["price_-1"]} == {State.MISSING}
    made = {index.name: index.state for index in keeper.create_missing()}
    assert {made["sku_1"], made["price_-1"]} == {State.CREATED}
    assert {states(keeper)["sku_1"], states(keeper)["price_-1"]} == {State.PRESENT}
    assert State.CREATED not in {index.state for index in keeper.create_missing()}


def test_a_unique_field_lets_deleted_documents_aside(mongo: Mongo) -> None:
    IndexKeeper(mongo, REGISTRY).create_missing()
    products = mongo.collection("products")
    products.insert_one({"sku": "A", "deleted": True})
    products.insert_one({"sku": "A"})  # no mark at all: live, and covered
    made = mongo.collection("products").index_information()["sku_1"]
    assert made["unique"] is True
    assert made["partialFilterExpression"]["deleted"] == {"$in": [False, None]}


def test_an_index_with_other_options_is_reported_and_left(mongo: Mongo) -> None:
    mongo.collection("products").create_index([("sku", 1)], name="sku_1")
    keeper = IndexKeeper(mongo, REGISTRY)
    (sku,) = (index for index in keeper.create_missing() if index.name == "sku_1")
    assert sku.state is State.DIFFERENT
    assert sku.reason is not None
    assert '"sku_1"' in sku.reason
    assert "unique is not set" in sku.reason
    assert "unique" not in mongo.collection("products").index_information()["sku_1"]


def test_documents_that_break_a_unique_index_fail_only_that_one(mongo: Mongo) -> None:
    mongo.collection("products").insert_many([{"sku": "A"}, {"sku": "A"}])
    outcome = {index.name: index for index in IndexKeeper(mongo, REGISTRY).create_missing()}
    assert outcome["sku_1"].state is State.FAILED
    assert outcome["price_-1"].state is State.CREATED


def test_a_server_without_text_indexes_is_no_failure(mongo: Mongo) -> None:
    (text,) = (index for index in IndexKeeper(mongo, REGISTRY).plan() if index.origin == "text")
    expected = State.MISSING if mongo.capabilities.text_index else State.UNSUPPORTED
    assert text.state is expected


def test_each_creation_is_announced_and_a_stop_is_heeded(mongo: Mongo) -> None:
    class StopAfterOne(Watcher):
        seen: list[Step]

        def __init__(self) -> None:
            self.seen = []

        def see(self, step: Step) -> None:
            self.seen.append(step)

        def stopping(self) -> bool:
            return any(step.when is When.AFTER for step in self.seen)

    watch = StopAfterOne()
    outcome = IndexKeeper(mongo, REGISTRY).create_missing(watch=watch)
    assert [step.when for step in watch.seen] == [When.BEFORE, When.AFTER]
    assert sum(index.state is State.CREATED for index in outcome) == 1
    assert any(index.state is State.MISSING for index in outcome)
