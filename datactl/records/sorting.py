"""Sort orders: `-createdAt,name` from outside, made total by `_id`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from datactl.errors import FilterError
from datactl.schema import FieldType, Model

Sort: TypeAlias = tuple[tuple[str, int], ...]

# Bytes sort by their length first: an order nobody asks for.
_UNORDERED = frozenset((FieldType.ARRAY, FieldType.OBJECT, FieldType.MAP, FieldType.MIXED, FieldType.BINARY))


def parse_sort(model: Model, given: str | Sequence[tuple[str, int]] | None) -> Sort:
    """(path, 1 or -1) of each field. Only declared single values can be sorted by, secret ones cannot. FilterError."""
    pairs = [_text_pair(part) for part in given.split(",") if part.strip()] if isinstance(given, str) else given or ()
    seen: dict[str, int] = {}
    for path, direction in pairs:
        if direction not in (1, -1):
            raise FilterError(f"{path}: a sort direction is 1 or -1, not {direction!r}")
        _check(model, path)
        if path in seen:
            raise FilterError(f"{path} is named twice in the sort order")
        seen[path] = direction
    return tuple(seen.items())


def total_order(sort: Sort) -> Sort:
    """The same order with `_id` last, so that no two documents are equal in it.

    `_id` takes the direction of the field before it: then one index (field, _id) serves the order both ways.
    """
    kept: list[tuple[str, int]] = []
    for path, direction in sort:
        kept.append((path, direction))
        if path == "_id":
            return tuple(kept)
    return (*kept, ("_id", kept[-1][1] if kept else 1))


def _text_pair(part: str) -> tuple[str, int]:
    name = part.strip()
    return (name[1:], -1) if name.startswith("-") else (name.removeprefix("+"), 1)


def _check(model: Model, path: str) -> None:
    model.read_value(path, None)  # refuses unknown and secret fields
    field = model.field(path)
    if path != "_id" and (field is None or field.type in _UNORDERED or _passes_a_list(model, path)):
        raise FilterError(
            f"cannot sort by {path!r}", why="only fields that hold one plain value have an order to page through"
        )


def _passes_a_list(model: Model, path: str) -> bool:
    names = path.split(".")
    parents = (model.field(".".join(names[:end])) for end in range(1, len(names)))
    return any(parent is None or parent.type is FieldType.ARRAY for parent in parents)
