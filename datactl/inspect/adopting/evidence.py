"""The comment behind a declaration: shares of types, null and missing; ranges; since when, of which kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from datactl.inspect.adopting.guesses import counted, of, share
from datactl.inspect.adopting.observing import Seen
from datactl.inspect.adopting.sampling import Sample

_TELLING = 20
_LATE = 0.05
_FEW = 5
_SHAPES_TOLD = {
    "ObjectId": "ObjectIds as text",
    "UUID": "UUIDs",
    "date": "dates as text",
    "number": "numbers as text",
    "e-mail address": "e-mail addresses",
    "URL": "URLs",
}


def number_word(seen: Seen) -> str:
    """The declared type of numbers: whole ones as int or long, as Mongoose's Number otherwise."""
    if seen.kinds["double"] or seen.kinds["decimal"] or not seen.whole:
        return "number"
    return "long" if seen.kinds["long"] else "int"


def evidence_of(seen: Seen, base: int, kind: str, *, secret: str | None = None) -> str:
    """`string 98.2 %, null 1.8 % of 1,000; ...`."""
    parts = sorted(
        ((count, name) for name, count in seen.kinds.items() if name != "null"), key=lambda each: (-each[0], each[1])
    )
    shares = [f"{name} {share(count, base)}" for count, name in parts]
    if seen.kinds["null"]:
        shares.append(f"null {share(seen.kinds['null'], base)}")
    if base > seen.count:
        shares.append(f"missing {share(base - seen.count, base)}")
    text = ", ".join(shares) + (f" {of(base)}" if len(shares) > 1 else "")
    return "; ".join([text, *([f"secret? {secret}"] if secret else _facts(seen, kind))])


def _facts(seen: Seen, kind: str) -> list[str]:
    found: list[str] = []
    if kind in ("int", "long", "number") and seen.least is not None and not isinstance(seen.least, datetime):
        found.append(_number_range(seen))
    elif kind == "date" and isinstance(seen.least, datetime) and isinstance(seen.most, datetime):
        found.append(f"{seen.least:%Y-%m-%d} to {seen.most:%Y-%m-%d}")
    elif kind == "bool":
        found.append(f"true {share(seen.trues, seen.kinds['bool'])}")
    elif kind == "array":
        found.append(_lengths(seen))
        if seen.items is not None and len(seen.items.kinds) > 1:
            found.append(f"items: {evidence_of(seen.items, seen.items.count, 'mixed')}")
    elif kind == "map":
        found.append(f"{len(seen.children):,}{' or more' if seen.each is not None else ''} different keys")
    elif kind == "string":
        found += _text_facts(seen)
    if seen.too_deep:
        found.append("nested too deep to be read further")
    if seen.subtypes and set(seen.subtypes) - {0}:
        found.append("binary subtypes " + ", ".join(str(subtype) for subtype in sorted(seen.subtypes)))
    return found


def _lengths(seen: Seen) -> str:
    if not seen.longest:
        return "always empty"
    if seen.shortest == seen.longest:
        return f"{counted(seen.longest, 'item')} each"
    return f"{seen.shortest or 0:,} to {seen.longest:,} items, mean {seen.total_items / seen.kinds['array']:.1f}"


def _number_range(seen: Seen) -> str:
    if seen.least == seen.most:
        return f"{'always ' if seen.given > 1 else ''}{_number(seen.least)}"
    return f"{_number(seen.least)} to {_number(seen.most)}"


def _text_facts(seen: Seen) -> list[str]:
    found: list[str] = []
    texts = seen.kinds["string"]
    if seen.shapes and seen.shaped >= 5:
        shape, count = seen.shapes.most_common(1)[0]
        if count >= 0.9 * seen.shaped:
            found.append(_SHAPES_TOLD[shape])
    if not seen.many_values and len(seen.values) == 1 and texts > 1:
        found.append("always the same text" if seen.empty < texts else "always empty")
    elif seen.empty:
        found.append(f"empty {share(seen.empty, texts)}")
    if texts >= _TELLING and not seen.repeats and not found:
        found.append("each different")
    return found


def time_facts(sample: Sample, seen: Seen) -> list[str]:
    """Whether only newer documents have the field, or only older ones; empty where neither is clear."""
    total = len(sample.created)
    if seen.first is None or seen.last is None or total < _TELLING or seen.given >= total:
        return []
    since_first = sample.since(seen.first)
    after_last = sample.since(seen.last + 1)
    if since_first == seen.given >= _FEW and since_first < total * (1 - _LATE) and not after_last:
        return [f"in every document since {_day(seen.first)}"]
    expected = seen.given * after_last / max(1, total - after_last)  # had it gone on as often as before
    if after_last >= max(_TELLING, total * _LATE) and min(expected, seen.given) >= _FEW:
        return [f"in none of the {after_last:,} documents since {_day(seen.last)}"]
    return []


def variety_facts(sample: Sample, seen: Seen) -> list[str]:
    """Whether a field belongs to some of the kinds (`__t`) that share the collection."""
    if len(sample.varieties) < 1 or seen.given in (0, sample.read):
        return []
    whole = [name for name, count in sample.varieties.items() if seen.varieties[name] == count]
    if whole and set(seen.varieties) == set(whole) and sum(seen.varieties.values()) == seen.given:
        return [f"in every {' and '.join(sorted(whole))}, nowhere else"]
    if seen.varieties and sum(seen.varieties.values()) == seen.given and len(seen.varieties) < len(sample.varieties):
        return [f"only in {' and '.join(sorted(seen.varieties))}"]
    return []


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _number(value: Any) -> str:
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.6g}"
    whole = int(value)
    return f"{whole:,}" if abs(whole) < 10**15 else f"{value:.6g}"
