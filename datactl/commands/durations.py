"""A length of time as it is typed: `90s`, `10m`, `2h`, or seconds."""

from __future__ import annotations

import re

from datactl.errors import UsageError

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


def seconds(text: str, option: str) -> int:
    hit = re.fullmatch(r"(\d{1,9})\s*([a-z]*)", text.strip().lower())
    if hit is None or hit[2] not in _UNITS:
        raise UsageError(f'{option} "{text}" is no length of time', next=f"{option} 90s, 10m or 2h")
    return int(hit[1]) * _UNITS[hit[2]]
