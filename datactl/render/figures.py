"""Figures for people: counts with separators, sizes, ratios, ages, UTC times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_THOUSAND = 1000


def count(number: int) -> str:
    return f"{number:,}"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """`1 document`, `1,204 documents`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def matching(number: int) -> str:
    """`1 document matches`, `1,204 documents match`."""
    return f"{counted(number, 'document')} {'matches' if number == 1 else 'match'}"


def size(octets: int) -> str:
    """Decimal units with one digit: `512 B`, `2.1 MB`."""
    value, unit = float(octets), _SIZES[0]
    for unit in _SIZES:
        if value < _THOUSAND or unit == _SIZES[-1]:
            break
        value /= _THOUSAND
    return f"{octets} B" if unit == "B" else f"{value:,.1f} {unit}"


def ratio(raw: int, stored: int) -> str:
    """How many bytes one stored byte stands for: `3.1:1`; `-` where nothing is stored."""
    return f"{raw / stored:.1f}:1" if stored else "-"


def time(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(span: timedelta) -> str:
    """`214 d`, `5 h`, `12 min`, `4 s`: the largest unit that is at least one."""
    seconds = max(0, int(span.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:,} {unit}"
    return f"{seconds} s"


def rate(per_second: float) -> str:
    """`9.1k/s`, `870/s`."""
    if per_second >= 10_000:
        return f"{per_second / _THOUSAND:,.0f}k/s"
    if per_second >= _THOUSAND:
        return f"{per_second / _THOUSAND:.1f}k/s"
    return f"{per_second:.0f}/s"
