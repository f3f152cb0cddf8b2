"""The types a field can have, their spellings and their BSON names."""

from __future__ import annotations

from enum import StrEnum


class FieldType(StrEnum):
    """What a field holds; the value is the spelling shown to people."""

    STRING = "string"
    INT = "int"
    LONG = "long"
    DOUBLE = "double"
    NUMBER = "number"
    DECIMAL = "decimal"
    BOOL = "bool"
    DATE = "date"
    OBJECT_ID = "objectId"
    UUID = "uuid"
    BINARY = "binary"
    OBJECT = "object"
    ARRAY = "array"
    MAP = "map"
    MIXED = "mixed"


class Now:
    """The default of a date that is the time of creation; there is one, `NOW`."""

    def __repr__(self) -> str:
        return "NOW"

    def __reduce__(self) -> str:
        return "NOW"


NOW = Now()

NUMERIC = frozenset({FieldType.INT, FieldType.LONG, FieldType.DOUBLE, FieldType.NUMBER, FieldType.DECIMAL})
INTEGRAL = frozenset({FieldType.INT, FieldType.LONG})

INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)

# type -> (what it is, other spellings). Mongoose's, the BSON aliases of `$type`, and what people write by habit;
# case does not matter, and a `Schema.Types.` or `mongoose.Schema.Types.` in front is dropped.
TYPE_TABLE: dict[FieldType, tuple[str, tuple[str, ...]]] = {
    FieldType.STRING: ("text", ("str", "text")),
    FieldType.INT: ("a whole number of 32 bits", ("int32", "integer")),
    FieldType.LONG: ("a whole number of 64 bits", ("int64", "bigint")),
    FieldType.DOUBLE: ("a floating point number of 64 bits", ("float", "float64")),
    FieldType.NUMBER: ("any number: whole, floating point or decimal", ()),
    FieldType.DECIMAL: ("a decimal number of up to 34 digits, written as text", ("decimal128",)),
    FieldType.BOOL: ("true or false", ("boolean",)),
    FieldType.DATE: ("a moment, to the millisecond, in UTC", ("datetime", "timestamp")),
    FieldType.OBJECT_ID: ("an ObjectId, written as 24 hexadecimal digits", ("oid",)),
    FieldType.UUID: ("a UUID", ()),
    FieldType.BINARY: ("bytes, written in base64", ("buffer", "bindata", "bytes")),
    FieldType.OBJECT: ("a nested document", ("document", "subdocument")),
    FieldType.ARRAY: ("a list", ("list", "documentarray")),
    FieldType.MAP: ("a nested document with free keys and values of one type", ("dict",)),
    FieldType.MIXED: ("any value", ("any",)),
}

_BY_SPELLING = {
    spelling.lower(): kind for kind, (_, others) in TYPE_TABLE.items() for spelling in (kind.value, *others)
}
_PREFIXES = ("mongoose.", "schema.", "types.")

SPELLINGS: tuple[str, ...] = tuple(kind.value for kind in FieldType)

# What a stored document may hold where a type is declared. Drivers choose between int, long and double by the value
# (Node writes 5.0 as an int), so that a number is accepted in each width that can hold it.
BSON_ALIASES: dict[FieldType, tuple[str, ...]] = {
    FieldType.STRING: ("string",),
    FieldType.INT: ("int", "long"),
    FieldType.LONG: ("long", "int"),
    FieldType.DOUBLE: ("double", "int", "long"),
    FieldType.NUMBER: ("int", "long", "double", "decimal"),
    FieldType.DECIMAL: ("decimal",),
    FieldType.BOOL: ("bool",),
    FieldType.DATE: ("date",),
    FieldType.OBJECT_ID: ("objectId",),
    FieldType.UUID: ("binData",),
    FieldType.BINARY: ("binData",),
    FieldType.OBJECT: ("object",),
    FieldType.ARRAY: ("array",),
    FieldType.MAP: ("object",),
    FieldType.MIXED: (),
}


def parse_type(spelling: str) -> FieldType | None:
    """The type that a spelling names, None if it names none."""
    word = spelling.strip().lower()
    for prefix in _PREFIXES:
        word = word.removeprefix(prefix)
    return _BY_SPELLING.get(word)
