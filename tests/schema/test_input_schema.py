"""The JSON Schema of input, against the reader and a real validator (jsonschema-rs)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given

from datactl.errors import InvalidDocument
from datactl.schema import load_models
from tests.schema.samples import thing
from tests.schema.test_reading import HEX, THINGS

ROOT = Path(__file__).parents[2]
SCHEMA = jsonschema_rs.Draft202012Validator(thing().input_schema(), validate_formats=True)


@pytest.mark.parametrize("file", ["models.yaml", "examples/geonames/models.yaml"])
def test_the_schemas_of_the_examples_are_schemas(file: str) -> None:
    for model in load_models(ROOT / file).values():
        for partial in (False, True):
            jsonschema_rs.meta.validate(model.input_schema(partial=partial))


@given(THINGS)
def test_what_the_reader_takes_in_plain_form_the_schema_takes(data: dict[str, Any]) -> None:
    thing().read_input(data)
    assert [error.message for error in SCHEMA.iter_errors(data)] == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"text": None},
        {"text": "X"},
        {"text": "a thing", "small": 11},
        {"text": "a thing", "small": "5"},
        {"text": "a thing", "state": "half"},
        {"text": "a thing", "owner": "60f1"},
        {"text": "a thing", "at": "soon"},
        {"text": "a thing", "key": "6f1b"},
        {"text": "a thing", "price": "x"},
        {"text": "a thing", "inner": {}},
        {"text": "a thing", "inner": {"label": "x", "more": 1}},
        {"text": "a thing", "points": [{"y": 1}]},
        {"text": "a thing", "tags": ["a", "b", "c", "d"]},
        {"text": "a thing", "deleted": True},
        {"text": "a thing", "more": 1},
        {"text": "a thing", "big": 2**63},
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(data: dict[str, Any]) -> None:
    assert not SCHEMA.is_valid(data)
    with pytest.raises(InvalidDocument):
        thing().read_input(data)


def test_a_change_requires_nothing() -> None:
    schema = jsonschema_rs.Draft202012Validator(thing().input_schema(partial=True))
    assert schema.is_valid({})
    assert not schema.is_valid({"text": 5})


def test_null_is_fine_where_nothing_is_required_and_secrets_are_write_only() -> None:
    assert SCHEMA.is_valid({"text": "a thing", "state": None, "owner": None, "_id": HEX})
    properties = thing().input_schema()["properties"]
    assert properties["token"]["writeOnly"] is True
    assert properties["state"]["default"] == "open"
