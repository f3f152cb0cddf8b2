"""The check `duplicates`: values of unique fields that several documents have, where no index prevents it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datactl.inspect.findings import Finding
from datactl.inspect.indexes import IndexKeeper, State
from datactl.inspect.validating.checks import DUPLICATES, finding, id_text
from datactl.inspect.validating.looking import Look
from datactl.inspect.validating.values import leads_through_list, value_stages
from datactl.schema import Index, Model
from datactl.schema.frozen import thaw
from datactl.schema.values import described


def check_duplicates(look: Look, keeper: IndexKeeper) -> Iterator[Finding]:
    """One finding per key that several documents have."""
    model = look.model
    guarded = {state.name for state in keeper.plan([model.name]) if state.unique and state.state is State.PRESENT}
    for index in model.unique_keys:
        if index.name in guarded:
            continue
        for row in look.rows(*duplicate_stages(model, index), collation=_collation(index)):
            what = f"{_shown(model, index, row['_id'])}, as has {id_text(row['last'])}"
            if row["documents"] > 2:
                what += f"; {row['documents']:,} documents have it"
            yield finding(DUPLICATES, "duplicate", model.name, what, id=row["first"])


def duplicate_stages(model: Model, index: Index) -> list[dict[str, Any]]:
    """One row per key of more than one document: `{_id: {k0, ...}, documents, first, last}`."""
    matched = [{"$match": condition} for condition in _conditions(index)]
    several = [path for path in index.paths if leads_through_list(model, path)]
    if not several:
        # Missing and null are one key, as in the index.
        keys = {f"k{n}": {"$ifNull": [f"${path}", None]} for n, path in enumerate(index.paths)}
        one_each: list[dict[str, Any]] = [{"$project": {"k": keys}}]
    elif len(index.paths) == 1:
        # A list may repeat a value of its own: that is no clash.
        key = {"k0": {"$ifNull": ["$v", None]}}
        one_each = [
            *value_stages(model, index.paths[0], keep_empty=True),
            {"$group": {"_id": {"id": "$_id", "k": key}}},
            {"$project": {"_id": "$_id.id", "k": "$_id.k"}},
        ]
    else:
        return [{"$match": {"_id": {"$in": []}}}]  # pairs of values out of lists: the index alone can tell
    counted = {"_id": "$k", "documents": {"$sum": 1}, "first": {"$min": "$_id"}, "last": {"$max": "$_id"}}
    return [*matched, *one_each, {"$group": counted}, {"$match": {"documents": {"$gt": 1}}}]


def _conditions(index: Index) -> Iterator[dict[str, Any]]:
    """Which documents the index takes in."""
    if index.partial is not None:
        yield thaw(index.partial)
    if index.sparse:
        yield {"$or": [{path: {"$exists": True}} for path in index.paths]}


def _collation(index: Index) -> Mapping[str, Any] | None:
    found = index.options.get("collation")
    return None if found is None else dict(thaw(found))


def _shown(model: Model, index: Index, key: Mapping[str, Any]) -> str:
    """`sku = "A1"`; a secret field's value is not told."""
    values = {path: key.get(f"k{n}") for n, path in enumerate(index.paths)}
    parts = (path if model.touches_secret(path) else f"{path} = {described(value)}" for path, value in values.items())
    return f"it has {', '.join(parts)}"
