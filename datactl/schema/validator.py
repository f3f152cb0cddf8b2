"""The validator that MongoDB runs on each write of a model's collection.

It accepts what a Mongoose application with mongoose-delete writes: marks missing, false or true, `__v`, `__t`,
`_id` in nested documents, numbers in whatever width the driver chose, null where nothing is required. Fields that are
not declared are let through: what was there before the declaration must stay writable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datactl.schema.fields import Field
from datactl.schema.types import BSON_ALIASES, INT32, NUMERIC, FieldType

if TYPE_CHECKING:
    from datactl.schema.model import Model


def validator(model: Model) -> dict[str, Any]:
    """See Model.validator. The keywords are those of https://www.mongodb.com/docs/manual/reference/operator/query/jsonSchema/"""
    properties = {field.name: _property(field) for field in model.fields}
    if model.id_field.type is not FieldType.MIXED:
        properties = {"_id": _property(model.id_field)} | properties
    for field in model.system_fields:
        if field.type is not FieldType.MIXED:
            properties[field.name] = {"bsonType": [*BSON_ALIASES[field.type], "null"]}
    schema: dict[str, Any] = {"bsonType": "object"}
    if required := [field.name for field in model.fields if field.required]:
        schema["required"] = required
    return {"$jsonSchema": schema | {"properties": properties}}


def _property(field: Field) -> dict[str, Any]:
    kinds = list(BSON_ALIASES[field.type])
    found: dict[str, Any] = {}
    if kinds:
        if not field.required:
            kinds.append("null")
        found["bsonType"] = kinds if len(kinds) > 1 else kinds[0]
    elif field.required:
        found["not"] = {"bsonType": "null"}
    if field.enum is not None:
        found["enum"] = [*field.enum, *(() if field.required else (None,))]
    if field.type in NUMERIC:
        found |= _range(field)
    lengths = ("minItems", "maxItems") if field.type is FieldType.ARRAY else ("minLength", "maxLength")
    if field.type in (FieldType.STRING, FieldType.ARRAY):
        found |= {
            name: value
            for name, value in zip(lengths, (field.min_length, field.max_length), strict=True)
            if value is not None
        }
    if field.pattern is not None:
        found["pattern"] = field.pattern
    if field.type is FieldType.MAP and field.items is not None:
        found["additionalProperties"] = _property(field.items)
    elif field.items is not None:
        found["items"] = _property(field.items)
    if field.type is FieldType.OBJECT and field.fields:
        if required := [child.name for child in field.fields if child.required]:
            found["required"] = required
        found["properties"] = {child.name: _property(child) for child in field.fields}
    return found


def _range(field: Field) -> dict[str, Any]:
    least, most = field.min, field.max
    if field.type is FieldType.INT:
        least = INT32[0] if least is None else least
        most = INT32[1] if most is None else most
    bounds = {"minimum": least, "maximum": most}
    return {name: value for name, value in bounds.items() if value is not None}
