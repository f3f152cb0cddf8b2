"""Ids: from the text of a command or a URL, from JSON, or from Python."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bson.code import Code
from bson.objectid import ObjectId
from bson.regex import Regex

from datactl.errors import BadId
from datactl.schema.operands import from_text
from datactl.schema.reading import Reader
from datactl.schema.types import INTEGRAL, FieldType
from datactl.schema.values import Unreadable, described, read_scalar

if TYPE_CHECKING:
    from datactl.schema.model import Model

_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)


def new_id(model: Model) -> Any:
    """See Model.new_id."""
    if model.id_type is FieldType.OBJECT_ID:
        return ObjectId()
    return uuid.uuid4() if model.id_type is FieldType.UUID else None


def parse_id(model: Model, value: Any) -> Any:
    """See Model.parse_id.

    Text is of the model's type unless it is a JSON object, which is taken at its word: a collection may hold ids of
    other types than the declared one. Values that are not text are taken as they are.
    """
    try:
        if isinstance(value, str) and not isinstance(value, Code):  # JavaScript is a text in Python only
            stripped = value.strip()
            if stripped.startswith("{"):
                return _free(_json(stripped))
            return _of_kind(model.id_type, value)
        return _free(value)
    except Unreadable as error:
        raise BadId(f"{described(value)} is no id of {model.name}", why=error.in_full, model=model.name) from None


def _of_kind(kind: FieldType, text: str) -> Any:
    if kind is FieldType.STRING:
        return _not_empty(text)
    if kind is FieldType.MIXED:
        try:
            return read_scalar(FieldType.OBJECT_ID, text)
        except Unreadable:
            return _not_empty(text)
    if kind in (FieldType.OBJECT, FieldType.MAP):
        raise Unreadable("type", "expected a JSON object")
    if kind in INTEGRAL and not _WHOLE.fullmatch(text):
        raise Unreadable("type", "expected a whole number")
    return read_scalar(kind, from_text(kind, text))


def _not_empty(text: str) -> Any:
    if not text:
        raise Unreadable("type", "it is empty")
    return read_scalar(FieldType.STRING, text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unreadable("json", f"no JSON: {error}") from None
    except RecursionError:
        raise Unreadable("json", "no JSON: nested too deep") from None


def _free(value: Any) -> Any:
    """MongoDB takes every type as `_id` but arrays, regular expressions and undefined."""
    if value is None or isinstance(value, list | tuple | Regex | re.Pattern):
        raise Unreadable("type", f"{'null' if value is None else described(value)} cannot be an id")
    if isinstance(value, Mapping) and not value:
        return {}
    reader = Reader()
    found = reader.free(value, "", 1)
    if reader.problems:
        raise Unreadable(reader.problems[0].code, reader.problems[0].what)
    if found is None or isinstance(found, Regex | re.Pattern):
        raise Unreadable("type", f"{described(value)} cannot be an id")
    return found
