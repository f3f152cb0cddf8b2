"""What a second look at a database may change of the first: a sample that shows less proves nothing.

Where every document was read, the second look counts. Of samples, a rule is only ever loosened: a missing value seen
once makes a field optional, and not seeing one the next time does not make it required again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_WIDTHS = ("int", "long", "number", "mixed")
_POINTS = 5.0
_PART = 0.25
_FEW = 5.0
_NUMBER = r"-?\d[\d,]*(?:\.\d+)?"
_TOKEN = re.compile(
    rf"(?P<day>\d{{4}}-\d\d-\d\d)|(?P<low>{_NUMBER}) to (?P<high>{_NUMBER})|(?P<number>{_NUMBER})(?P<percent> %)?"
)


def as_options(declared: Any) -> dict[str, Any] | None:
    """A field's declaration as options with `type`; None for one with fields inside."""
    if isinstance(declared, str | list):
        return {"type": declared}
    if isinstance(declared, Mapping):
        if not declared:
            return {"type": "mixed"}
        if "type" in declared and not (isinstance(declared["type"], Mapping) and "type" in declared["type"]):
            return dict(declared)
    return None


def shortest(options: Mapping[str, Any]) -> Any:
    """Options with `type` as one would write them."""
    return options["type"] if set(options) == {"type"} else dict(options)


def settled(before: Mapping[str, Any], now: Mapping[str, Any], *, exact: bool) -> dict[str, Any]:
    """The options of a field that both looks allow."""
    found = dict(now)
    if before.get("secret"):
        found["secret"] = True
    if exact:
        return found
    if "ref" in before:
        found.setdefault("ref", before["ref"])
    if not before.get("required"):
        found.pop("required", None)
    found["type"] = _wider(before.get("type"), now.get("type"))
    if "enum" not in before or found["type"] != now.get("type"):
        found.pop("enum", None)
    elif "enum" in now:
        found["enum"] = [*before["enum"], *(value for value in now["enum"] if value not in before["enum"])]
    return found


def _wider(before: Any, now: Any) -> Any:
    if before in _WIDTHS and now in _WIDTHS:
        return max(before, now, key=_WIDTHS.index)
    if before == "mixed":
        return before
    if isinstance(before, list) and isinstance(now, list) and before and now:
        inner, later = as_options(before[0]), as_options(now[0])
        if inner is not None and later is not None:
            return [shortest(settled(inner, later, exact=False))]
    return now


def alike(before: str, now: str, *, exact: bool = True) -> bool:
    """Whether two comments tell the same but for figures that a new sample moves.

    Those are 5 points of a share (of an exact look not to or from all and none), a quarter of a count or of a range,
    and days.
    """
    olds, news = list(_TOKEN.finditer(before)), list(_TOKEN.finditer(now))
    if _TOKEN.sub("#", before) != _TOKEN.sub("#", now) or len(olds) != len(news):
        return False
    return all(_near(old, new, exact=exact) for old, new in zip(olds, news, strict=True))


def without_figures(text: str) -> str:
    return _TOKEN.sub("#", text)


def shows_no_more(before: str, now: str) -> bool:
    """Whether today's shares are those of last time, or fewer: what a sample did not show may still be there."""
    old, new = _shares(before), _shares(now)
    return (
        bool(old) and new.keys() <= old.keys() and all(abs(old[each] - new.get(each, 0.0)) <= _POINTS for each in old)
    )


def _shares(comment: str) -> dict[str, float]:
    """`string 98.2 %, null 1.8 % of 1,000; ...` as numbers by type."""
    found = (
        re.fullmatch(r"(.+) ([\d.]+) %(?: of [\d,]+)?", part.strip()) for part in comment.partition(";")[0].split(",")
    )
    return {each[1]: float(each[2]) for each in found if each is not None}


def _near(old: re.Match[str], new: re.Match[str], *, exact: bool) -> bool:
    if old["day"] or new["day"]:
        return bool(old["day"]) == bool(new["day"])
    if old["high"] or new["high"]:
        return bool(old["high"] and new["high"]) and _near_ranges(old, new)
    left, right = _figure(old["number"]), _figure(new["number"])
    if old["percent"]:
        whole = {0.0, 100.0}
        return abs(left - right) <= _POINTS and ((left in whole) == (right in whole) or not exact)
    return abs(left - right) <= max(_FEW, _PART * max(abs(left), abs(right)))


def _near_ranges(old: re.Match[str], new: re.Match[str]) -> bool:
    """Both ends within a quarter of the width."""
    width = max(1.0, *(abs(_figure(each["high"]) - _figure(each["low"])) for each in (old, new)))
    return all(abs(_figure(old[end]) - _figure(new[end])) <= _PART * width for end in ("low", "high"))


def _figure(text: str) -> float:
    return float(text.replace(",", ""))
