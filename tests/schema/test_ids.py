"""Ids from commands and URLs, of the model's type or of any BSON type."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Regex, Timestamp
from bson.binary import UuidRepresentation
from bson.datetime_ms import DatetimeMS
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from hypothesis import given
from hypothesis import strategies as st

from datactl.errors import BadId
from tests.schema.samples import one

HEX = "60f1b2c3d4e5f6789abcdef0"
CANONICAL = CANONICAL_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)
KEY = uuid.UUID("6f1b3c1e-8d0e-4b5a-9c39-0d8a2f0f5d11")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("objectId", HEX, ObjectId(HEX)),
        ("objectId", HEX.upper(), ObjectId(HEX)),
        ("int", "3038832", 3038832),
        ("int", "-5", -5),
        ("long", "9223372036854775807", Int64(2**63 - 1)),
        ("number", "5", 5),
        ("number", "5.5", 5.5),
        ("double", "5", 5.0),
        ("decimal", "5.50", Decimal128("5.50")),
        ("string", "AD", "AD"),
        ("string", "60f1b2c3d4e5f6789abcdef0", HEX),
        ("string", "0777", "0777"),
        ("uuid", str(KEY), KEY),
        ("date", "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("bool", "true", True),
        ("mixed", HEX, ObjectId(HEX)),
        ("mixed", "x", "x"),
    ],
)
def test_text_is_of_the_models_type(kind: str, text: str, expected: Any) -> None:
    found = one(f"_id: {kind}").parse_id(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("objectId", ""),
        ("objectId", "60f1"),
        ("objectId", HEX + "0"),
        ("objectId", "５" * 24),
        ("int", "5.0"),
        ("int", "x"),
        ("int", "2147483648"),
        ("int", "1_0"),
        ("int", "9" * 5_000),
        ("long", "9223372036854775808"),
        ("number", "NaN"),
        ("number", "1e999"),
        ("string", ""),
        ("string", "\ud800"),
        ("uuid", "6f1b"),
        ("object", "x"),
        ("objectId", "{"),
        ("objectId", '{"$oid": "zz"}'),
        ("objectId", '{"$date": "never"}'),
        ("objectId", '{"a": {"$where": 1}}'),
        ("objectId", '{"a":' * 3_000 + "1" + "}" * 3_000),
        ("objectId", '{"$regularExpression": {"pattern": "a", "options": ""}}'),
        ("objectId", '{"$undefined": true}'),
        ("objectId", None),
        ("objectId", [1]),
        ("objectId", Regex("a")),
        ("objectId", float("nan")),
    ],
)
def test_what_is_no_id_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(BadId) as raised:
        one(f"_id: {kind}").parse_id(value)
    assert raised.value.exit_code == 2
    assert "M" in str(raised.value)
    assert raised.value.why
    json.dumps(raised.value.as_dict())


@pytest.mark.parametrize(
    "value",
    [
        5,
        1.0,
        Int64(5),
        "AD",
        KEY,
        {"a": 1, "b": {"c": "x"}},
        Binary(b"x", 128),
        b"x",
        datetime(2026, 1, 31, tzinfo=UTC),
        DatetimeMS(253402300800000),
        Decimal128("1.50"),
        True,
        ObjectId(HEX),
        Timestamp(1, 2),
    ],
)
def test_an_id_of_every_bson_type_can_be_named_in_any_model(value: Any) -> None:
    model = one("a: string")
    if not isinstance(value, str):
        assert model.parse_id(value) == value
    text = dumps({"_id": value}, json_options=CANONICAL)
    written = json.dumps(json.loads(text)["_id"]) if not isinstance(value, str | bool) else None
    if written is not None:
        found = model.parse_id(written)
        assert found == value
        assert type(found) is type(value) or isinstance(value, Int64 | Binary)


@given(st.text(max_size=30), st.sampled_from(["objectId", "int", "string", "uuid", "number", "date", "mixed"]))
def test_any_text_is_an_id_or_none(text: str, kind: str) -> None:
    try:
        found = one(f"_id: {kind}").parse_id(text)
    except BadId:
        return
    assert found is not None
