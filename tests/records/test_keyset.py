"""Keyset paging on a real engine: whatever a field holds, a walk by cursors is the whole sort, each document once."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.regex import Regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.records.keyset import after, values_of
from datactl.records.sorting import Sort
from tests.conftest import ENGINE_KIND

MISSING = object()

VALUES = [
    MISSING,
    None,
    MinKey(),
    MaxKey(),
    math.nan,
    Decimal128("NaN"),
    -math.inf,
    math.inf,
    -1,
    0,
    -0.0,
    1,
    1.0,
    Int64(1),
    Decimal128("1.00"),
    1.5,
    2**53 + 1,
    "",
    "a",
    "B",
    "ä",
    "a\0b",
    {},
    {"a": 1},
    {"a": "x"},
    {"b": 1},
    UUID(int=1),
    UUID(int=2**127),
    ObjectId("60f1b2c3d4e5f6789abcdef0"),
    ObjectId("60f1b2c3d4e5f6789abcdef1"),
    False,
    True,
    datetime(1969, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
    *([DatetimeMS(2**52)] if ENGINE_KIND == "rs" else []),  # the other engine refuses years beyond 9999
    Timestamp(1, 1),
    Timestamp(1, 2),
    Regex("a", 0),
    Regex("b", "i"),
    Code("x"),
    Code("y"),
]
IDS = [
    1,
    1.5,
    "1",
    "a",
    ObjectId("60f1b2c3d4e5f6789abcdef0"),
    UUID(int=1),
    {"k": 1},
    True,
    datetime(2026, 1, 1, tzinfo=UTC),
]


def following(repository: Repository, order: Sort, row: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    """The next rows, by one question after the other."""
    found: list[dict[str, Any]] = []
    for part in after(order, values_of(order, row)):
        if len(found) < limit:
            found += repository.collection.find(part, sort=list(order), limit=limit - len(found))
    return found


def walk(repository: Repository, order: Sort, limit: int) -> list[Any]:
    """The ids in the order of pages by keyset."""
    rows = list(repository.collection.find(sort=list(order), limit=limit))
    found = [row["_id"] for row in rows]
    while len(rows) == limit:
        rows = following(repository, order, rows[-1], limit)
        found += [row["_id"] for row in rows]
    return found


def the_whole(repository: Repository, order: Sort) -> list[Any]:
    return [row["_id"] for row in repository.collection.find(sort=list(order))]


@pytest.fixture
def loose(repository: Callable[..., Repository]) -> Repository:
    return repository("Loose")


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("indexed", [False, True])
def test_every_type_of_value(loose: Repository, direction: int, indexed: bool) -> None:
    """Every value twice, so that equal ones are told apart by `_id`."""
    rows = [{} if value is MISSING else {"v": value} for value in VALUES * 2]
    loose.collection.insert_many([{"_id": number, **row} for number, row in enumerate(rows)])
    if indexed:
        loose.collection.create_index([("v", 1), ("_id", 1)])
    order = (("v", direction), ("_id", direction))
    whole = the_whole(loose, order)
    assert sorted(whole) == list(range(len(rows)))
    assert walk(loose, order, 1) == whole
    assert walk(loose, order, 7) == whole


@pytest.mark.parametrize("direction", [1, -1])
def test_ids_of_every_type(loose: Repository, direction: int) -> None:
    loose.collection.insert_many([{"_id": each, "v": 1} for each in IDS])
    order = (("v", 1), ("_id", direction))
    assert walk(loose, order, 1) == the_whole(loose, order)


values = st.sampled_from(VALUES)
orders = st.sampled_from([(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=st.lists(st.tuples(values, values), max_size=25), directions=orders, limit=st.integers(1, 9))
def test_two_fields_in_any_direction(
    loose: Repository, rows: list[tuple[Any, Any]], directions: tuple[int, int, int], limit: int
) -> None:
    loose.collection.delete_many({})
    documents: list[dict[str, Any]] = []
    for number, pair in enumerate(rows):
        fields = {name: value for name, value in zip("vw", pair, strict=True) if value is not MISSING}
        documents.append({"_id": number, **fields})
    if documents:
        loose.collection.insert_many(documents)
    order = tuple(zip(("v", "w", "_id"), directions, strict=True))
    whole = the_whole(loose, order)
    assert sorted(whole) == list(range(len(rows)))
    assert walk(loose, order, limit) == whole


@pytest.mark.real
@pytest.mark.parametrize("direction", [1, -1])
def test_a_page_by_cursor_examines_a_page_not_the_way_to_it(products: Repository, mongo: Mongo, direction: int) -> None:
    """Each question of a page enters the index (price, _id) where the cursor stands, and leaves it at the limit."""
    limit = 20
    products.collection.create_index([("price", 1), ("_id", 1)])
    products.collection.insert_many([{"name": "x", "price": number // 2} for number in range(3000)])
    order = (("price", direction), ("_id", direction))
    for depth in (20, 1500, 2940):
        (last,) = products.collection.find(sort=list(order), skip=depth, limit=1)
        keys, found = 0, 0
        for part in after(order, values_of(order, last)):
            if found == limit:
                break
            command = {"find": "products", "filter": part, "sort": dict(order), "limit": limit - found}
            answer = mongo.database.command({"explain": command, "verbosity": "executionStats"})
            assert "IXSCAN" in str(answer["queryPlanner"]["winningPlan"])
            assert answer["executionStats"]["totalDocsExamined"] <= limit + 2
            keys += answer["executionStats"]["totalKeysExamined"]
            found += answer["executionStats"]["nReturned"]
        assert found == limit
        assert keys <= 2 * limit
