"""Extended JSON: the fast relaxed path says what bson.json_util says, type by type."""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from bson import (
    SON,
    Binary,
    Code,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
    json_util,
)
from bson.binary import UuidRepresentation
from bson.codec_options import DatetimeConversion
from bson.datetime_ms import DatetimeMS

from datactl.render import ejson
from datactl.render.cells import cell
from datactl.render.facts import camel, plain

VALUES: dict[str, Any] = {
    "text": 'ünï \u2028 " \\',
    "int": 5,
    "long": Int64(2**53 + 1),
    "smallest": -(2**63),
    "double": 1.0,
    "nan": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "true": True,
    "null": None,
    "date": datetime(2026, 11, 2, 3, 20, 11, tzinfo=UTC),
    "milliseconds": datetime(2026, 11, 2, 3, 20, 11, 7000, tzinfo=UTC),
    "1969": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    "year 9999": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    "year 20000": DatetimeMS(568_971_820_800_000),
    "naive date": datetime(2026, 1, 1, 1),  # noqa: DTZ001 - what a driver without tz_aware gives
    "other zone": datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=-7))),
    "id": ObjectId("60f1b2c3d4e5f6789abcdef0"),
    "decimal": Decimal128("19.990"),
    "uuid": uuid.UUID(int=7),
    "bytes": b"\x00\xff",
    "binary": Binary(b"abc", 128),
    "regex": Regex("^a", "i"),
    "code": Code("f()"),
    "code with scope": Code("f()", {"a": ObjectId("60f1b2c3d4e5f6789abcdef0")}),
    "reference": DBRef("posts", ObjectId("60f1b2c3d4e5f6789abcdef0")),
    "timestamp": Timestamp(1, 2),
    "minkey": MinKey(),
    "maxkey": MaxKey(),
    "nested": {"a": [1, {"b": ObjectId("60f1b2c3d4e5f6789abcdef0")}], "c": SON([("x", Int64(1))])},
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("canonical", [False, True])
def test_it_says_what_bson_says(name: str, canonical: bool) -> None:
    document = {"v": VALUES[name]}
    options = (json_util.CANONICAL_JSON_OPTIONS if canonical else json_util.RELAXED_JSON_OPTIONS).with_options(
        uuid_representation=UuidRepresentation.STANDARD
    )
    shown = json.loads(ejson.encode(document, canonical=canonical))
    if name == "other zone" and not canonical:
        assert shown == {"v": {"$date": "2026-01-01T08:00:00Z"}}  # bson would write the offset; UTC is the rule here
    else:
        assert shown == json.loads(json_util.dumps(document, json_options=options))


@pytest.mark.parametrize("name", VALUES)
def test_relaxed_reads_back_as_the_same_value(name: str) -> None:
    value = VALUES[name]
    options = json_util.JSONOptions(
        tz_aware=True,
        uuid_representation=UuidRepresentation.STANDARD,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    )
    back = json_util.loads(ejson.encode({"v": value}), json_options=options)["v"]
    if name == "nan":
        assert math.isnan(back)
    elif name == "naive date":
        assert back == value.replace(tzinfo=UTC)
    elif name == "bytes":
        assert bytes(back) == value
    else:
        assert back == value


def test_yaml_structure_holds_no_bson_type() -> None:
    shown = ejson.structure(VALUES)
    assert json.loads(json.dumps(shown)) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (2026, "2026"),
        (1.5, "1.5"),
        (ObjectId("60f1b2c3d4e5f6789abcdef0"), "60f1b2c3d4e5f6789abcdef0"),
        (datetime(2026, 11, 2, 3, 20, 11, tzinfo=UTC), "2026-11-02T03:20:11Z"),
        ({"a": ObjectId("60f1b2c3d4e5f6789abcdef0"), "n": [1]}, '{"a":"60f1b2c3d4e5f6789abcdef0","n":[1]}'),
        (b"abc", "YWJj"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("right\u202eleft", "right\\x202eleft"),
    ],
)
def test_a_cell_is_one_safe_line(value: Any, text: str) -> None:
    assert cell(value) == text


def test_facts_are_plain_json() -> None:
    facts = plain(
        {"at": datetime(2026, 1, 2, tzinfo=UTC), "ids": (ObjectId("60f1b2c3d4e5f6789abcdef0"),), "n": Int64(3)}
    )
    assert facts == {"at": "2026-01-02T00:00:00Z", "ids": [{"$oid": "60f1b2c3d4e5f6789abcdef0"}], "n": 3}
    assert camel("next_cursor") == "nextCursor"
