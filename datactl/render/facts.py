"""Facts (plans, reports, statistics) as plain JSON: camelCase keys, RFC 3339 times, ids as Extended JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from datactl.render import figures


def plain(value: Any) -> Any:
    """The value as JSON types; a dataclass by its fields."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {camel(field.name): plain(getattr(value, field.name)) for field in fields if field.repr}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return figures.time(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    from datactl.render import ejson

    return ejson.relaxed(value)


def camel(name: str) -> str:
    """`has_next` -> `hasNext`."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
