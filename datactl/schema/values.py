"""Single values from JSON, extended JSON or Python as the BSON-ready value of a type.

Extended JSON is MongoDB's v2 (https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/), read by bson's
own json_util. Dates are RFC 3339. A date is kept to the millisecond, as BSON does.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, DecimalException
from typing import Any

from bson import json_util
from bson.binary import Binary, UuidRepresentation
from bson.code import Code
from bson.codec_options import DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.errors import BSONError
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from datactl.schema.types import INT32, INT64, FieldType
from datactl.yamlfile.report import quoted

MAX_DEPTH = 100  # MongoDB's own limit of nesting
_EXACT_DOUBLE = 2**53

_EJSON_OPTIONS: json_util.JSONOptions = json_util.JSONOptions(
    tz_aware=True,
    tzinfo=UTC,
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_EJSON_KEYS_WORDS = """
$oid $date $numberInt $numberLong $numberDouble $numberDecimal $binary $uuid $timestamp $regularExpression
$regex $code $minKey $maxKey $undefined $symbol $dbPointer
"""
_EJSON_KEYS = frozenset(_EJSON_KEYS_WORDS.split())
_OTHER_BSON = (Regex, Timestamp, Code, DBRef, MinKey, MaxKey, re.Pattern)

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)
_FAR_YEAR = re.compile(r"[+-]?\d{5,}-", re.ASCII)
_HEX24 = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class Unreadable(ValueError):
    """A value that is none of the type: a code, and what is wrong in words that do not contain the value itself.

    `details` are a decoder's words, which may contain it: they are for values that are no secret.
    """

    def __init__(self, code: str, what: str, details: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.details = details

    @property
    def in_full(self) -> str:
        return f"{self.what}: {self.details}" if self.details else self.what


def described(value: Any) -> str:
    """A value in a message: short, on one line."""
    if isinstance(value, str):
        return quoted(value, 40)
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return quoted(str(value), 40)[1:-1]


def is_extended(value: Mapping[Any, Any]) -> bool:
    """True if a JSON object stands for one BSON value."""
    return any(key in _EJSON_KEYS for key in value)


def from_extended(value: Mapping[str, Any]) -> Any:
    """The BSON value that an extended JSON object stands for."""
    try:
        inner = {key: from_extended(item) if isinstance(item, Mapping) else item for key, item in value.items()}
        found = json_util.object_hook(inner, _EJSON_OPTIONS)
    except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError, BSONError) as error:
        raise Unreadable("extended_json", "no extended JSON", str(error)) from error
    if isinstance(found, Mapping) and any(str(name).startswith("$") for name in found):
        names = ", ".join(str(name) for name in value)
        raise Unreadable("extended_json", "no BSON type has these members", quoted(names, 60))
    if isinstance(found, int) and not isinstance(found, bool):
        return _within(found, INT64, "64")
    return found


def as_utc(moment: datetime) -> datetime:
    """The moment in UTC to the millisecond; one without a zone is UTC already, as drivers take it."""
    try:
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise Unreadable("out_of_range", "the date is beyond the years 1 to 9999") from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def parse_moment(text: str) -> datetime:
    """An RFC 3339 date-time (section 5.6), or a date alone, which is its midnight in UTC."""
    found = _MOMENT.fullmatch(text)
    if not found:
        if _FAR_YEAR.match(text):
            raise Unreadable("out_of_range", "the date is beyond the year 9999")
        raise Unreadable("type", "expected a date such as 2026-01-31T12:30:00Z")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    if hour and not zone:
        raise Unreadable("type", "the time has no zone: add Z (UTC) or an offset such as +02:00")
    micros = int((fraction or "0").ljust(6, "0")[:6])
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micros, _zone(zone)
        )
    except ValueError as error:
        code = "out_of_range" if year == "0000" else "type"
        raise Unreadable(code, f"no such date: {error}") from None
    return as_utc(moment)


def _zone(text: str | None) -> timezone:
    if not text or text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(f"offset {text}")
    return timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))


def _within(number: int, bounds: tuple[int, int], bits: str) -> int:
    if not bounds[0] <= number <= bounds[1]:
        raise Unreadable("out_of_range", f"the number does not fit into {bits} bits")
    return number


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise Unreadable("not_finite", "NaN and Infinity are no numbers here")
    return number


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise Unreadable("type", "expected text")
    return encodable(value)


def encodable(text: str) -> str:
    """The text if UTF-8 can hold it: a lone surrogate stands for bytes that were not UTF-8."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unreadable("encoding", "the text is not valid Unicode (a lone surrogate)") from None
    return str(text)


def _whole(value: Any) -> int:
    if isinstance(value, float) and _finite(value).is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unreadable("type", "expected a whole number")
    return value


def _int(value: Any) -> int:
    return int(_within(_whole(value), INT32, "32"))


def _long(value: Any) -> Int64:
    return Int64(_within(_whole(value), INT64, "64"))


def _double(value: Any) -> float:
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unreadable("type", "expected a number")
    if abs(value) > _EXACT_DOUBLE and (abs(value) > 2**1000 or int(float(value)) != value):
        raise Unreadable("out_of_range", "a double cannot hold this number exactly")
    return float(value)


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, bool):
        raise Unreadable("type", "expected a number")
    if isinstance(value, int):
        return _within(value, INT64, "64")
    if isinstance(value, Decimal | Decimal128):
        return _decimal(value)
    raise Unreadable("type", "expected a number")


def _decimal(value: Any) -> Decimal128:
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            not_finite = value.strip("+-").lower() in ("nan", "snan", "inf", "infinity")
            code, what = (
                ("not_finite", "NaN and Infinity are no numbers here")
                if not_finite
                else ("type", 'expected a decimal number such as "12.50"')
            )
            raise Unreadable(code, what)
        value = Decimal(value)
    elif isinstance(value, Decimal128):
        value = value.to_decimal()
    elif isinstance(value, float):
        value = Decimal(repr(_finite(value)))
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    elif not isinstance(value, Decimal):
        raise Unreadable("type", 'expected a decimal number such as "12.50"')
    if not value.is_finite():
        raise Unreadable("not_finite", "NaN and Infinity are no numbers here")
    try:
        return Decimal128(value)
    except DecimalException:
        raise Unreadable("out_of_range", "a decimal number has at most 34 digits") from None


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unreadable("type", "expected true or false")
    return value


def _date(value: Any) -> datetime:
    if isinstance(value, datetime):
        return as_utc(value)
    if isinstance(value, DatetimeMS):
        try:
            return as_utc(value.as_datetime())
        except (ValueError, OverflowError, BSONError):
            raise Unreadable("out_of_range", "the date is beyond the years 1 to 9999") from None
    if isinstance(value, str):
        return parse_moment(value)
    raise Unreadable("type", "expected a date such as 2026-01-31T12:30:00Z")


def _object_id(value: Any) -> ObjectId:
    if isinstance(value, ObjectId):
        return value
    if isinstance(value, str) and _HEX24.fullmatch(value):
        return ObjectId(value)
    raise Unreadable("type", "expected an ObjectId: 24 hexadecimal digits")


def _uuid(value: Any) -> uuid.UUID:
    if isinstance(value, uuid.UUID):
        return value
    if isinstance(value, Binary) and value.subtype == 4 and len(value) == 16:
        return uuid.UUID(bytes=bytes(value))
    if isinstance(value, str) and len(value) in (32, 36):
        try:
            return uuid.UUID(value)
        except ValueError:
            pass  # said below
    raise Unreadable("type", "expected a UUID such as 6f1b3c1e-8d0e-4b5a-9c39-0d8a2f0f5d11")


def _binary(value: Any) -> bytes:
    if isinstance(value, bytes):  # bson.Binary too
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, uuid.UUID):
        return Binary.from_uuid(value)
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass  # said below
    raise Unreadable("type", "expected bytes in base64")


def _mixed(value: Any) -> Any:
    """A scalar of whatever type BSON knows."""
    if value is None or isinstance(value, bool | ObjectId | Decimal128 | bytes | uuid.UUID | DatetimeMS):
        return value
    if isinstance(value, str):
        return encodable(value) if type(value) is str else value  # bson.Code is a str
    if isinstance(value, int):
        return _within(value, INT64, "64")
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, datetime):
        return as_utc(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, _OTHER_BSON):
        return value
    raise Unreadable("type", f"a {type(value).__name__} cannot be stored")


_READERS: dict[FieldType, Callable[[Any], Any]] = {
    FieldType.STRING: _string,
    FieldType.INT: _int,
    FieldType.LONG: _long,
    FieldType.DOUBLE: _double,
    FieldType.NUMBER: _number,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOL: _bool,
    FieldType.DATE: _date,
    FieldType.OBJECT_ID: _object_id,
    FieldType.UUID: _uuid,
    FieldType.BINARY: _binary,
    FieldType.MIXED: _mixed,
}
SCALARS = frozenset(_READERS)


def read_scalar(kind: FieldType, value: Any) -> Any:
    """A value of a scalar type, or of any scalar type for MIXED. Unreadable if it is none."""
    if isinstance(value, Mapping) and is_extended(value):
        value = from_extended(value)
        if kind is FieldType.MIXED:
            return value  # written as a type: NaN is meant
    if isinstance(value, Code) and kind is not FieldType.MIXED:
        raise Unreadable("type", "code is not text, though it is written as one")
    return _READERS[kind](value)
