"""Limits, of values that other programs stored as well."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Decimal128

from datactl.schema import define_model
from datactl.schema.limits import broken_limits


@pytest.mark.parametrize("value", [Decimal128("sNaN"), Decimal128("NaN"), Decimal128("-sNaN"), float("nan")])
def test_no_number_keeps_every_bound(value: Any) -> None:
    """What another program stored: neither below the least nor above the most, and no failure."""
    bounded = define_model("Thing", {"x": {"type": "number", "min": 0, "max": 9}}).by_name["x"]
    chosen = define_model("Thing", {"x": {"type": "number", "enum": [1, 2]}}).by_name["x"]
    assert list(broken_limits(bounded, value)) == []
    assert [code for code, _ in broken_limits(chosen, value)] == ["enum"]
