"""Keyset paging: the filters of what comes after one document in a sort order.

`$gt` and `$lt` compare within one BSON type, while a sort runs through all of them, and takes a missing field as null
(MongoDB manual, "Comparison/Sort Order"). So the filter has a term for the rest of the value's own type, and a term
for the types beyond it. Out of its reach are fields that hold a list (only declared single values are sorted by), and
binary values of several lengths in one field on a server that, unlike MongoDB, does not compare them as it sorts them:
only UUIDs among them are sorted by.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.regex import Regex
from bson.timestamp import Timestamp

from datactl.errors import UsageError
from datactl.records.sorting import Sort

_NULL, _NUMBER, _LIST = "null", "number", "array"

# In the order of sorting; each with the names that `$type` has for it.
_BRACKETS: dict[str, tuple[str, ...]] = {
    "minKey": ("minKey",),
    _NULL: (),  # stands for a missing field too, which `$type` does not find
    _NUMBER: ("number",),
    "string": ("string", "symbol"),
    "object": ("object",),
    _LIST: ("array",),
    "binData": ("binData",),
    "objectId": ("objectId",),
    "bool": ("bool",),
    "date": ("date",),
    "timestamp": ("timestamp",),
    "regex": ("regex",),
    "javascript": ("javascript",),
    "javascriptWithScope": ("javascriptWithScope",),
    "maxKey": ("maxKey",),
}
_ORDER = tuple(_BRACKETS)
_ALL_EQUAL = frozenset(("minKey", _NULL, "maxKey"))
_BY_EXPRESSION = frozenset(("regex", "javascript", "javascriptWithScope"))  # $gt takes no pattern and no code

_TYPES: tuple[tuple[Any, str], ...] = (
    (type(None), _NULL),
    (bool, "bool"),  # before int, which it is in Python
    ((int, float, Decimal128), _NUMBER),
    (str, "string"),
    (ObjectId, "objectId"),
    ((datetime, DatetimeMS), "date"),
    ((bytes, Binary, uuid.UUID), "binData"),
    (Timestamp, "timestamp"),
    ((Regex, re.Pattern), "regex"),
    (MinKey, "minKey"),
    (MaxKey, "maxKey"),
    ((Mapping, DBRef), "object"),
    (list, _LIST),
)


def after(sort: Sort, values: Sequence[Any]) -> list[dict[str, Any]]:
    """Filters of the documents that follow one with these values of the sort's fields; `sort` is a total order.

    They are in order: whatever the first finds comes before whatever the second finds. Each is asked by itself, with
    the same sort, until the page is full: every one is a range that an index over the sort's fields can enter at its
    beginning, where a server may walk the whole index for an `$or` of them.
    """
    parts: list[dict[str, Any]] = []
    equal: list[dict[str, Any]] = [{}]
    for (path, direction), value in zip(sort, values, strict=True):
        terms = _beyond(path, direction, value)
        if path == sort[-1][0]:  # the `_id`s of one group of equals: nearly always of one type, so one question
            terms = [{"$or": terms}] if len(terms) > 1 else terms
        parts = [{**equal[-1], **term} for term in terms] + parts
        equal.append({**equal[-1], path: _same(value)})
    return parts


def values_of(sort: Sort, document: Mapping[str, Any]) -> list[Any]:
    """The document's values of the sort's fields, null for what it does not have."""
    return [_at(document, path) for path, _ in sort]


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _bracket(value: Any) -> str:
    if isinstance(value, Code):
        return "javascript" if value.scope is None else "javascriptWithScope"
    for kinds, name in _TYPES:
        if isinstance(value, kinds):
            return name
    raise UsageError(f"a cursor cannot stand on a value of type {type(value).__name__}")


def _beyond(path: str, direction: int, value: Any) -> list[dict[str, Any]]:
    """Filters of what is beyond a value of one field, in the order of sorting."""
    bracket = _bracket(value)
    terms = _rest_of_bracket(path, direction, value, bracket)
    at = _ORDER.index(bracket)
    types: list[str] = []
    for other in _ORDER[at + 1 :] if direction > 0 else reversed(_ORDER[:at]):
        if other != _NULL:
            types += _BRACKETS[other]
            continue
        if types:
            terms.append({path: {"$type": types}})
        terms.append({path: None})
        types = []
    if types:
        terms.append({path: {"$type": types}})
    return terms


def _rest_of_bracket(path: str, direction: int, value: Any, bracket: str) -> list[dict[str, Any]]:
    operator = "$gt" if direction > 0 else "$lt"
    if bracket in _ALL_EQUAL:
        return []
    if bracket in _BY_EXPRESSION:
        return [{path: {"$type": bracket}, "$expr": {operator: [f"${path}", {"$literal": value}]}}]
    if bracket == _NUMBER:
        # NaN sorts before every number, and no comparison but equality finds it.
        if _is_nan(value):
            return [{path: {"$gte": -math.inf}}] if direction > 0 else []
        if direction < 0:
            return [{path: {"$lt": value}}, {path: math.nan}]
    return [{path: {operator: value}}]


def _is_nan(value: Any) -> bool:
    return bool(value.to_decimal().is_nan()) if isinstance(value, Decimal128) else math.isnan(value)


def _same(value: Any) -> Any:
    if isinstance(value, MinKey | MaxKey):
        return {"$type": "minKey" if isinstance(value, MinKey) else "maxKey"}
    if isinstance(value, Mapping | list | Regex | re.Pattern | DBRef):
        return {"$eq": value}
    return value
