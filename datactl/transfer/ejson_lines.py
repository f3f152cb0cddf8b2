"""BSON documents as lines of Extended JSON, and back, without losing a type.

MongoDB's relaxed form (https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/), in which numbers and
dates can be read, but where it would come back as another type: a 64-bit number that fits into 32 bits is spelled
`{"$numberLong": "5"}`. What Extended JSON cannot hold at all (a nested field called `$date`, BSON's withdrawn types,
a name that stands twice) is a line `{"$bson": "BASE64"}`: the document itself.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import bson
import msgspec
from bson import Int64, ObjectId, json_util
from bson.binary import UUID_SUBTYPE, Binary, UuidRepresentation
from bson.code import Code
from bson.dbref import DBRef
from bson.errors import BSONError

from datactl.errors import InvalidDocument, Problem
from datactl.mongo import CODEC
from datactl.schema.reading import pointer
from datactl.schema.types import INT32, INT64
from datactl.schema.values import MAX_DEPTH, Unreadable, encodable, from_extended, is_extended

WHOLE = "$bson"
_UUID_BYTES = 16
_YEAR_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_CANONICAL = json_util.CANONICAL_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Inexpressible(Exception):
    """A value that Extended JSON would turn into another one."""


# -- writing -----------------------------------------------------------------------------------------------------------


def line_of(raw: bytes) -> bytes:
    """A BSON document as one line of JSON, without its newline, from which `read_line` makes the same bytes."""
    try:
        document = bson.decode(raw, CODEC)
        if bson.encode(document, codec_options=CODEC) == raw:
            return text_of(document)
    except (Inexpressible, BSONError, UnicodeDecodeError, OverflowError):
        pass  # said as it is
    return _encode({WHOLE: base64.b64encode(raw).decode()})


def text_of(value: Any) -> bytes:
    """One BSON value as JSON text. Inexpressible where reading it would give another one."""
    return _encode(_plain(value))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _SIMPLE:
        return value
    convert = _CONVERT.get(kind)
    return convert(value) if convert else _rare(value)


def _mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    if is_extended(value) or WHOLE in value or ("$ref" in value and "$id" in value):
        raise Inexpressible
    return {name: _plain(item) for name, item in value.items()}


def _float(value: float) -> Any:
    return value if math.isfinite(value) else _rare(value)


def _long(value: int) -> Any:
    return {"$numberLong": str(int(value))} if INT32[0] <= value <= INT32[1] else int(value)


def _moment(value: datetime) -> Any:
    if value < _YEAR_ZERO:  # relaxed form writes a date before 1970 as a number
        return _rare(value)
    return {"$date": value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")[:-6] + "Z"}


def _rare(value: Any) -> Any:
    if isinstance(value, DBRef):
        fields = value.as_doc()
        return {name: _plain(item) for name, item in fields.items()}
    if isinstance(value, Code) and value.scope is not None:
        return {"$code": str(value), "$scope": _mapping(value.scope)}
    return json_util.default(value, _CANONICAL)


_SIMPLE = frozenset({str, int, bool, type(None)})
_CONVERT: dict[type, Callable[[Any], Any]] = {
    dict: _mapping,
    list: lambda value: [_plain(item) for item in value],
    float: _float,
    datetime: _moment,
    Int64: _long,
    ObjectId: lambda value: {"$oid": str(value)},
}


# -- reading -----------------------------------------------------------------------------------------------------------


def read_line(line: bytes) -> dict[str, Any] | bytes:
    """The document on a line: values with the types that they are written with, or its BSON where the line says so.

    InvalidDocument for what is no JSON object, with the place of each value that is none of BSON.
    """
    value = read_json(line)
    if not isinstance(value, dict):
        raise InvalidDocument("the line holds no document", why="a document is a JSON object")
    if value.keys() == {WHOLE}:
        return whole(value[WHOLE])
    problems: list[Problem] = []
    found = typed(value, "", problems)
    if problems:
        raise InvalidDocument(
            "the line holds no document", why=f"{problems[0].where}: {problems[0].what}", problems=problems
        )
    if not isinstance(found, dict):
        raise InvalidDocument("the line holds no document", why="it is Extended JSON of a single value")
    return found


def read_json(text: bytes) -> Any:
    """JSON as plain values. InvalidDocument."""
    try:
        value = _decode(text)
        _named_once(text.decode())
        return value
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidDocument("it is no valid JSON", why=str(error)) from None
    except RecursionError:
        raise InvalidDocument("it is no valid JSON", why="nested too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = {name for name, _ in pairs}
    if len(seen) < len(pairs):
        raise InvalidDocument("it is no valid JSON", why="a name stands twice in one object")


# msgspec keeps the last of two values of one name and says nothing.
_named_once = json.JSONDecoder(object_pairs_hook=_once).decode


def typed(value: Any, at: str, problems: list[Problem], depth: int = 0) -> Any:
    """JSON values as BSON values; what is Extended JSON of none is added to `problems`, its value left unsaid."""
    if depth > 2 * MAX_DEPTH:
        problems.append(Problem(at, f"nested deeper than {MAX_DEPTH} levels", "too_deep"))
        return None
    try:
        if isinstance(value, dict):
            if value.keys() == {"$binary"} and isinstance(value["$binary"], dict):
                return _binary(value["$binary"])
            if is_extended(value):
                return from_extended(value)
            found = {name: typed(item, pointer(at, name), problems, depth + 1) for name, item in value.items()}
            if "$ref" in found and "$id" in found and isinstance(found["$ref"], str):
                return DBRef(found.pop("$ref"), found.pop("$id"), found.pop("$db", None), found)
            return found
        if isinstance(value, list):
            return [typed(item, pointer(at, number), problems, depth + 1) for number, item in enumerate(value)]
        if isinstance(value, str):
            return encodable(value)
        if isinstance(value, int) and not isinstance(value, bool) and not INT64[0] <= value <= INT64[1]:
            raise Unreadable("out_of_range", "the number does not fit into 64 bits")
    except Unreadable as error:
        # the words of a decoder may hold the value, which may be a secret one
        what = "no Extended JSON of any BSON type" if error.code == "extended_json" else error.what
        problems.append(Problem(at, what, error.code))
        return None
    return value


def _binary(value: Mapping[str, Any]) -> Any:
    """json_util would make a UUID of the old subtype 3, whose order of bytes nobody knows."""
    try:
        data, subtype = base64.b64decode(value["base64"], validate=True), int(value["subType"], 16)
        if subtype == UUID_SUBTYPE and len(data) == _UUID_BYTES:
            return UUID(bytes=data)
        return Binary(data, subtype) if subtype else data
    except (KeyError, ValueError, TypeError):
        raise Unreadable("extended_json", "no Extended JSON of bytes") from None


def whole(text: Any) -> bytes:
    """The BSON of a document that is said as it is. InvalidDocument."""
    try:
        raw = base64.b64decode(text, validate=True)
        if raw:
            return raw
    except (binascii.Error, ValueError, TypeError):
        pass  # said below
    raise InvalidDocument("the line holds no document", why=f"{WHOLE} is not the base64 of one")
