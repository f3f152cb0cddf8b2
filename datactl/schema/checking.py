"""What is wrong with a stored document by today's declaration, as the validator would see it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId

from datactl.errors import Problem
from datactl.schema.fields import Field
from datactl.schema.limits import broken_limits, limited
from datactl.schema.reading import pointer
from datactl.schema.types import INT32, FieldType
from datactl.schema.values import described

if TYPE_CHECKING:
    from datactl.schema.model import Model

_STORED: dict[FieldType, tuple[type, ...]] = {
    FieldType.STRING: (str,),
    FieldType.INT: (int,),
    FieldType.LONG: (int,),
    FieldType.DOUBLE: (float, int),
    FieldType.NUMBER: (int, float, Decimal128),
    FieldType.DECIMAL: (Decimal128,),
    FieldType.BOOL: (bool,),
    FieldType.DATE: (datetime, DatetimeMS),
    FieldType.OBJECT_ID: (ObjectId,),
    FieldType.UUID: (uuid.UUID, Binary),
    FieldType.BINARY: (bytes, uuid.UUID),
    FieldType.OBJECT: (Mapping,),
    FieldType.ARRAY: (list, tuple),
    FieldType.MAP: (Mapping,),
    FieldType.MIXED: (object,),
}


def check(model: Model, document: Mapping[str, Any], *, partial: bool = False) -> tuple[Problem, ...]:
    """See Model.check."""
    found: list[Problem] = []
    if "_id" in document:
        found += _value(model.id_field, document["_id"], "/_id")
    found += _members(model.fields, document, "", partial=partial)
    for field in model.system_fields:
        if document.get(field.name) is not None:
            found += _value(field, document[field.name], f"/{field.name}")
    return tuple(found)


def _members(
    fields: tuple[Field, ...], document: Mapping[str, Any], at: str, *, partial: bool = False
) -> Iterator[Problem]:
    for field in fields:
        here = pointer(at, field.name)
        value = document.get(field.name)
        if value is not None:
            yield from _value(field, value, here)
        elif field.required and not (partial and field.name not in document):
            yield Problem(here, "is required", "required")


def _value(field: Field, value: Any, at: str) -> Iterator[Problem]:
    if not _is_stored_as(field.type, value):
        shown = "" if field.holds_secret else f", found {described(value)}"
        yield Problem(at, f"expected {field.type.value}{shown}", "type")
        return
    if field.type is FieldType.INT and not INT32[0] <= value <= INT32[1]:
        yield Problem(at, "the number does not fit into 32 bits", "out_of_range")
    if limited(field):
        for code, what in broken_limits(field, value):
            yield Problem(at, what, code)
    if field.type is FieldType.OBJECT:
        yield from _members(field.fields, value, at)
    elif field.items is not None:
        inner = value.items() if field.type is FieldType.MAP else enumerate(value)
        for name, item in inner:
            if item is not None:
                yield from _value(field.items, item, pointer(at, name))
            elif field.items.required:
                yield Problem(pointer(at, name), "is required, and null is no value", "required")


def _is_stored_as(kind: FieldType, value: Any) -> bool:
    if isinstance(value, bool) and kind not in (FieldType.BOOL, FieldType.MIXED):
        return False
    if isinstance(value, Code) and kind is FieldType.STRING:  # a str in Python, and another type to MongoDB
        return False
    return isinstance(value, _STORED[kind])
