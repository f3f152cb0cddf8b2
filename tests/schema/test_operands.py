"""Operands of filters, from text as the command line has it and from JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from bson.code import Code

from datactl.errors import FilterError
from datactl.schema import define_model
from tests.schema.samples import one, thing

HEX = "60f1b2c3d4e5f6789abcdef0"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("small", "5", 5),
        ("small", "-500", -500),
        ("big", "5", Int64(5)),
        ("amount", "5", 5),
        ("amount", "1e3", 1000.0),
        ("ratio", "5", 5.0),
        ("price", "5.50", Decimal128("5.50")),
        ("done", "true", True),
        ("done", False, False),
        ("state", "neither", "neither"),
        ("text", "5", "5"),
        ("at", "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("createdAt", "2026-01-31T00:00:00Z", datetime(2026, 1, 31, tzinfo=UTC)),
        ("deleted", "true", True),
        ("deletedBy", "maria", "maria"),
        ("owner", HEX, ObjectId(HEX)),
        ("_id", HEX, ObjectId(HEX)),
        ("tags", "x", "x"),
        ("tags", ["x", "y"], ["x", "y"]),
        ("points.x", "5", 5.0),
        ("points.0.x", 5, 5.0),
        ("scores.a", "5", 5),
        ("any", "5", 5),
        ("any", "five", "five"),
        ("any", '{"$oid": "60f1b2c3d4e5f6789abcdef0"}', ObjectId(HEX)),
        ("any.deep.er", "true", True),
        ("inner.count", "5", 5),
        ("small", None, None),
    ],
)
def test_an_operand_is_of_the_fields_type(path: str, value: Any, expected: Any) -> None:
    found = thing().read_value(path, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("small", "five", "whole number|number"),
        ("small", "1_0", "number"),
        ("amount", "nan", "number"),
        ("amount", "1e999", "double"),
        ("done", "yes", "true or false"),
        ("at", "soon", "date"),
        ("owner", "60f1", "ObjectId"),
        ("_id", "60f1", "ObjectId"),
        ("none", "1", "no field"),
        ("textt", "1", 'did you mean "text"'),
        ("inner.cont", "1", 'did you mean "inner.count"'),
        ("any.$where", "1", "no field"),
        ("", "1", "no field"),
        ("token", "hunter2hunter2", "secret"),
        ("any", {"$where": "1"}, r"begin with \$"),
        ("tags", ["x", 5], "text"),
    ],
)
def test_what_cannot_be_compared_is_refused(path: str, value: Any, words: str) -> None:
    with pytest.raises(FilterError, match=words) as raised:
        thing().read_value(path, value)
    assert "hunter2" not in str(raised.value)


def test_what_holds_a_secret_cannot_be_compared_either() -> None:
    model = one("a: {b: {type: string, secret: true}, c: string}")
    for path in ("a", "a.b"):
        with pytest.raises(FilterError, match="secret"):
            model.read_value(path, {"c": "x"})
    assert model.read_value("a.c", "x") == "x"


def test_undeclared_fields_can_be_filtered_where_they_can_be_written() -> None:
    model = one("a: string", "additionalFields: true")
    assert model.read_value("b.c", "5") == 5
    with pytest.raises(FilterError):
        model.read_value("a.c", "5")


@pytest.mark.parametrize("kind", ["string", "bool", "number", "date", "objectId", "uuid", "decimal"])
def test_code_is_no_text(kind: str) -> None:
    """bson.Code is a str in Python, and one that cannot be looked up."""
    model = define_model("Thing", {"x": kind})
    for value in (Code("true"), {"$code": "true"}):
        with pytest.raises(FilterError, match="cannot be compared"):
            model.read_value("x", value)
    assert [problem.code for problem in model.check({"_id": ObjectId(), "x": Code("true")})] == ["type"]
    assert define_model("Thing", {"x": "mixed"}).read_value("x", Code("5")) == Code("5")
