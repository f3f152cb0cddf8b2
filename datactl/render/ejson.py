"""BSON values as MongoDB Extended JSON v2 (specification: extended-json): relaxed by a fast path, canonical by bson.

Relaxed walks the document once with a table of types and lets msgspec write it: several times the speed of
`bson.json_util`, whose answer it gives byte for byte in value (a test compares them type by type). What the table
does not know is left to `json_util`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from bson import Int64, ObjectId, json_util
from bson.binary import UuidRepresentation

CANONICAL = json_util.CANONICAL_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)
RELAXED = json_util.RELAXED_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)
_YEAR_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


def relaxed(value: Any) -> Any:
    """The value as JSON types, in relaxed form."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    convert = _CONVERT.get(kind)
    return convert(value) if convert else _other(value)


def encode(value: Any, *, canonical: bool = False, indent: int | None = None) -> bytes:
    """One value as JSON text in UTF-8."""
    if canonical:
        return json_util.dumps(value, json_options=CANONICAL, indent=indent, ensure_ascii=False).encode()
    text = _encode(relaxed(value))
    return msgspec.json.format(text, indent=indent) if indent else text


def structure(value: Any, *, canonical: bool = False) -> Any:
    """The value as the dicts, lists and scalars that its Extended JSON text stands for (YAML is written from it)."""
    return msgspec.json.decode(encode(value, canonical=True)) if canonical else relaxed(value)


def _mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: relaxed(item) for key, item in value.items()}


def _list(value: list[Any]) -> list[Any]:
    return [relaxed(item) for item in value]


def _float(value: float) -> Any:
    return value if math.isfinite(value) else _other(value)


def _datetime(value: datetime) -> Any:
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    if moment < _YEAR_ZERO:  # relaxed form writes a date before 1970 as a number
        return _other(value)
    utc = moment.astimezone(UTC)
    return {"$date": utc.isoformat(timespec="milliseconds" if utc.microsecond // 1000 else "seconds")[:-6] + "Z"}


def _other(value: Any) -> Any:
    """A rarer type; what `json_util` answers may itself hold values to convert (DBRef, Code with scope)."""
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list):
        return _list(value)
    shown = json_util.default(value, RELAXED)
    return _mapping(shown) if isinstance(shown, dict) else shown


_PLAIN = frozenset({str, int, bool, type(None)})
_CONVERT: dict[type, Callable[[Any], Any]] = {
    dict: _mapping,
    list: _list,
    tuple: lambda value: _list(list(value)),
    float: _float,
    datetime: _datetime,
    Int64: int,
    ObjectId: lambda value: {"$oid": str(value)},
}
