"""The collection's validator and `check`: what Mongoose and datactl write passes, in a real server too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from pymongo.errors import WriteError

from datactl.mongo import Mongo
from tests.schema.samples import one, thing

NOW = datetime(2026, 1, 31, tzinfo=UTC)
PLAIN: dict[str, Any] = {"text": "a thing"}

FINE: list[dict[str, Any]] = [
    PLAIN,
    PLAIN | {"__v": 0, "__t": "Special", "createdAt": NOW, "updatedAt": NOW},
    PLAIN | {"deleted": False},
    PLAIN | {"deleted": None, "deletedAt": None, "deletedBy": None},
    PLAIN | {"deleted": True, "deletedAt": NOW, "deletedBy": ObjectId(), "deleteReason": "x", "deletedOp": "01K"},
    PLAIN | {"deleted": True, "deletedAt": NOW, "deletedBy": "maria"},
    PLAIN | {"small": 5, "big": 5, "ratio": 5, "amount": 5.5},
    PLAIN | {"small": Int64(5), "big": Int64(5), "ratio": 1.5, "amount": Decimal128("1.5")},
    PLAIN
    | {"points": [{"_id": ObjectId(), "x": 1}, {"x": 1.5, "y": None}], "inner": {"label": "x", "_id": ObjectId()}},
    PLAIN | {"state": None, "tags": [None, "x"], "scores": {"a": 1, "b": None}, "any": [1, "x"], "data": b"x"},
    PLAIN | {"legacy": {"whatever": 1}},
    PLAIN | {"at": datetime(2026, 1, 31, tzinfo=UTC), "born": NOW},
]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "/text"),
    ({"text": None}, "/text"),
    ({"text": 5}, "/text"),
    ({"text": "X"}, "/text"),
    (PLAIN | {"small": 11}, "/small"),
    (PLAIN | {"small": "5"}, "/small"),
    (PLAIN | {"small": 2**40}, "/small"),
    (PLAIN | {"state": "half"}, "/state"),
    (PLAIN | {"price": 5.5}, "/price"),
    (PLAIN | {"price": Decimal128("100")}, "/price"),
    (PLAIN | {"at": "2026-01-31"}, "/at"),
    (PLAIN | {"owner": "60f1b2c3d4e5f6789abcdef0"}, "/owner"),
    (PLAIN | {"inner": {}}, "/inner/label"),
    (PLAIN | {"points": [{"y": 1}]}, "/points/0/x"),
    (PLAIN | {"tags": "x"}, "/tags"),
    (PLAIN | {"tags": ["a", "b", "c", "d"]}, "/tags"),
    (PLAIN | {"scores": {"a": "x"}}, "/scores/a"),
    (PLAIN | {"deleted": "yes"}, "/deleted"),
    (PLAIN | {"done": 1}, "/done"),
]


@pytest.mark.parametrize("document", FINE)
def test_check_accepts_what_is_written(document: dict[str, Any]) -> None:
    assert thing().check(document) == ()


@pytest.mark.parametrize(("document", "where"), WRONG)
def test_check_finds_what_is_wrong(document: dict[str, Any], where: str) -> None:
    assert {problem.where for problem in thing().check(document)} == {where}


def test_a_date_that_python_cannot_hold_is_a_date() -> None:
    assert thing().check(PLAIN | {"born": DatetimeMS(253402300800000)}) == ()


def test_a_date_below_the_least_is_found_by_check_alone() -> None:
    found = thing().check(PLAIN | {"at": datetime(1999, 1, 1, tzinfo=UTC)})
    assert [(problem.where, problem.code) for problem in found] == [("/at", "min")]


def test_check_of_a_part_misses_nothing_that_is_there() -> None:
    assert thing().check({"small": 5}, partial=True) == ()
    assert [problem.where for problem in thing().check({"small": 50, "text": None}, partial=True)] == [
        "/text",
        "/small",
    ]


def test_a_secret_is_not_in_the_message() -> None:
    assert "hunter2" not in repr(one("a: {type: int, secret: true}").check({"a": "hunter2"}))


def test_the_server_accepts_and_refuses_the_same(mongo: Mongo) -> None:
    things = mongo.database.create_collection("things", validator=thing().validator())
    for document in FINE:
        things.insert_one(dict(document))
    accepted = []
    for document, _ in WRONG:
        if isinstance(document.get("price"), Decimal128):
            continue  # mongod compares decimals with `maximum`, SecantusDB does not
        try:
            things.insert_one(dict(document))
        except WriteError as error:
            assert error.code == 121  # noqa: PT017 - DocumentValidationFailure, and no other refusal
            continue
        accepted.append(document)
    assert accepted == []


def test_the_validator_is_bson() -> None:
    assert bson.encode(thing().validator())
