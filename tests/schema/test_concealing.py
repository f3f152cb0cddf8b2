"""Problems tell what is wrong with a value, and nothing of what is secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datactl.errors import InvalidDocument
from tests.schema.samples import one, thing


def test_the_value_of_a_secret_is_not_in_the_message() -> None:
    for value in ("hunter2", 8472638):
        with pytest.raises(InvalidDocument) as raised:
            thing().read_input({"text": "a thing", "token": value})
        assert str(value) not in json.dumps(raised.value.as_dict())


@pytest.mark.parametrize(
    "values",
    [
        {"inner": "hunter2"},
        {"inner": ["hunter2"]},
        {"inner": {"card": ["hunter2"]}},
        {"inner": {"$date": "hunter2"}},
        {"cards": "hunter2"},
        {"cards": ["hunter2"]},
        {"cards": {"num": "hunter2"}},
        {"by": {"a": "hunter2"}},
        {"by": "hunter2"},
        {"token": {"$date": "hunter2"}},
        {"bag": {"$date": "hunter2"}},
        {"bag": [{"deep": {"$numberInt": "hunter2"}}]},
        {"tags": [{"$date": "hunter2"}]},
        {"loose": {"a": {"$oid": "hunter2"}}},
        {"tags.0": {"$date": "hunter2"}},
        {"cards.0": "hunter2"},
        {"inner": {"pair": ["1", "2", "3", "4", "5", "6", "7"]}},
        {"bare": {"a": {"$date": "hunter2"}}},
        {"bare": {"a": {"deep": {"$oid": "hunter2"}}}},
        {"whole": {"_id": {"$date": "hunter2"}}},
        {"boxes": {"a": {"_id": {"$oid": "hunter2"}}}},
    ],
)
def test_what_stands_in_the_place_of_a_secret_or_of_its_parents_is_not_told(values: dict[str, Any]) -> None:
    model = one(
        """
inner: {card: {type: string, secret: true}, pair: {type: [string], secret: true, maxLength: 2}}
cards: [{num: {type: string, secret: true}}]
by: {type: map, of: {type: object, fields: {pin: {type: string, secret: true}}}}
token: {type: string, secret: true}
bag: {type: mixed, secret: true}
tags: {type: array, secret: true}
loose: {type: object, secret: true}
bare: {type: map, secret: true}
whole: {type: object, secret: true, fields: {a: string}}
boxes: {type: map, secret: true, of: {type: object, fields: {a: string}}}
"""
    )
    with pytest.raises(InvalidDocument) as raised:
        model.read_input(values, partial=True)
    found = [*raised.value.problems, *model.check(values)]
    assert not any("hunter2" in repr(each) or "has 7" in repr(each) for each in found), found


def test_what_is_wrong_beside_a_secret_is_told() -> None:
    model = one("inner: {card: {type: string, secret: true}, bank: string}\nat: date")
    found = model.check({"inner": {"bank": 12321}})
    with pytest.raises(InvalidDocument) as raised:
        model.read_input({"inner": {"bank": 12321}, "at": {"$date": "someday"}})
    assert "12321" in found[0].what
    assert "12321" in raised.value.problems[0].what
    assert "someday" in raised.value.problems[1].what
