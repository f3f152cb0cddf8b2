"""The columns of a model's CSV, and its cells: which text a value has there, and which value a text has.

A column is a declared field; the fields of a nested document are columns of their own (`address.city`). An empty cell
is a field that is not there. What a column cannot say (null, an empty text, a value of another type than the declared
one, an undeclared field) stands in the last column, `$other`, as Extended JSON. A text that a spreadsheet would take
for a formula (it begins with = + - @, a tab or a carriage return) gets a `'` in front, which is taken off again.
Numbers come back in the width that the model declares.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import bson
from bson import Decimal128, ObjectId
from bson.errors import BSONError

from datactl.errors import InvalidDocument, Problem
from datactl.mongo import CODEC
from datactl.records.differences import same
from datactl.schema import Field, FieldType, Model
from datactl.schema.operands import from_text
from datactl.schema.reading import pointer
from datactl.schema.types import NUMERIC
from datactl.schema.values import Unreadable, encodable, read_scalar
from datactl.transfer.ejson_lines import WHOLE, Inexpressible, line_of, read_json, text_of, typed, whole

OTHER = "$other"
LITERAL = "$literal"
"""In `$other`: fields whose names are, with their dots, those of columns; and a field of this name itself."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")
_NESTED = frozenset((FieldType.ARRAY, FieldType.MAP, FieldType.OBJECT, FieldType.MIXED))


class Columns:
    """The columns of one model. `withheld`: secret fields have none. `marks`: who deleted it, when and why has some."""

    def __init__(self, model: Model, *, withheld: bool, marks: bool) -> None:
        self.model = model
        hidden = {*model.marks.names} - {model.marks.deleted} if model.soft_delete and not marks else set()
        tops = [field for field in (model.id_field, *model.fields, *model.system_fields) if field.name not in hidden]
        self.fields: dict[str, Field] = {}
        for top in tops:
            for leaf in _leaves(top):
                if not (withheld and model.is_secret(leaf.path)):
                    self.fields[leaf.path] = leaf
        self.names = (*self.fields, OTHER)

    def row(self, document: Mapping[str, Any]) -> list[str]:
        """The cells of a document."""
        cells: dict[str, str] = {}
        other: dict[str, Any] = {}
        literal: dict[str, Any] = {}
        for name, value in document.items():
            field = self.model.by_name.get(name)
            if field is None and (name in self.fields or name == LITERAL):
                literal[name] = value
                continue
            said = _cells(field, value) if field is not None else None
            if said is None or not said[0].keys() <= self.fields.keys():
                other[name] = value
                continue
            cells |= said[0]
            other |= said[1]
        if literal:
            other[LITERAL] = literal
        rest = line_of(bson.encode(other, codec_options=CODEC)).decode() if other else ""
        return [*(cells.get(path, "") for path in self.fields), rest]


def read_cells(fields: Mapping[str, Field], cells: Mapping[str, str]) -> dict[str, Any]:
    """The values of one row by top-level field, from its cells by their column. InvalidDocument with every problem."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for path, text in cells.items():
        if not text or path == OTHER:
            continue
        try:
            _put(found, path, _value(fields[path], text, path, problems))
        except Unreadable as error:
            problems.append(Problem(_pointer(path), error.what, error.code))
    other = _other(cells.get(OTHER, ""), problems)
    literal = other.pop(LITERAL, {})
    for name, value in other.items():
        if name in fields and cells.get(name):
            problems.append(Problem(_pointer(name), f"it stands in its column and in {OTHER}", "twice"))
        elif name in fields:
            _put(found, name, value)
        else:
            found[name] = value
    if isinstance(literal, dict):
        found |= literal
    else:
        problems.append(Problem(_pointer(LITERAL), "expected a JSON object", "type"))
    if problems:
        raise InvalidDocument("the row holds no document", problems=problems)
    return found


def quoted_formula(text: str) -> str:
    """The text as no spreadsheet takes it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unquoted_formula(text: str) -> str:
    """What `quoted_formula` was given. Other texts that begin with an apostrophe keep it."""
    return text[1:] if _QUOTED.match(text) else text


def _leaves(field: Field) -> Iterator[Field]:
    if field.type is FieldType.OBJECT and field.fields:
        for child in field.fields:
            yield from _leaves(child)
    else:
        yield field


def _cells(field: Field, value: Any) -> tuple[dict[str, str], dict[str, Any]] | None:
    """Cells by path, and the values that have none; None if the field has to be told as a whole."""
    if field.type is not FieldType.OBJECT or not field.fields:
        text = _text(field, value)
        return ({}, {field.path: value}) if text is None else ({field.path: text}, {})
    if not isinstance(value, dict) or not value:
        return None
    cells: dict[str, str] = {}
    other: dict[str, Any] = {}
    for name, item in value.items():
        child = field.by_name.get(name)
        inner = _cells(child, item) if child is not None else None
        if inner is None:
            return None
        cells |= inner[0]
        other |= inner[1]
    return cells, other


def _text(field: Field, value: Any) -> str | None:
    """The text of a value in a column of this field; None if the column cannot say it."""
    kind = field.type
    if value is None:
        return None
    if kind in _NESTED:
        return _nested_text(kind, value)
    if isinstance(value, str) and type(value) is str:
        return quoted_formula(value) if kind is FieldType.STRING and value and "\0" not in value else None
    if isinstance(value, bool):
        return str(value).lower() if kind is FieldType.BOOL else None
    if kind in NUMERIC:
        return _number_text(kind, value)
    text = None
    if isinstance(value, datetime) and kind is FieldType.DATE:
        text = value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")[:-6] + "Z"
    elif isinstance(value, ObjectId | uuid.UUID):
        text = str(value)
    elif type(value) is bytes:
        text = base64.b64encode(value).decode()
    return text if text and _says(kind, text, value) else None


def _number_text(kind: FieldType, value: Any) -> str | None:
    if isinstance(value, Decimal128):
        text = str(value)
        return text if kind is FieldType.DECIMAL and _says(kind, text, value) else None
    if not isinstance(value, int | float) or kind is FieldType.DECIMAL:
        return None
    text = repr(value) if isinstance(value, float) else str(int(value))
    try:
        read = read_scalar(kind, from_text(kind, text))
    except Unreadable:
        return None
    return text if read == value and not (isinstance(value, float) and not isinstance(read, float)) else None


def _nested_text(kind: FieldType, value: Any) -> str | None:
    try:
        if kind is FieldType.MIXED and type(value) is str:
            text = quoted_formula(value)
            return text if value and "\0" not in value and _free(text) == value else text_of(value).decode()
        if kind is FieldType.MIXED or isinstance(value, list if kind is FieldType.ARRAY else dict):
            return text_of(value).decode()
    except Inexpressible:
        pass  # the column of the rest says so
    return None


def _says(kind: FieldType, text: str, value: Any) -> bool:
    try:
        return same(read_scalar(kind, text), value)
    except Unreadable:
        return False


def _value(field: Field, text: str, path: str, problems: list[Problem]) -> Any:
    kind = field.type
    if kind in _NESTED:
        found = _free(text) if kind is FieldType.MIXED else _json(text)
        return typed(found, _pointer(path), problems) if not isinstance(found, str) else found
    if kind is FieldType.STRING:
        return encodable(unquoted_formula(text))
    if kind is FieldType.BOOL:  # spreadsheets write TRUE
        return read_scalar(kind, from_text(kind, text.lower()))
    return read_scalar(kind, from_text(kind, text))


def _free(text: str) -> Any:
    """JSON if it is some, else the text itself."""
    try:
        return read_json(text.encode("utf-8", "surrogateescape"))
    except InvalidDocument:
        return encodable(unquoted_formula(text))


def _json(text: str) -> Any:
    try:
        return read_json(text.encode("utf-8", "surrogateescape"))
    except InvalidDocument as error:
        raise Unreadable("json", f"no valid JSON: {error.why}") from None


def _other(text: str, problems: list[Problem]) -> dict[str, Any]:
    if not text:
        return {}
    try:
        plain = _json(text)
        if isinstance(plain, dict) and plain.keys() == {WHOLE}:
            return bson.decode(whole(plain[WHOLE]), CODEC)
        found = typed(plain, f"/{OTHER}", problems)
    except (BSONError, UnicodeDecodeError, InvalidDocument):
        problems.append(Problem(f"/{OTHER}", f"{WHOLE} is not the base64 of a document", "extended_json"))
        return {}
    except Unreadable as error:
        problems.append(Problem(f"/{OTHER}", error.what, error.code))
        return {}
    if not isinstance(found, dict):
        problems.append(Problem(f"/{OTHER}", "expected a JSON object", "type"))
        return {}
    return found


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    here = document
    for name in above:
        here = here.setdefault(name, {})
    here[last] = value


def _pointer(path: str) -> str:
    at = ""
    for name in path.split("."):
        at = pointer(at, name)
    return at
