"""Whatever is in a database, what is written can be read, and says of the documents read what they are."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from bson import decode, encode
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from datactl.mongo import CODEC
from datactl.yamlfile.report import Report
from datactl.yamlfile.source import read_nodes
from tests.inspect.adopting.taking_over import guessed

# Names that YAML, models.yaml or MongoDB read as something else.
_ODD = """
type ref enum required items fields of min max default secret null true yes no on off ~ << y n _id __v __t
$set $x a.b . - ? | > * & ! % @ ` = 123 1.5 0x1F 0o7 2020-01-01 12:30:00 .inf {x} [y] 'q' "d" a:b a#b #c :x x:
constructor
"""
NAMES = st.sampled_from(
    [*_ODD.split(), "", " lead", "trail ", "a b", "é", "日本", "😀", "a\nb", "t\tb", "\u2028", "\x7f"]
)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    st.sampled_from(
        ["2020-01-01", "507f1f77bcf86cd799439011", "a@b.cc", "https://x", "12", "$2b$10$abcdefghijklmnopqrstuv"]
    ),
    st.builds(ObjectId),
    st.uuids(),
    st.binary(max_size=4),
    st.sampled_from(
        [
            Binary(b"x", 6),
            Binary(b"x" * 16, 3),
            Decimal128("1.50"),
            datetime(2020, 1, 1, tzinfo=UTC),
            DatetimeMS(2**60),
            Regex("x"),
            Timestamp(1, 1),
            Code("x"),
            Code("x", {"a": 1}),
            MinKey(),
            MaxKey(),
            DBRef("a", 1),
            uuid.UUID(int=1),
        ]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
DOCUMENTS = st.lists(
    st.dictionaries(NAMES.filter(lambda name: name != "_id"), VALUES, max_size=6), min_size=1, max_size=12
)


@settings(max_examples=250, deadline=None)
@given(DOCUMENTS)
def test_any_documents(documents: list[dict[str, Any]]) -> None:
    stored = [decode(encode({"_id": ObjectId(), **each}, codec_options=CODEC), CODEC) for each in documents]
    model, guess, text = guessed(stored)
    for document in stored:
        assert model.check(document) == (), text
    for field in guess.walk():
        if "$*" not in field.path and not any(name.isdecimal() for name in field.path.split(".")):
            assert model.field(field.path) is not None, (field.path, text)
    report = Report("models.yaml")
    assert read_nodes(text, report) is not None
    assert not report


@given(st.dictionaries(NAMES, st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none()), max_size=4))
def test_any_value_in_flow_style_is_read_as_what_it_was(value: dict[str, Any]) -> None:
    from datactl.inspect.adopting.writing import flow

    node = read_nodes(f"a: {flow(value)}\n", report := Report("x"))
    assert node is not None, report.error()
    assert node.plain() == {"a": value}


def test_ten_thousand_keys_are_a_map() -> None:
    model, guess, _ = guessed({"counts": {f"user-{number}x{n}": n for n in range(500)}} for number in range(20))
    counts = model.field("counts")
    assert counts is not None
    assert (str(counts.type), str(counts.items.type if counts.items else "")) == ("map", "int")
    assert ("many_keys", "counts") in {(notice.code, notice.where) for notice in guess.notices}


def test_ten_thousand_fields_at_the_top_are_cut_and_said() -> None:
    model, guess, text = guessed([{f"f{number}": number for number in range(10_000)}])
    assert len(model.fields) == 200
    assert model.additional_fields
    assert [notice.code for notice in guess.notices] == ["many_fields"]
    assert len(text) < 30_000


def test_nesting_is_cut() -> None:
    document: dict[str, Any] = {}
    inner = document
    for _ in range(40):
        inner["in"] = {"list": [{}]}
        inner = inner["in"]["list"][0]
    model, _, text = guessed([document] * 3)
    assert model.check(document) == ()
    assert "nested too deep" in text


def test_a_huge_document_is_read_in_bounded_memory() -> None:
    import tracemalloc

    document = {"text": "x" * 8_000_000, "list": list(range(200_000))}
    peaks = []
    for number in (1, 8):
        tracemalloc.start()
        guessed([document] * number)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2.5 * peaks[0], "the one before and the one at hand, not all eight"
