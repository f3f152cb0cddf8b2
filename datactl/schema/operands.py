"""One operand of a filter, from text or JSON, as a value of the field that it is compared with."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from bson.code import Code

from datactl.errors import BadId, FilterError
from datactl.schema.fields import Field
from datactl.schema.reading import Reader
from datactl.schema.types import NUMERIC, FieldType
from datactl.schema.values import SCALARS, Unreadable, described, read_scalar
from datactl.yamlfile.report import did_you_mean, quoted

if TYPE_CHECKING:
    from datactl.schema.model import Model

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_WORDS = {"true": True, "false": False, "null": None}


def filter_field(model: Model, path: str) -> Field:
    """The field at a path that a filter or sort names. FilterError for unknown and secret ones."""
    field = model.field(path)
    if field is None and model.additional_fields and _plain(path) and path.split(".")[0] not in model.by_name:
        field = Field(name=path.rsplit(".", 1)[-1], path=path, type=FieldType.MIXED)
    if field is None or not _plain(path):
        raise FilterError(f"{model.name} has no field {quoted(path)}{did_you_mean(path, model.paths)}", field=path)
    if field.holds_secret or model.touches_secret(path):
        raise FilterError(f"{model.name}.{path} is secret: it cannot be filtered, sorted or searched", field=path)
    return field


def _plain(path: str) -> bool:
    return all(name and not name.startswith("$") and "\0" not in name for name in path.split("."))


def read_value(model: Model, path: str, value: Any) -> Any:
    """See Model.read_value. Limits (min, enum, ...) do not apply: to ask for what cannot be there is no mistake."""
    field = filter_field(model, path)
    if value is None:
        return None
    try:
        if field.path == "_id" and model.id_type is not FieldType.MIXED:
            return model.parse_id(value)
        return _operand(field, value)
    except (Unreadable, BadId) as error:
        what = error.in_full if isinstance(error, Unreadable) else error.why
        raise FilterError(
            f"{described(value)} cannot be compared with {model.name}.{path}", why=what, field=path
        ) from None


def _operand(field: Field, value: Any) -> Any:
    if field.type is FieldType.ARRAY and isinstance(value, list | tuple):
        return [None if item is None else _operand(field.items, item) if field.items else _free(item) for item in value]
    element = field.element
    if element.type not in SCALARS or element.type is FieldType.MIXED:
        return _free(_loose(value) if _is_text(value) else value)
    return read_scalar(element.type, from_text(element.type, value) if _is_text(value) else value)


def _is_text(value: Any) -> bool:
    """bson.Code is a str in Python, and no text."""
    return isinstance(value, str) and not isinstance(value, Code)


def from_text(kind: FieldType, text: str) -> Any:
    """What JSON would say for text of this type: `true` for a bool, 5 for a number."""
    if kind is FieldType.BOOL:
        return _WORDS.get(text, text)
    if kind in NUMERIC and kind is not FieldType.DECIMAL:
        return number(text)
    return text


def number(text: str) -> int | float:
    """A number written as JSON or Python would, and nothing else (no 1_000, no NaN)."""
    if len(text) <= 400 and _WHOLE.fullmatch(text):
        return int(text)
    if not _NUMBER.fullmatch(text):
        raise Unreadable("type", "expected a number")
    found = float(text)
    if math.isinf(found):
        raise Unreadable("out_of_range", "a double cannot hold this number")
    return found


def _loose(text: str) -> Any:
    """Text for a field of no declared type: JSON if it is some, else itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _free(value: Any) -> Any:
    if value is None:
        return None
    reader = Reader()
    found = reader.free(value, "", 1)
    if reader.problems:
        raise Unreadable(reader.problems[0].code, reader.problems[0].what)
    return found
