"""Differences: the changed paths of a document, exact to the byte."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Int64
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from datactl.records.differences import difference


@pytest.mark.parametrize(
    ("before", "after", "were", "are"),
    [
        ({"a": 1}, {"a": 1}, {}, {}),
        ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}),
        ({"a": 1}, {}, {"a": 1}, {}),
        ({}, {"a": None}, {}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a.c": 2}, {"a.c": 3}),
        ({"a": {"b": 1}}, {"a": {"d": 1}}, {"a.b": 1}, {"a.d": 1}),
        ({"a": {"b": 1}}, {"a": 5}, {"a": {"b": 1}}, {"a": 5}),
        ({"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 2]}, {"a": [1, 3]}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, {"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}),
        ({"a": {"b.c": 1}}, {"a": {"b.c": 2}}, {"a": {"b.c": 1}}, {"a": {"b.c": 2}}),
        ({"a": 1}, {"a": 1.0}, {"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": Int64(1)}, {"a": 1}, {"a": Int64(1)}),
        ({"a": float("nan")}, {"a": float("nan")}, {}, {}),
        ({"a": DatetimeMS(2**60)}, {"a": DatetimeMS(2**60)}, {}, {}),
        ({"a": True}, {"a": 1}, {"a": True}, {"a": 1}),
    ],
)
def test_examples(before: Any, after: Any, were: Any, are: Any) -> None:
    found = difference(before, after)
    assert [bson.encode(each) for each in found] == [bson.encode(each) for each in (were, are)]


documents = st.recursive(
    st.one_of(st.integers(-3, 3), st.text("ab", max_size=2), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


def applied(before: Any, were: dict[str, Any], are: dict[str, Any]) -> Any:
    """The change done to `before`, as a replay would."""
    document = bson.decode(bson.encode(before))
    for path in were:
        *above, last = path.split(".")
        here = document
        for name in above:
            here = here[name]
        if path not in are:
            del here[last]
    for path, value in are.items():
        *above, last = path.split(".")
        here = document
        for name in above:
            here = here[name]
        here[last] = value
    return document


@given(documents, documents)
def test_the_difference_makes_one_of_the_other(before: Any, after: Any) -> None:
    were, are = difference(before, after)
    assert applied(before, were, are) == after
    assert difference(after, bson.decode(bson.encode(after))) == ({}, {})
