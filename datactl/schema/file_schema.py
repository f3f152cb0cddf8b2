"""The JSON Schema (draft-07) of models.yaml, made from the tables that read it."""

from __future__ import annotations

import json
from typing import Any

from datactl.schema.options import FIELD, FIELD_OPTIONS, MODEL, NAME, RESERVED_MODEL_NAMES
from datactl.schema.shapes import record_schema
from datactl.schema.types import TYPE_TABLE

_ONE_VALUE = {"type": ["string", "number", "boolean", "null"]}
_FIELD_NAME = {"propertyNames": {"pattern": r"^[^$.][^.]*$"}}


def models_file_schema() -> dict[str, Any]:
    """See the package. Looser than the reader where draft-07 cannot tell, as with references."""
    options = record_schema(FIELD_OPTIONS, required=("type",))
    fields: dict[str, Any] = {"type": "object", "additionalProperties": {"$ref": "#/definitions/field"}} | _FIELD_NAME
    fields["not"] = {"required": ["type"], "properties": {"type": {"type": ["string", "array"]}}}  # options, not fields
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "models.yaml of datactl",
        "type": ["object", "null"],
        "properties": {
            "settings": {
                "description": "Settings of the project, by name.",
                "type": ["object", "null"],
                "properties": {
                    "profiles": {
                        "description": "Settings by the name of a profile: --profile NAME.",
                        "type": ["object", "null"],
                        "additionalProperties": {"type": ["object", "null"], "additionalProperties": _ONE_VALUE},
                    }
                },
                "additionalProperties": _ONE_VALUE,
            },
            "models": {
                "description": "The models, by name.",
                "type": ["object", "null"],
                "propertyNames": {"pattern": f"^{NAME}$", "not": {"enum": _reserved()}},
                "additionalProperties": {"$ref": "#/definitions/model"},
            },
        },
        "additionalProperties": False,
        "definitions": {
            "model": MODEL.schema(),
            "fields": fields,
            "field": {
                "description": FIELD.words,
                "anyOf": [{"$ref": "#/definitions/type"}, options],
            },
            "type": {
                "anyOf": [
                    {"enum": [kind.value for kind in TYPE_TABLE]},
                    {"type": "string", "pattern": _spelling()},
                    {"type": "array", "maxItems": 1, "items": {"$ref": "#/definitions/field"}},
                    {"$ref": "#/definitions/fields"},
                ]
            },
        },
    }


def _spelling() -> str:
    """A type in any spelling and any case; draft-07 has no flag for that."""
    words = [word for kind, (_, others) in TYPE_TABLE.items() for word in (kind.value, *others)]
    prefixes = "".join(rf"({_any_case(word)}\.)?" for word in ("mongoose", "schema", "types"))
    return f"^{prefixes}({'|'.join(map(_any_case, words))})$"


def _any_case(word: str) -> str:
    return "".join(f"[{char.lower()}{char.upper()}]" if char.isalpha() else char for char in word)


def _reserved() -> list[str]:
    return [spelling for name in RESERVED_MODEL_NAMES for spelling in (name, name.capitalize())]


def as_text() -> str:
    """The schema as the file `models.schema.json` holds it."""
    return json.dumps(models_file_schema(), indent=2) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(as_text())
