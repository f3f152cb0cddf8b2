"""Which `_id`s are one."""

from __future__ import annotations

import itertools
from decimal import Context, Decimal, localcontext
from typing import Any

import bson
import pytest
from bson import Binary, Code, Decimal128, Int64, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from datactl.errors import BadId
from datactl.vault import hash_id, normalise_id_key
from tests.vault.desk import IDS, key

ONE_AND_THE_SAME: list[list[Any]] = [
    [1, 1.0, Int64(1), Decimal128("1"), Decimal128("1.00"), Decimal128("0.1E+1")],
    [0, 0.0, -0.0, Int64(0), Decimal128("0"), Decimal128("-0"), Decimal128("0E+3"), Decimal128("0.000")],
    [-5, -5.0, Int64(-5), Decimal128("-5.0")],
    [0.5, Decimal128("0.5"), Decimal128("5E-1"), Decimal128("0.50")],
    [100, 100.0, Decimal128("1E+2"), Decimal128("1.00E+2")],
    [2**53, float(2**53), Int64(2**53), Decimal128("9007199254740992")],
    [-(2**63), -(2.0**63), Int64(-(2**63)), Decimal128("-9223372036854775808")],
    [float("nan"), -float("nan"), Decimal128("NaN"), Decimal128("-NaN"), Decimal128("sNaN")],
    [float("inf"), Decimal128("Infinity")],
    [float("-inf"), Decimal128("-Infinity")],
    [1e22, Decimal128("1E+22"), Decimal128("10000000000000000000000")],
    [{"a": 1}, {"a": 1.0}, {"a": Int64(1)}, {"a": Decimal128("1.0")}],
    [{"a": [1, {"b": 2}]}, {"a": [1.0, {"b": Int64(2)}]}],
]

APART: list[Any] = [
    *IDS,
    Int64(2**53 + 1),
    float(2**53),
    0.1,
    Decimal128("0.1"),
    10,
    -1,
    "1",
    Binary(b"1"),
    Binary(b"1", 5),
    False,
    {"a": 1},
    {"a": "1"},
    {"A": 1},
    {"a": 1, "b": 1},
    {"b": 1, "a": 1},
    {"a": [1]},
    {"a": {"0": 1}},
    {"a": [1, 1]},
    {"a": [11]},
    {"a": [{}, 1]},
    {},
    {"": {}},
    ObjectId("0123456789abcdef01234568"),
    Timestamp(9, 8),
    Regex("a"),
    float("-inf"),
]


@pytest.mark.parametrize("values", ONE_AND_THE_SAME, ids=lambda values: str(values[0]))
def test_equal_ids_have_one_normal_form(values: list[Any]) -> None:
    forms = {normalise_id_key(key(value)) for value in values}
    assert len(forms) == 1
    assert len({hash_id(form) for form in forms}) == 1


def test_different_ids_have_different_normal_forms() -> None:
    forms: dict[bytes, Any] = {}
    for value in APART:
        form = normalise_id_key(key(value))
        assert form not in forms, (value, forms[form])
        forms[form] = value


def test_a_symbol_is_its_string() -> None:
    """MongoDB compares them alike, and drivers read a symbol as a string."""
    string = key("text")
    assert normalise_id_key(b"\x0e" + string[1:]) == normalise_id_key(string)


def test_array_elements_have_no_names() -> None:
    array = bson.encode({"a": [1, 2]})
    renamed = array.replace(b"0\x00", b"x\x00", 1)
    assert renamed != array
    assert normalise_id_key(b"\x03" + renamed) == normalise_id_key(b"\x03" + array)


def test_most_ids_are_their_own_normal_form() -> None:
    for value in (ObjectId(), "text", True, None, Binary(b"x"), Timestamp(1, 2), Code("x")):
        assert normalise_id_key(key(value)) == key(value)


doubles = st.floats(allow_nan=False)
longs = st.integers(-(2**63), 2**63 - 1)
decimals = st.builds(
    lambda digits, exponent: Decimal128(Decimal(digits).scaleb(exponent, Context(prec=40))),
    st.integers(1 - 10**34, 10**34 - 1),
    st.integers(-40, 40),
)
close = st.sampled_from([0, -0.0, 1, 1.0, 10, 1e1, 0.5, 2**53, 2.0**53, 2**53 + 1]).flatmap(
    lambda value: st.sampled_from([value, float(value), Decimal128(Decimal(value))])
)


def exact(value: Any) -> Decimal:
    if isinstance(value, Decimal128):
        return value.to_decimal()
    return Decimal(value)


@given(st.lists(st.one_of(close, doubles, longs.map(Int64), decimals), min_size=2, max_size=2))
def test_numbers_are_one_exactly_if_their_values_are(pair: list[Any]) -> None:
    with localcontext(prec=2000):
        equal = exact(pair[0]) == exact(pair[1])
    forms = [normalise_id_key(key(value)) for value in pair]
    assert (forms[0] == forms[1]) == equal


@given(doubles)
def test_a_double_and_its_exact_decimal_are_one(value: float) -> None:
    exactly = Decimal(value)
    if exactly.is_finite() and len(exactly.as_tuple().digits) <= 34 and abs(int(exactly.as_tuple().exponent)) < 6000:
        assert normalise_id_key(key(value)) == normalise_id_key(key(Decimal128(exactly)))


def test_hashes_spread() -> None:
    hashes = [hash_id(normalise_id_key(key(n))) for n in range(4000)]
    assert len(set(hashes)) == 4000
    per_sixteenth = [sum(1 for value in hashes if value >> 60 == n) for n in range(16)]
    assert min(per_sixteenth) > 150
    assert max(per_sixteenth) < 350


@pytest.mark.parametrize(
    "broken",
    [
        *[
            b"",
            b"\x10",
            b"\x10\x01\x00",
            b"\x01" + b"\x00" * 7,
            b"\x13\x00",
            b"\x03\x05\x00",
            b"\x03\xff\xff\xff\x7f\x00",
        ],
        *[b"\x03" + bson.encode({"a": 1})[:-1], b"\x03\x08\x00\x00\x00\x99a\x00\x00"],
    ],
)
def test_what_is_no_id_key_is_refused(broken: bytes) -> None:
    with pytest.raises(BadId):
        normalise_id_key(broken)


def test_an_id_may_not_be_nested_without_end() -> None:
    nested: dict[str, Any] = {}
    for _ in range(100):
        nested = {"a": nested}
    normalise_id_key(key(nested))
    raw = b"\x05\x00\x00\x00\x00"
    for _ in range(400):
        raw = (len(raw) + 8).to_bytes(4, "little") + b"\x03a\x00" + raw + b"\x00"
    with pytest.raises(BadId, match="too deeply"):
        normalise_id_key(b"\x03" + raw)


def test_the_order_of_fields_counts() -> None:
    forms = {normalise_id_key(key(dict(order))) for order in itertools.permutations({"a": 1, "b": 2, "c": 3}.items())}
    assert len(forms) == 6
