"""When two `_id`s are one: the normal form of an id key, and the hash of it that indexes are sorted by.

MongoDB compares numbers by value whatever their type, also inside documents and arrays, and a symbol like a string
(MongoDB manual, "Comparison/Sort Order"). The normal form is compared and hashed, and never stored.
"""

from __future__ import annotations

import math
from decimal import Decimal
from hashlib import blake2b
from struct import Struct

from bson.decimal128 import Decimal128

from datactl.errors import BadId, InvalidDocument
from datactl.vault.rawbson import elements

DEEPEST = 250
"""Levels of nesting in an `_id`; MongoDB takes 180 or so."""

_DOUBLE = Struct("<d")
_DOUBLE_TYPE, _STRING_TYPE, _DOCUMENT_TYPE, _ARRAY_TYPE = 0x01, 0x02, 0x03, 0x04
_SYMBOL_TYPE, _INT_TYPE, _LONG_TYPE, _DECIMAL_TYPE = 0x0E, 0x10, 0x12, 0x13
_LENGTHS = {_INT_TYPE: 4, _LONG_TYPE: 8, _DOUBLE_TYPE: 8, _DECIMAL_TYPE: 16}
_NUMBERS = frozenset(_LENGTHS)
_REWRITTEN = _NUMBERS | {_SYMBOL_TYPE, _DOCUMENT_TYPE, _ARRAY_TYPE}


def normalise_id_key(id_key: bytes) -> bytes:
    """The normal form of an id key (type byte and value bytes): equal for two keys if MongoDB holds them equal.

    1, 1.0, Int64(1) and Decimal128("1.00") have one normal form, as have 0 and -0.0, and all NaNs. Raises `BadId`
    for bytes that are not an id key.
    """
    if not id_key:
        raise BadId("an _id has no bytes")
    kind = id_key[0]
    if kind not in _REWRITTEN:
        return id_key
    if kind == _INT_TYPE and len(id_key) == 5:  # the usual number, without detours: what `_normal` makes of it
        text = str(int.from_bytes(id_key[1:], "little", signed=True))
        bare = text.rstrip("0")
        if bare:
            form = f"{bare}e{len(text) - len(bare)}".encode()
            return b"\x01" + len(form).to_bytes(2, "little") + form
    try:
        return _normal(id_key[0], id_key[1:], 0)
    except InvalidDocument as error:
        raise BadId("an _id is not BSON", why=str(error)) from error


def hash_id(normal: bytes) -> int:
    """The 64-bit hash of a normalised id key: BLAKE2b of 8 bytes, read little-endian."""
    return int.from_bytes(blake2b(normal, digest_size=8).digest(), "little")


def _normal(kind: int, value: bytes, depth: int) -> bytes:
    if kind in _NUMBERS:
        text = _number(kind, value)
        # Length before text, so that a number inside a document cannot run into what follows it.
        return b"\x01" + len(text).to_bytes(2, "little") + text
    if kind == _SYMBOL_TYPE:
        return b"\x02" + value
    if kind in (_DOCUMENT_TYPE, _ARRAY_TYPE):
        return _nested(kind, value, depth + 1)
    return bytes((kind,)) + value


def _nested(kind: int, value: bytes, depth: int) -> bytes:
    if depth > DEEPEST:
        raise BadId("an _id is nested too deeply", why=f"more than {DEEPEST} levels")
    parts = [bytes((kind,))]
    for inner_kind, name, start, stop in elements(value):
        normal = _normal(inner_kind, value[start:stop], depth)
        # MongoDB ignores the names of an array's elements ("0", "1", ...) and keeps their order.
        parts += (normal[:1], b"" if kind == _ARRAY_TYPE else name, b"\x00", normal[1:])
    parts.append(b"\x00")
    return b"".join(parts)


def _number(kind: int, value: bytes) -> bytes:
    """A number as its decimal digits without trailing zeros and its power of ten: exact for every BSON number."""
    if len(value) != _LENGTHS[kind]:
        raise BadId("a number in an _id has a wrong length", why=f"{len(value)} bytes of BSON type 0x{kind:02x}")
    if kind in (_INT_TYPE, _LONG_TYPE):
        return _digits(str(int.from_bytes(value, "little", signed=True)), 0)
    if kind == _DECIMAL_TYPE:
        decimal = Decimal128.from_bid(value).to_decimal()
    else:
        double: float = _DOUBLE.unpack(value)[0]
        if math.isfinite(double) and double.is_integer() and abs(double) < 2**63:
            return _digits(str(int(double)), 0)
        decimal = Decimal(double)
    if decimal.is_nan():
        return b"NaN"
    if decimal.is_infinite():
        return b"-Infinity" if decimal < 0 else b"Infinity"
    sign, digits, exponent = decimal.as_tuple()
    return _digits("-" * sign + "".join(map(str, digits)), int(exponent))


def _digits(text: str, exponent: int) -> bytes:
    bare = text.rstrip("0")
    if bare in ("", "-"):
        return b"0"
    return f"{bare}e{exponent + len(text) - len(bare)}".encode()
