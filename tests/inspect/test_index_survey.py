"""The careful forms of index: what is unknown, unused or redundant; no more is dropped than was looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datactl.errors import CannotConnect, NotFound, UsageError
from datactl.inspect.indexes import IndexKeeper, State
from datactl.inspect.indexing.made import MADE
from datactl.inspect.indexing.usage import idle
from datactl.mongo import Mongo
from datactl.schema import Registry, define_model
from tests.engines import TestEngine
from tests.inspect.posing import PosingProxy, behind, posing_as

PRODUCT = define_model(
    "Product",
    {"sku": "string", "price": "number", "shop": "string"},
    enable_soft_delete=False,
    unique_fields=["sku"],
    indexes=[{"fields": {"price": -1, "shop": 1}}],
)
REGISTRY = Registry([PRODUCT])
WITHOUT = Registry([define_model("Product", {"sku": "string"}, enable_soft_delete=False)])
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def keeper(mongo: Mongo) -> IndexKeeper:
    made = IndexKeeper(mongo, REGISTRY, actor="maria")
    made.create_missing()
    return made


def by_name(keeper: IndexKeeper) -> dict[str, Any]:
    return {state.existing: state for state in keeper.survey()}


def test_what_no_model_asks_for_is_unknown(mongo: Mongo, keeper: IndexKeeper) -> None:
    mongo.collection("products").create_index("shop", name="theirs")
    found = by_name(keeper)
    assert {name: state.state for name, state in found.items()} == {
        "sku_1": State.PRESENT,
        "price_-1_shop_1": State.PRESENT,
        "theirs": State.UNKNOWN,
    }
    assert found["sku_1"].made_by_datactl
    assert not found["theirs"].made_by_datactl
    assert [(each.code, each.where) for each in keeper.drift()] == [("index_unknown", "theirs")]


@pytest.mark.parametrize(
    ("keys", "options", "redundant"),
    [
        ([("price", -1)], {}, True),
        ([("price", 1)], {}, True),  # an index is walked both ways
        ([("shop", 1)], {}, False),
        ([("price", -1)], {"unique": True}, False),
        ([("price", -1)], {"sparse": True}, False),
        ([("price", -1)], {"partialFilterExpression": {"shop": "a"}}, False),
        ([("price", -1)], {"expireAfterSeconds": 60}, False),
    ],
)
def test_a_prefix_is_redundant_unless_it_rules(
    keys: list[tuple[str, int]], options: dict[str, Any], redundant: bool, mongo: Mongo, keeper: IndexKeeper
) -> None:
    mongo.collection("products").create_index(keys, name="theirs", **options)
    assert by_name(keeper)["theirs"].prefix_of == ("price_-1_shop_1" if redundant else None)


def test_an_index_that_is_partial_makes_no_other_redundant(mongo: Mongo, keeper: IndexKeeper) -> None:
    mongo.collection("products").create_index("shop", name="short")
    mongo.collection("products").create_index([("shop", 1), ("x", 1)], name="part", partialFilterExpression={"x": 1})
    assert by_name(keeper)["short"].prefix_of is None


def test_only_what_datactl_made_is_dropped_by_apply(mongo: Mongo, keeper: IndexKeeper) -> None:
    mongo.collection("products").create_index("shop", name="theirs")
    changes = IndexKeeper(mongo, WITHOUT).changes()
    assert {state.name for state in changes.drop} == {"sku_1", "price_-1_shop_1"}
    assert changes.dropping == changes.drop
    ended = IndexKeeper(mongo, WITHOUT).apply(changes)
    assert {state.state for state in ended} == {State.DROPPED}
    assert set(mongo.collection("products").index_information()) == {"_id_", "theirs"}
    assert mongo.collection(MADE).count_documents({}) == 0


def test_an_index_made_anew_by_others_under_our_name_is_not_ours(mongo: Mongo, keeper: IndexKeeper) -> None:
    mongo.collection("products").drop_index("price_-1_shop_1")
    mongo.collection("products").create_index([("price", -1), ("shop", -1)], name="price_-1_shop_1")
    assert not by_name(keeper)["price_-1_shop_1"].made_by_datactl
    assert "price_-1_shop_1" not in {state.name for state in IndexKeeper(mongo, WITHOUT).changes().drop}


def test_apply_rebuilds_what_differs(mongo: Mongo, keeper: IndexKeeper) -> None:
    mongo.collection("products").drop_index("sku_1")
    mongo.collection("products").create_index("sku", name="sku_1")
    mongo.collection("products").drop_index("price_-1_shop_1")
    mongo.collection("products").create_index([("price", -1), ("shop", 1)], name="theirs", expireAfterSeconds=9**9)
    changes = keeper.changes()
    assert [state.existing for state in changes.dropping] == ["theirs", "sku_1"]
    assert [state.state for state in keeper.apply(changes)] == [State.REBUILT, State.REBUILT]
    made = mongo.collection("products").index_information()
    assert made["sku_1"]["unique"] is True
    assert set(made) == {"_id_", "sku_1", "price_-1_shop_1"}
    assert not len(keeper.changes())
    assert {state.made_by_datactl for state in keeper.survey()} == {True}
    assert mongo.collection(MADE).count_documents({"replaced": {"$exists": True}}) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"collation": {"locale": "en", "strength": 2}},
        {"partialFilterExpression": {"shop": "a"}},
        {"sparse": True},
        {"unique": True},
        {"unique": True, "sparse": True},
    ],
)
def test_an_index_that_can_stand_beside_is_left(mongo: Mongo, options: dict[str, Any]) -> None:
    """The server tells indexes of the same keys apart by these options, if their names are different."""
    registry = Registry([define_model("Product", {"price": "number"}, indexes=[{"fields": {"price": 1}}])])
    mongo.collection("products").create_index("price", name="theirs", **options)
    keeper = IndexKeeper(mongo, registry)
    (price,) = (state for state in keeper.plan() if state.name == "price_1")
    assert price.state is State.MISSING
    assert not keeper.changes().dropping
    keeper.apply(keeper.changes())
    assert {"theirs", "price_1"} <= set(mongo.collection("products").index_information())


@pytest.fixture
def cut_off(start_engine: Callable[..., TestEngine]) -> Iterator[Callable[..., Mongo]]:
    """`cut_off()`: a database whose server is gone at the moment an index is to be built there, until it is asked for
    again; `cut_off(lasting=True)` the same database on a good connection."""
    engine = start_engine()

    def gone(command: Any) -> None:
        if command.get("createIndexes") == "products":
            cutting.close()
            raise ConnectionResetError

    cutting, lasting_one = PosingProxy(engine.port, gone), PosingProxy(engine.port, lambda _: None)
    with behind("cut") as connect:
        yield lambda lasting=False: connect(lasting_one if lasting else cutting)


def lose_sku(cut_off: Callable[..., Mongo], **theirs: Any) -> Mongo:
    """Loses the server between the drop of "sku_1" and the build of its successor."""
    good = cut_off(lasting=True)
    products = good.collection("products")
    products.create_index("sku", name="sku_1", **theirs)
    products.create_index([("price", -1), ("shop", 1)], name="price_-1_shop_1")
    bad = IndexKeeper(cut_off(), REGISTRY)
    with pytest.raises(CannotConnect) as caught:
        bad.apply(bad.changes())
    assert "products.sku_1" in str(caught.value)
    assert "dropped" in str(caught.value)
    assert "datactl index apply Product" in str(caught.value.next)
    assert "sku_1" not in products.index_information()
    return good


def test_an_index_whose_rebuild_was_cut_off_is_built_by_the_next_run(cut_off: Callable[..., Mongo]) -> None:
    good = lose_sku(cut_off)
    keeper = IndexKeeper(good, REGISTRY)
    (sku,) = keeper.changes().create
    assert "was dropped for it" in str(sku.reason)
    assert [state.state for state in keeper.apply(keeper.changes())] == [State.CREATED]
    assert good.collection("products").index_information()["sku_1"]["unique"] is True
    assert good.collection(MADE).count_documents({"replaced": {"$exists": True}}) == 0
    assert by_name(keeper)["sku_1"].made_by_datactl


def test_where_the_next_run_cannot_build_it_the_old_one_is_put_back(cut_off: Callable[..., Mongo]) -> None:
    good = lose_sku(cut_off, partialFilterExpression={"shop": {"$in": ["a", "b"]}}, collation={"locale": "en"})
    good.collection("products").insert_many([{"sku": "A"}, {"sku": "A"}])
    keeper = IndexKeeper(good, REGISTRY)
    (ended,) = keeper.apply(keeper.changes())
    assert (ended.state, "the old one was put back" in str(ended.reason)) == (State.FAILED, True)
    old = good.collection("products").index_information()["sku_1"]
    assert old["partialFilterExpression"] == {"shop": {"$in": ["a", "b"]}}
    assert old["collation"]["locale"] == "en"
    assert [state.existing for state in keeper.changes().rebuild] == ["sku_1"]


def test_where_no_model_asks_for_a_successor_any_more_the_old_one_is_put_back(cut_off: Callable[..., Mongo]) -> None:
    good = lose_sku(cut_off, sparse=True)
    keeper = IndexKeeper(good, WITHOUT)
    assert [(each.code, each.where) for each in keeper.drift()][:1] == [("index_missing", "sku_1")]
    assert [state.state for state in keeper.create_missing()] == [State.CREATED]
    assert good.collection("products").index_information()["sku_1"]["sparse"] is True
    assert "sku_1" not in {state.existing for state in keeper.changes().create}


def test_an_index_that_cannot_be_rebuilt_is_kept(mongo: Mongo, keeper: IndexKeeper) -> None:
    mongo.collection("products").drop_index("sku_1")
    mongo.collection("products").create_index("sku", name="sku_1")
    mongo.collection("products").insert_many([{"sku": "A"}, {"sku": "A"}])
    (ended,) = keeper.apply(keeper.changes())
    assert ended.state is State.FAILED
    assert "kept" in str(ended.reason)
    assert "sku_1" in mongo.collection("products").index_information()


def test_an_index_whose_successor_fails_is_put_back(mongo: Mongo, keeper: IndexKeeper) -> None:
    """Lists take a key per item, which only the build itself finds to clash."""
    products = mongo.collection("products")
    products.drop_index("sku_1")
    products.create_index("sku", name="sku_1", sparse=True)
    products.insert_many([{"sku": ["A", "B"]}, {"sku": ["B", "C"]}])
    (ended,) = keeper.apply(keeper.changes())
    assert ended.state is State.FAILED
    assert "the old one was put back" in str(ended.reason)
    made = products.index_information()
    assert made["sku_1"]["sparse"] is True
    assert "unique" not in made["sku_1"]
    assert mongo.collection(MADE).count_documents({"replaced": {"$exists": True}}) == 0


def test_an_index_that_changed_since_it_was_looked_at_is_kept(mongo: Mongo, keeper: IndexKeeper) -> None:
    products = mongo.collection("products")
    products.create_index("shop", name="theirs")
    looked_at = keeper.named("Product", ["theirs"])
    products.drop_index("theirs")
    products.create_index([("shop", 1), ("sku", 1)], name="theirs")
    (ended,) = keeper.drop(looked_at)
    assert ended.state is State.FAILED
    assert "theirs" in products.index_information()


def test_one_that_is_gone_already_counts_as_dropped(mongo: Mongo, keeper: IndexKeeper) -> None:
    mongo.collection("products").create_index("shop", name="theirs")
    looked_at = keeper.named("Product", ["theirs"])
    mongo.collection("products").drop_index("theirs")
    assert [state.state for state in keeper.drop(looked_at)] == [State.DROPPED]


def test_what_is_dropped_by_name_must_be_there_and_unasked_for(mongo: Mongo, keeper: IndexKeeper) -> None:
    for name in ("sku_1", "_id_"):
        with pytest.raises(UsageError):
            keeper.named("Product", [name])
    mongo.collection("products").create_index("shop", name="theirs")
    with pytest.raises(NotFound, match="did you mean"):
        keeper.named("Product", ["thiers"])


def test_a_view_has_no_indexes(mongo: Mongo) -> None:
    mongo.database.command("create", "products", viewOn="goods", pipeline=[])
    assert {state.state for state in IndexKeeper(mongo, REGISTRY).survey()} == {State.UNSUPPORTED}
    assert not list(IndexKeeper(mongo, REGISTRY).drift())


def rows(name: str, *counts: tuple[int, datetime | None]) -> list[dict[str, Any]]:
    return [{"name": name, "accesses": {"ops": ops, "since": since}} for ops, since in counts]


def test_use_on_any_shard_is_use_and_a_short_count_says_nothing() -> None:
    early, late = LONG_AGO, LONG_AGO + timedelta(days=40)
    before = LONG_AGO + timedelta(days=90)
    assert idle(rows("a", (0, early), (0, late)), before) == {"a": late}
    assert idle(rows("a", (0, early), (3, late)), before) == {}
    assert idle(rows("a", (0, early), (0, before + timedelta(1))), before) == {}
    assert idle(rows("a", (0, None)), before) == {}


@pytest.fixture
def posing(start_engine: Callable[..., TestEngine]) -> Iterator[Callable[..., Mongo]]:
    """`posing(version, usage)`: a connection to a server that says it is MongoDB's own of this version."""
    with behind("posing") as connect:
        yield lambda version, usage=None: connect(posing_as(start_engine().port, version, usage))


def test_what_the_server_counts_as_unused_is_named(posing: Callable[..., Mongo]) -> None:
    recently = datetime.now(UTC) - timedelta(days=3)
    usage = {"products": rows("theirs", (0, LONG_AGO)) + rows("new", (0, recently)) + rows("sku_1", (7, LONG_AGO))}
    mongo = posing("8.0.4", usage)
    keeper = IndexKeeper(mongo, REGISTRY)
    keeper.create_missing()
    mongo.collection("products").create_index("shop", name="theirs")
    mongo.collection("products").create_index("b", name="new")
    found = {state.existing: state.unused_since for state in keeper.survey()}
    assert found == {"price_-1_shop_1": None, "sku_1": None, "theirs": LONG_AGO, "new": None}
    assert {state.existing for state in keeper.survey(unused_days=1) if state.unused_since} == {"theirs", "new"}


def test_a_server_that_does_not_count_calls_nothing_unused(mongo: Mongo, keeper: IndexKeeper) -> None:
    assert not mongo.capabilities.index_usage
    assert {state.unused_since for state in keeper.survey(unused_days=0)} == {None}


def test_before_6_0_a_unique_index_covers_what_is_marked_live(posing: Callable[..., Mongo]) -> None:
    mongo = posing("5.0.30")
    registry = Registry([define_model("Product", {"sku": "string"}, unique_fields=["sku"])])
    IndexKeeper(mongo, registry).create_missing()
    made = mongo.collection("products").index_information()["sku_1"]
    assert made["partialFilterExpression"]["deleted"] is False
    assert not list(IndexKeeper(mongo, registry).drift())
