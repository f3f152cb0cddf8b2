"""Figures that moved a little are no news; rules of a sample are only loosened."""

from __future__ import annotations

from typing import Any

import pytest

from datactl.inspect.adopting.settling import alike, settled, shows_no_more


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ("string 98.2 %, null 1.8 % of 1,000", "string 97.0 %, null 3.0 % of 1,000", True),
        ("string 98.2 %, null 1.8 % of 1,000", "string 60.0 %, null 40.0 % of 1,000", False),
        ("string 98.2 %, null 1.8 % of 1,000", "string 98.2 %, int 1.8 % of 1,000", False),
        ("true 99.9 %", "true 100 %", False),
        ("date 100 %; 2021-01-01 to 2026-01-01", "date 100 %; 2021-02-01 to 2026-03-09", True),
        ("int 100 %; 3 to 38,000", "int 100 %; 26 to 39,000", True),
        ("int 100 %; 3 to 38,000", "int 100 %; -900,000 to 39,000", False),
        ("users: about 1,000 documents", "users: about 1,100 documents", True),
        ("users: about 1,000 documents", "users: about 9,000 documents", False),
        ("a", "b", False),
    ],
)
def test_alike(before: str, now: str, same: bool) -> None:
    assert alike(before, now) is same


def test_of_samples_all_is_near_to_nearly_all() -> None:
    assert alike("__v in 100 %", "__v in 99.9 %", exact=False)
    assert shows_no_more("string 99.9 %, missing 0.1 % of 1,000; x", "string 100 %; x")
    assert not shows_no_more("string 100 %", "string 99.9 %, int 0.1 % of 1,000")


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"type": "string"}, {"type": "string", "required": True}, {"type": "string"}),
        ({"type": "string", "required": True}, {"type": "string"}, {"type": "string"}),
        ({"type": "number"}, {"type": "int"}, {"type": "number"}),
        ({"type": "int"}, {"type": "number"}, {"type": "number"}),
        ({"type": "mixed"}, {"type": "string"}, {"type": "mixed"}),
        ({"type": "objectId", "ref": "A"}, {"type": "objectId"}, {"type": "objectId", "ref": "A"}),
        ({"type": "string", "secret": True}, {"type": "string"}, {"type": "string", "secret": True}),
        ({"type": ["mixed"]}, {"type": ["string"]}, {"type": ["mixed"]}),
        ({"type": "string"}, {"type": "string", "enum": ["a"]}, {"type": "string"}),
    ],
)
def test_settled_of_samples(before: dict[str, Any], now: dict[str, Any], found: dict[str, Any]) -> None:
    assert settled(before, now, exact=False) == found
    exact = settled(before, now, exact=True)
    assert exact == now | ({"secret": True} if "secret" in before else {})
