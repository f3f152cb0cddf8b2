"""One value as the text of a table cell: short, on one line, safe to show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from datactl.render import figures
from datactl.render.terminal import safe


def cell(value: Any) -> str:
    """Text as it is; dates in UTC; nested values as compact JSON; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value) if isinstance(value, float) else str(int(value))
    if isinstance(value, datetime):
        return figures.time(value)
    if isinstance(value, Mapping | list | tuple | bytes):
        return safe(_compact(value))
    return safe(str(value))


def _compact(value: Any) -> str:
    from datactl.render import ejson

    shown = _untagged(ejson.relaxed(value))
    return shown if isinstance(shown, str) else msgspec.json.encode(shown).decode()


def _untagged(value: Any) -> Any:
    """Extended JSON without its type tags: a cell is for reading, `-o json` for taking along."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((key, inner),) = value.items()
            if key in ("$oid", "$date", "$numberDecimal", "$numberDouble", "$numberLong"):
                return inner
        if set(value) == {"$binary"}:
            return value["$binary"]["base64"]
        return {key: _untagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    return value
