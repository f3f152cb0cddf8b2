"""The limits that a declaration sets to a value: enum, min and max, lengths, pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bson import encode
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

from datactl.schema.fields import Field
from datactl.schema.values import described

Broken = tuple[str, str]  # code, what is wrong


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def limited(field: Field) -> bool:
    """True if the declaration sets any limit: most fields have none."""
    return not (
        field.enum is None
        and field.min is None
        and field.max is None
        and field.min_length is None
        and field.max_length is None
        and field.pattern is None
    )


def broken_limits(field: Field, value: Any) -> Iterator[Broken]:
    """Each limit that a value of the field's type does not keep, without what is secret of it. Null breaks none."""
    if value is None:
        return
    if field.enum is not None and not any(same(value, choice) for choice in field.enum):
        yield "enum", f"must be one of {', '.join(described(choice) for choice in field.enum)}"
    rank = comparable(value)
    if field.min is not None and rank is not None and _less(rank, comparable(field.min)):
        yield "min", f"must be at least {described(field.min)}"
    if field.max is not None and rank is not None and _less(comparable(field.max), rank):
        yield "max", f"must be at most {described(field.max)}"
    if isinstance(value, str | list | tuple | bytes):
        unit = "characters" if isinstance(value, str) else "bytes" if isinstance(value, bytes) else "items"
        has = "" if field.holds_secret else f", has {len(value)}"
        if field.min_length is not None and len(value) < field.min_length:
            yield "min_length", f"must have at least {field.min_length} {unit}{has}"
        if field.max_length is not None and len(value) > field.max_length:
            yield "max_length", f"must have at most {field.max_length} {unit}{has}"
    if field.pattern is not None and isinstance(value, str) and not compiled(field.pattern).search(value):
        yield "pattern", f"must match {field.pattern}"


def comparable(value: Any) -> Any:
    """A number or a date as something that Python can order; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, Decimal128):
        return value.to_decimal()
    if isinstance(value, datetime):
        return int(DatetimeMS(value))
    if isinstance(value, DatetimeMS):
        return int(value)
    return None


def _less(left: Any, right: Any) -> bool:
    """NaN is less than nothing and more than nothing here: whether it may be stored is decided elsewhere."""
    return right is not None and not _is_nan(left) and not _is_nan(right) and bool(left < right)


def _is_nan(rank: Any) -> bool:
    """A signalling NaN of a Decimal cannot even be compared with itself."""
    return rank.is_nan() if isinstance(rank, Decimal) else rank != rank


def same(left: Any, right: Any) -> bool:
    """Equality as MongoDB sees it: numbers by value whatever their type, everything else by type and value."""
    left_rank, right_rank = comparable(left), comparable(right)
    if left_rank is not None and right_rank is not None:
        if _is_nan(left_rank) or _is_nan(right_rank):
            return _is_nan(left_rank) and _is_nan(right_rank)
        return isinstance(left, datetime | DatetimeMS) == isinstance(right, datetime | DatetimeMS) and bool(
            left_rank == right_rank
        )
    if type(left) is type(right) and not isinstance(left, dict | list | tuple):
        return bool(left == right)
    return encode({"": left}) == encode({"": right})
