"""Input: JSON, extended JSON and Python values as BSON-ready documents; all problems at once."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from datactl.errors import InvalidDocument
from datactl.schema import Model
from tests.schema.samples import one, thing

NOON = datetime(2026, 1, 31, 12, 30, 0, 123000, tzinfo=UTC)
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, tzinfo=UTC, uuid_representation=UuidRepresentation.STANDARD
)


def problems(model: Model, data: Any, *, partial: bool = False) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as raised:
        model.read_input(data, partial=partial)
    return {problem.where: problem.code for problem in raised.value.problems}


def read(kind: str, value: Any) -> Any:
    return one(f"a: {kind}").read_input({"a": value})["a"]


def refused(kind: str, value: Any) -> str:
    found = problems(one(f"a: {kind}"), {"a": value})
    assert list(found) == ["/a"]
    return found["/a"]


HEX = "60f1b2c3d4e5f6789abcdef0"
KEY = uuid.UUID("6f1b3c1e-8d0e-4b5a-9c39-0d8a2f0f5d11")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "é", "é"),
        ("string", "a\0b", "a\0b"),
        ("int", 5, 5),
        ("int", 5.0, 5),
        ("int", {"$numberInt": "5"}, 5),
        ("long", 5, Int64(5)),
        ("long", 2**63 - 1, Int64(2**63 - 1)),
        ("long", {"$numberLong": "9007199254740993"}, Int64(9007199254740993)),
        ("double", 5, 5.0),
        ("double", 1.5, 1.5),
        ("double", {"$numberDouble": "1.5"}, 1.5),
        ("number", 5, 5),
        ("number", 5.5, 5.5),
        ("number", {"$numberDecimal": "5.50"}, Decimal128("5.50")),
        ("number", Decimal("5.50"), Decimal128("5.50")),
        ("decimal", "12.50", Decimal128("12.50")),
        ("decimal", 12.5, Decimal128("12.5")),
        ("decimal", 12, Decimal128("12")),
        ("decimal", "-1e-3", Decimal128("-0.001")),
        ("bool", True, True),
        ("date", "2026-01-31T12:30:00.123Z", NOON),
        ("date", "2026-01-31t12:30:00.123999z", NOON),
        ("date", "2026-01-31T14:30:00.123+02:00", NOON),
        ("date", "2026-01-31T12:30Z", NOON.replace(microsecond=0)),
        ("date", "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("date", {"$date": "2026-01-31T12:30:00.123Z"}, NOON),
        ("date", {"$date": {"$numberLong": "1769862600123"}}, NOON),
        ("date", NOON.replace(tzinfo=None), NOON),
        ("date", NOON.astimezone(timezone(timedelta(hours=5))) + timedelta(microseconds=7), NOON),
        ("date", DatetimeMS(1769862600123), NOON),
        ("date", "0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("date", "9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        ("objectId", HEX, ObjectId(HEX)),
        ("objectId", {"$oid": HEX}, ObjectId(HEX)),
        ("objectId", ObjectId(HEX), ObjectId(HEX)),
        ("uuid", str(KEY), KEY),
        ("uuid", {"$uuid": str(KEY)}, KEY),
        ("uuid", Binary(KEY.bytes, 4), KEY),
        ("binary", "aGVsbG8=", b"hello"),
        ("binary", {"$binary": {"base64": "aGVsbG8=", "subType": "00"}}, b"hello"),
        ("binary", bytearray(b"hello"), b"hello"),
        ("[string]", ["a", "b"], ["a", "b"]),
        ("{type: map, of: long}", {"x": 1}, {"x": Int64(1)}),
        ("mixed", {"x": [{"$oid": HEX}, None, 1.5]}, {"x": [ObjectId(HEX), None, 1.5]}),
        ("mixed", {"$numberDouble": "Infinity"}, float("inf")),
        ("object", {"x": {"y": 1}}, {"x": {"y": 1}}),
        ("string", None, None),
    ],
)
def test_a_value_becomes_one_of_the_fields_type(kind: str, value: Any, expected: Any) -> None:
    found = read(kind, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("string", 5, "type"),
        ("string", b"x", "type"),
        ("string", "\ud800", "encoding"),
        ("string", b"\xff".decode("utf-8", "surrogateescape"), "encoding"),
        ("int", "5", "type"),
        ("int", 5.5, "type"),
        ("int", True, "type"),
        ("int", 2**31, "out_of_range"),
        ("long", 2**63, "out_of_range"),
        ("long", {"$numberLong": "9223372036854775808"}, "out_of_range"),
        ("double", 2**53 + 1, "out_of_range"),
        ("double", 10**400, "out_of_range"),
        ("number", 2**63, "out_of_range"),
        ("number", "5", "type"),
        ("number", False, "type"),
        ("number", float("nan"), "not_finite"),
        ("number", float("inf"), "not_finite"),
        ("number", {"$numberDouble": "NaN"}, "not_finite"),
        ("double", float("-inf"), "not_finite"),
        ("int", float("nan"), "not_finite"),
        ("mixed", float("nan"), "not_finite"),
        ("mixed", 2**63, "out_of_range"),
        ("mixed", {1, 2}, "type"),
        ("decimal", "twelve", "type"),
        ("decimal", "NaN", "not_finite"),
        ("decimal", Decimal128("Infinity"), "not_finite"),
        ("decimal", "1" * 35, "out_of_range"),
        ("decimal", "1e99999", "out_of_range"),
        ("bool", "true", "type"),
        ("bool", 1, "type"),
        ("date", "tomorrow", "type"),
        ("date", "2026-02-30", "type"),
        ("date", "2026-01-31T12:30:00", "type"),
        ("date", "2026-01-31T12:30:60Z", "type"),
        ("date", "2026-01-31T12:30:00+25:00", "type"),
        ("date", "10000-01-01T00:00:00Z", "out_of_range"),
        ("date", "+010000-01-01T00:00:00Z", "out_of_range"),
        ("date", "0000-01-01T00:00:00Z", "out_of_range"),
        ("date", "9999-12-31T23:59:59-01:00", "out_of_range"),
        ("date", {"$date": {"$numberLong": "253402300800000"}}, "out_of_range"),
        ("date", 1769862600123, "type"),
        ("objectId", "60f1", "type"),
        ("objectId", {"$oid": "zz"}, "extended_json"),
        ("uuid", "6f1b", "type"),
        ("uuid", Binary(KEY.bytes, 0), "type"),
        ("binary", "a", "type"),
        ("binary", {"$binary": {"base64": "***"}}, "extended_json"),
        ("mixed", {"$numberLong": "5", "$other": 1}, "extended_json"),
        ("mixed", {"$date": {"$numberLong": "5", "$x": 1}}, "extended_json"),
        ("mixed", {"$options": "i", "$regex": {"$set": 1}}, "extended_json"),
        ("[string]", "a", "type"),
        ("{x: int}", [1], "type"),
        ("{x: int}", {"$oid": HEX}, "type"),
    ],
)
def test_a_value_that_is_none_of_the_type_is_refused(kind: str, value: Any, code: str) -> None:
    assert refused(kind, value) == code


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"any": {"a.b": 1}}, "/any/a.b"),
        ({"any": {"$where": 1}}, "/any/$where"),
        ({"any": {"a\0": 1}}, "/any/a\0"),
        ({"any": {"": 1}}, "/any/"),
        ({"any": [{"a/b~": {"\ud800": 1}}]}, "/any/0/a~1b~0/\ud800"),
        ({"any": {1: 1}}, "/any/1"),
        ({"$where": 1}, "/$where"),
        ({"a.b": 1}, "/a.b"),
        ({"inner": {"$set": 1, "label": "x"}}, "/inner/$set"),
        ({"scores": {"a.b": 1}}, "/scores/a.b"),
    ],
)
def test_names_that_mongodb_cannot_address_are_refused(data: dict[str, Any], where: str) -> None:
    assert problems(thing(), {"text": "a thing"} | data) == {where: "bad_name"}


def test_every_problem_of_a_document_comes_at_once_with_its_pointer() -> None:
    data = {
        "text": "X",
        "state": "half",
        "small": 11,
        "ratio": -2,
        "price": "100.00",
        "at": "1999-12-31",
        "inner": {"count": "many", "extra": 1},
        "tags": ["a", 2, "c", "d"],
        "points": [{"x": 1}, {"y": 2}],
        "scores": {"a": 1.5},
        "token": "short",
        "txt": 1,
        "deleted": True,
        "deletedAt": "2026-01-01",
        "_id": "60f1",
    }
    with pytest.raises(InvalidDocument) as raised:
        thing().read_input(data)
    assert [(problem.where, problem.code) for problem in raised.value.problems] == [
        ("/text", "min_length"),
        ("/text", "pattern"),
        ("/state", "enum"),
        ("/small", "max"),
        ("/ratio", "min"),
        ("/price", "max"),
        ("/at", "min"),
        ("/inner/count", "type"),
        ("/inner/extra", "unknown_field"),
        ("/inner/label", "required"),
        ("/tags/1", "type"),
        ("/tags", "max_length"),
        ("/points/1/x", "required"),
        ("/scores/a", "type"),
        ("/token", "min_length"),
        ("/txt", "unknown_field"),
        ("/deleted", "reserved_field"),
        ("/deletedAt", "reserved_field"),
        ("/_id", "type"),
    ]
    assert 'did you mean "text"?' in next(each.what for each in raised.value.problems if each.where == "/txt")
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("data", [None, [], "x", 5])
def test_a_document_is_an_object(data: Any) -> None:
    assert problems(thing(), data) == {"": "type"}


def test_defaults_fill_what_is_missing() -> None:
    model = one(
        """
a: {type: date, default: now}
b: {type: [string], default: [x]}
c: {d: {type: int, default: 7}}
e: {f: {type: int, required: true}, g: {type: int, default: 1}}
"""
    )
    assert model.read_input({}, now=NOON) == {"a": NOON, "b": ["x"], "c": {"d": 7}}
    assert model.read_input({"a": None, "c": {}}, now=NOON) == {"a": None, "b": ["x"], "c": {"d": 7}}


def test_a_change_needs_nothing_and_gets_no_defaults() -> None:
    model = thing()
    assert model.read_input({}, partial=True) == {}
    assert model.read_input({"inner.count": 3, "points.0.x": 1, "scores.a": 2}, partial=True) == {
        "inner.count": 3,
        "points.0.x": 1.0,
        "scores.a": 2,
    }
    assert problems(model, {"text": None}, partial=True) == {"/text": "required"}
    assert problems(model, {"inner.none": 1}, partial=True) == {"/inner.none": "unknown_field"}
    assert problems(model, {"inner.count": "x"}, partial=True) == {"/inner.count": "type"}
    assert problems(model, {"any.$x": 1, "any..y": 1}, partial=True) == {"/any.$x": "bad_name", "/any..y": "bad_name"}
    assert problems(model, {"inner": {"label": "x"}, "inner.count": 1}, partial=True) == {"/inner.count": "path_clash"}
    assert problems(model, {"deletedBy.x": 1}, partial=True) == {"/deletedBy.x": "reserved_field"}


def test_undeclared_fields_are_taken_where_the_model_says_so() -> None:
    model = one("a: string", "additionalFields: true")
    assert model.read_input({"b": {"c": {"$oid": HEX}}}) == {"b": {"c": ObjectId(HEX)}}
    assert model.read_input({"b.c": 1}, partial=True) == {"b.c": 1}
    assert problems(model, {"a.c": 1}, partial=True) == {"/a.c": "unknown_field"}


def test_ids_of_another_type_must_be_brought() -> None:
    model = one("_id: int\na: string")
    assert model.read_input({"_id": 5, "a": "x"}) == {"_id": 5, "a": "x"}
    assert problems(model, {"a": "x"}) == {"/_id": "required"}
    assert model.new_id() is None
    assert isinstance(one("_id: uuid").new_id(), uuid.UUID)
    assert isinstance(one("a: string").new_id(), ObjectId)


def test_nesting_deeper_than_mongodb_takes_is_a_problem() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(InvalidDocument) as raised:
        thing().read_input({"text": "a thing", "any": deep})
    assert [problem.code for problem in raised.value.problems] == ["too_deep"]


def test_what_get_shows_of_a_mongoose_document_can_be_put_back() -> None:
    model = one("a: [{b: string}]")
    document = {"_id": HEX, "a": [{"_id": HEX, "b": "x"}], "createdAt": "2026-01-01T00:00:00Z"}
    assert model.read_input(document)["a"] == [{"_id": HEX, "b": "x"}]


# -- properties

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="$.\0"), min_size=1, max_size=4), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_kept_in_a_mixed_field_and_survives_bson(value: Any) -> None:
    found = one("a: mixed").read_input({"a": value})
    assert found["a"] == value
    assert bson.decode(bson.encode(found)) == found


THINGS = st.fixed_dictionaries(
    {"text": st.from_regex(r"\A[a-z ]{2,20}\Z")},
    optional={
        "state": st.sampled_from(["open", "closed"]),
        "small": st.integers(0, 10),
        "big": st.integers(-(2**63), 2**63 - 1),
        "ratio": st.floats(min_value=-1.5, allow_nan=False, allow_infinity=False),
        "amount": st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
        "price": st.decimals(min_value=-99, max_value=99, allow_nan=False, allow_infinity=False, places=2).map(str),
        "at": st.datetimes(min_value=NOON.replace(tzinfo=None)).map(lambda moment: moment.isoformat() + "Z"),
        "owner": st.binary(min_size=12, max_size=12).map(bytes.hex),
        "key": st.uuids().map(str),
        "inner": st.fixed_dictionaries({"label": st.text(st.characters(codec="utf-8"))}),
        "points": st.lists(st.fixed_dictionaries({"x": st.integers(-9, 9)}), max_size=3),
        "any": JSON,
    },
)


@given(THINGS)
def test_what_is_read_is_stored_valid_and_read_again_the_same(data: dict[str, Any]) -> None:
    model = thing()
    found = model.read_input(data, now=NOON)
    stored = bson.decode(bson.encode(found, codec_options=CODEC), codec_options=CODEC)
    assert stored == found
    assert model.check(stored) == ()
    assert model.read_input(stored, now=NOON) == found


@given(
    st.dictionaries(st.sampled_from([*thing().by_name, "other"]), JSON | st.sampled_from([HEX, str(KEY), "2026-01-01"]))
)
def test_whatever_is_given_is_read_and_valid_or_refused_with_problems(data: dict[str, Any]) -> None:
    refusal: tuple[Any, ...] = ()
    found: dict[str, Any] | None = None
    try:
        found = thing().read_input(data)
    except InvalidDocument as error:
        refusal = error.problems
    if found is None:
        assert refusal
    else:
        bson.encode(found, codec_options=CODEC)
        assert thing().check(found) == ()
