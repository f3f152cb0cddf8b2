"""Lanes: one aggregate, one lane, on every machine and whatever number type its `_id` has."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from bson import Decimal128, Int64, ObjectId

from datactl.events import LANES, aggregate_key, lane_of

OID = ObjectId("60f1b2c3d4e5f6789abcdef0")


@pytest.mark.parametrize(
    "ids",
    [
        (1, 1.0, Int64(1), Decimal128("1"), Decimal128("1.00")),
        (0, -0.0, Int64(0)),
        ({"a": 1, "b": [2]}, {"a": 1.0, "b": [Int64(2)]}),
    ],
)
def test_one_id_in_several_number_types_is_one_aggregate(ids: tuple[Any, ...]) -> None:
    assert len({aggregate_key(each) for each in ids}) == 1


def test_different_ids_are_different_aggregates() -> None:
    ids = [OID, str(OID), 1, "1", True, {"a": 1}, {"a": 2}, UUID(int=1), b"1", 1.5]
    assert len({aggregate_key(each) for each in ids}) == len(ids)


def test_a_lane_is_the_crc32_of_the_canonical_bytes_modulo_eight() -> None:
    assert lane_of(aggregate_key(OID)) == crc32(b"\x07" + OID.binary) % 8 == 2
    assert lane_of(aggregate_key("a")) == lane_of(aggregate_key("a"))
    assert {lane_of(aggregate_key(number)) for number in range(200)} == set(range(LANES))
