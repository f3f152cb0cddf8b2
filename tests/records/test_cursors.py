"""Cursors: they carry a position, for the question they were made for, unaltered."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import MinKey, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from datactl.errors import UsageError
from datactl.records.cursors import Position, read_cursor, write_cursor

KEY = b"k" * 32
QUESTION: dict[str, Any] = {"model": "Product", "filter": {"a": 1, "b": {"$gt": 2}}, "sort": [["a", 1]], "role": None}
POSITION = Position((1.5, None, datetime(2026, 1, 1, tzinfo=UTC), ObjectId(), MinKey(), "x", {"k": 1}), 3, 77)


def test_there_and_back() -> None:
    assert read_cursor(KEY, QUESTION, write_cursor(KEY, QUESTION, POSITION)) == POSITION


def test_it_needs_no_escaping_in_a_url() -> None:
    assert write_cursor(KEY, QUESTION, POSITION).replace("-", "").replace("_", "").isalnum()


def test_the_order_in_which_a_filter_is_written_does_not_matter() -> None:
    other = {**QUESTION, "filter": {"b": {"$gt": 2}, "a": 1}}
    assert read_cursor(KEY, other, write_cursor(KEY, QUESTION, POSITION)) == POSITION


@pytest.mark.parametrize(
    "change",
    [
        {"model": "Post"},
        {"filter": {"a": 1}},
        {"filter": {"a": 1.0, "b": {"$gt": 2}}},
        {"sort": [["a", -1]]},
        {"role": "reader"},
    ],
)
def test_it_is_refused_for_another_question(change: dict[str, Any]) -> None:
    cursor = write_cursor(KEY, QUESTION, POSITION)
    with pytest.raises(UsageError, match="does not fit"):
        read_cursor(KEY, {**QUESTION, **change}, cursor)


def test_it_is_refused_under_another_key() -> None:
    with pytest.raises(UsageError):
        read_cursor(b"x" * 32, QUESTION, write_cursor(KEY, QUESTION, POSITION))


@given(st.data())
def test_no_altered_bit_is_taken(data: st.DataObject) -> None:
    cursor = write_cursor(KEY, QUESTION, POSITION)
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(UsageError):
        read_cursor(KEY, QUESTION, base64.urlsafe_b64encode(raw).decode().rstrip("="))


@given(st.text(max_size=40))
def test_nor_any_text(text: str) -> None:
    with pytest.raises(UsageError):
        read_cursor(KEY, QUESTION, text)
