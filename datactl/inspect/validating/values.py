"""The values at a declared path, through lists and maps, as stages of a pipeline: one row per value."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from datactl.schema import Field, FieldType, Model

ANY_VALUE = "$*"
"""The part of a path that stands for every value of a map."""


def value_stages(model: Model, path: str, *, keep_empty: bool = False) -> list[dict[str, Any]]:
    """Stages after which each row has one value of the path as `v`, beside the document's `_id`.

    List by list, since not every server walks through lists in an expression. `keep_empty`: a document without a value
    gives a row without `v`; else it gives none.
    """
    stages: list[dict[str, Any]] = []
    held: Field | None = None
    at = "$"
    for name in path.split("."):
        if name == ANY_VALUE:
            is_map = {"$eq": [{"$type": "$v"}, "object"]}
            stages.append({"$project": {"v": {"$objectToArray": {"$cond": [is_map, "$v", {}]}}}})
            stages.append(_unwound(keep_empty))
            held = held.items if held else None
            at = "$v.v"
        else:
            held = model.by_name.get(name) if held is None else held.child(name)
            at = f"{at}.{name}" if at != "$" else f"${name}"
        stages.append({"$project": {"v": at}})
        at = "$v"
        while held is not None and held.type is FieldType.ARRAY:
            stages.append(_unwound(keep_empty))
            held = held.items
    return _joined(stages)


def leads_through_list(model: Model, path: str) -> bool:
    """Whether a document may have several values at the path."""
    return any("$unwind" in stage for stage in value_stages(model, path))


def filter_reaches(model: Model, path: str) -> bool:
    """Whether a filter by the path meets every value: it walks through lists, not through maps or lists in lists."""
    stages = value_stages(model, path)
    in_lists = any("$unwind" in one and "$unwind" in other for one, other in pairwise(stages))
    return ANY_VALUE not in path.split(".") and not in_lists


def _unwound(keep_empty: bool) -> dict[str, Any]:
    return {"$unwind": {"path": "$v", "preserveNullAndEmptyArrays": keep_empty}}


def _joined(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Projections in a row as one: `$a`, then `$v.b`, is `$a.b`."""
    joined: list[dict[str, Any]] = []
    for stage in stages:
        value = stage.get("$project", {}).get("v")
        before = joined[-1].get("$project", {}).get("v") if joined else None
        if isinstance(value, str) and isinstance(before, str):
            joined[-1] = {"$project": {"v": before + value.removeprefix("$v")}}
        else:
            joined.append(stage)
    return joined
