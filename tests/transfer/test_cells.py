"""Cells and lines: what is written is read back, and no spreadsheet takes a text for a formula."""

from __future__ import annotations

import csv
import io
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.binary import Binary
from hypothesis import given, settings
from hypothesis import strategies as st

from datactl.errors import InvalidDocument
from datactl.mongo import CODEC
from datactl.schema import FieldType, Model, Registry, parse_models
from datactl.transfer.columns import OTHER, Columns, quoted_formula, read_cells, unquoted_formula
from datactl.transfer.ejson_lines import line_of, read_line
from tests.transfer.conftest import SHOP

REGISTRY: Registry = parse_models(SHOP)
MODEL: Model = REGISTRY.model("Item")
COLUMNS = Columns(MODEL, withheld=False, marks=True)

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.from_regex(
    re.compile(r"'*[=+\-@\t\r].*"), fullmatch=True
)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0."), min_size=1, max_size=6).filter(
    lambda name: not name.startswith("$")
)
LONGS = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    TEXTS,
    LONGS,
    LONGS.map(Int64),
    st.floats(allow_nan=False),
    st.binary(max_size=9),
    st.binary(max_size=9).map(lambda data: Binary(data, 128)),
    st.uuids(),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)).map(  # noqa: DTZ001 - the zone comes next
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-9999, max_value=9999).map(Decimal128),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


def encoded(document: Any) -> bytes:
    return bson.encode(document, codec_options=CODEC)


def through_csv(document: dict[str, Any]) -> dict[str, Any]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS.names)
    writer.writerow(COLUMNS.row(document))
    text.seek(0)
    (row,) = csv.DictReader(text)
    return read_cells(COLUMNS.fields, row)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
@settings(max_examples=200, deadline=None)
def test_a_line_holds_any_document(document: dict[str, Any]) -> None:
    raw = encoded({"_id": 1, **document})
    line = line_of(raw)
    assert b"\n" not in line
    read = read_line(line)
    assert (read if isinstance(read, bytes) else encoded(read)) == raw


@given(st.sampled_from([field for field in MODEL.fields if field.type is not FieldType.OBJECT]), VALUES)
@settings(max_examples=400, deadline=None)
def test_a_row_holds_any_value_in_any_field(field: Any, value: Any) -> None:
    """Of the declared type or not; numbers come back in the declared width, all else to the byte."""
    (read,) = through_csv({field.name: value}).values()
    if isinstance(value, int | float) and not isinstance(value, bool):
        assert read == value
        assert isinstance(read, int | float)
    else:
        assert encoded({"v": read}) == encoded({"v": value})


@pytest.mark.parametrize(
    "document",
    [
        {"name": "n", "address.city": 5},
        {"address": {"city": "Oslo"}, "address.city": "Rome"},
        {"address": {"city": None, "zip": "1"}, "address.city": None, "no.column": 1},
        {"$literal": {"address.city": 1}, "address.city": 2},
        {"$literal": 5},
    ],
)
def test_a_field_whose_name_is_a_column_s_path_is_not_that_column(document: dict[str, Any]) -> None:
    assert through_csv(document) == document


@given(st.fixed_dictionaries({}, optional={"city": VALUES, "zip": TEXTS, "more": SCALARS}))
@settings(max_examples=200, deadline=None)
def test_a_row_holds_a_nested_document(address: dict[str, Any]) -> None:
    read = through_csv({"name": "n", "address": address})
    assert encoded(dict(sorted(read["address"].items()))) == encoded(dict(sorted(address.items())))


@given(TEXTS)
def test_no_text_is_a_formula(text: str) -> None:
    written = quoted_formula(text)
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unquoted_formula(written) == text


@pytest.mark.parametrize("text", ["'tis", "it's", "''", "'", "5", "true"])
def test_other_texts_are_written_as_they_are(text: str) -> None:
    assert quoted_formula(text) == unquoted_formula(text) == text


def libre_office(line: str) -> list[str]:
    """The cells of a line by the rules of LibreOffice's import of CSV (sc/source/ui/docshell/impex.cxx): a field is
    quoted if a quote is its first character; in it a doubled quote is a quote, and the next single one ends it."""
    cells, at = [], 0
    while at <= len(line):
        cell = ""
        if line[at : at + 1] == '"':
            at += 1
            while line[at : at + 1] != '"' or line[at : at + 2] == '""':
                cell += line[at]
                at += 2 if line[at : at + 2] == '""' else 1
            at += 1
        end = line.find(",", at)
        end = len(line) if end < 0 else end
        cells.append(cell + line[at:end])
        at = end + 1
    return cells


@given(st.lists(TEXTS, min_size=2, max_size=5))
def test_rows_are_quoted_as_spreadsheets_read_them(cells: list[str]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    assert libre_office(text.getvalue().removesuffix("\r\n")) == cells


def test_the_columns_of_a_model() -> None:
    plain = Columns(MODEL, withheld=True, marks=False).names
    assert plain[:2] == ("_id", "name")
    assert plain[-5:] == ("address.place.lat", "createdAt", "updatedAt", "deleted", OTHER)
    assert "address" not in plain
    assert Columns(REGISTRY.model("Secret"), withheld=True, marks=False).names[:3] == ("_id", "name", "keys")
    row = dict(zip(COLUMNS.names, COLUMNS.row({"_id": uuid.UUID(int=1), "name": "", "seen": "x"}), strict=True))
    assert row[OTHER] == (
        '{"_id":{"$binary":{"base64":"AAAAAAAAAAAAAAAAAAAAAQ==","subType":"04"}},"name":"","seen":"x"}'
    )


@pytest.mark.parametrize(
    ("cells", "where"),
    [
        ({"count": "many"}, "/count"),
        ({"seen": "yesterday"}, "/seen"),
        ({"tags": "[a"}, "/tags"),
        ({"address.place.lat": "north"}, "/address/place/lat"),
        ({"name": "a", OTHER: '{"name": "b"}'}, "/name"),
        ({OTHER: "[1]"}, f"/{OTHER}"),
    ],
)
def test_a_cell_that_cannot_be_read(cells: dict[str, str], where: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_cells(COLUMNS.fields, cells)
    assert [problem.where for problem in caught.value.problems] == [where]
