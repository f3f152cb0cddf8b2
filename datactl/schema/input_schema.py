"""The JSON Schema (2020-12) of a document as JSON, for editors, OpenAPI and clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bson import json_util

from datactl.schema.fields import Field
from datactl.schema.frozen import thaw
from datactl.schema.types import INT32, INT64, NOW, NUMERIC, FieldType

if TYPE_CHECKING:
    from datactl.schema.model import Model

_PLAIN: dict[FieldType, dict[str, Any]] = {
    FieldType.STRING: {"type": "string"},
    FieldType.INT: {"type": "integer", "minimum": INT32[0], "maximum": INT32[1]},
    FieldType.LONG: {"type": "integer", "minimum": INT64[0], "maximum": INT64[1]},
    FieldType.DOUBLE: {"type": "number"},
    FieldType.NUMBER: {"type": "number"},
    FieldType.DECIMAL: {"type": "string", "pattern": r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"},
    FieldType.BOOL: {"type": "boolean"},
    FieldType.DATE: {"type": "string", "format": "date-time"},
    FieldType.OBJECT_ID: {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"},
    FieldType.UUID: {"type": "string", "format": "uuid"},
    FieldType.BINARY: {"type": "string", "contentEncoding": "base64"},
    FieldType.OBJECT: {"type": "object"},
    FieldType.ARRAY: {"type": "array"},
    FieldType.MAP: {"type": "object"},
    FieldType.MIXED: {},
}
_KEPT = ("createdAt", "updatedAt")  # an import may bring them
_AS_TEXT = frozenset({FieldType.DECIMAL, FieldType.DATE, FieldType.BINARY})


def input_schema(model: Model, *, partial: bool = False) -> dict[str, Any]:
    """See Model.input_schema. Extended JSON is read too; the schema shows the plain forms only."""
    properties = {field.name: _property(field) for field in (model.id_field, *model.fields)}
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": model.name,
        "type": "object",
        "properties": properties,
        "additionalProperties": model.additional_fields,
    }
    if model.timestamps:
        properties |= {field.name: _property(field) for field in model.system_fields if field.name in _KEPT}
    if model.description:
        schema["description"] = model.description
    required = [field.name for field in model.fields if field.required and field.default is None]
    if model.id_type not in (FieldType.OBJECT_ID, FieldType.UUID):
        required = ["_id", *required]
    return schema | ({"required": required} if required and not partial else {})


def _property(field: Field) -> dict[str, Any]:
    found = _PLAIN[field.type] | _limits(field) | _inside(field)
    if field.enum is not None:
        found["enum"] = [plain(choice) for choice in field.enum]
    if not field.required and found:
        found = _nullable(found)
    if field.default is not None and field.default is not NOW:
        found["default"] = plain(field.default)
    if field.secret:
        found["writeOnly"] = True
    return found | _given(**{"description": field.description, "x-ref": field.ref})


def _limits(field: Field) -> dict[str, Any]:
    if field.type in NUMERIC and field.type not in _AS_TEXT:
        return _given(minimum=plain(field.min), maximum=plain(field.max))
    if field.type is FieldType.ARRAY:
        return _given(minItems=field.min_length, maxItems=field.max_length)
    if field.type is FieldType.STRING:
        return _given(minLength=field.min_length, maxLength=field.max_length, pattern=field.pattern)
    return {}


def _inside(field: Field) -> dict[str, Any]:
    if field.type is FieldType.OBJECT and field.fields:
        properties = {child.name: _property(child) for child in field.fields}
        properties.setdefault("_id", {})
        required = [child.name for child in field.fields if child.required and child.default is None]
        found = {"properties": properties, "additionalProperties": False}
        return found | ({"required": required} if required else {})
    if field.items is not None:
        return {"additionalProperties" if field.type is FieldType.MAP else "items": _property(field.items)}
    return {}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    if "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def _given(**keywords: Any) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if value is not None}


def plain(value: Any) -> Any:
    """A BSON value as the JSON that input would write for it."""
    return _unwrap(json.loads(json_util.dumps(thaw(value), json_options=json_util.RELAXED_JSON_OPTIONS)))


_WRAPPERS = ("$oid", "$date", "$numberDecimal", "$uuid", "$numberLong", "$numberInt", "$numberDouble")


def _unwrap(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1 and (name := next(iter(value))) in _WRAPPERS:
            return _unwrap(value[name])
        if "$binary" in value:
            return value["$binary"]["base64"]
        return {name: _unwrap(item) for name, item in value.items()}
    return [_unwrap(item) for item in value] if isinstance(value, list) else value
