"""Marks: which documents are live and which are deleted, as filters and as a test of one document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from datactl.schema import FieldType, Model


def live(model: Model) -> dict[str, Any]:
    """The filter of live documents. A missing mark means live.

    `$in: [false, null]` and not `$ne: true`: it is two points of an index, and the condition of the unique partial
    indexes, which a query must repeat to be served by them.
    """
    return {model.marks.deleted: {"$in": [False, None]}} if model.soft_delete else {}


def marked(model: Model) -> dict[str, Any]:
    """The filter of deleted documents. Where a model has no marks none is deleted: nothing matches."""
    return {model.marks.deleted: True} if model.soft_delete else {"_id": {"$in": []}}


def is_marked(model: Model, document: Mapping[str, Any]) -> bool:
    return model.soft_delete and document.get(model.marks.deleted) is True


def by(model: Model, actor: str | None) -> Any:
    """The actor as the mark `deletedBy` holds it; None where the application's type for it has no room for a name."""
    if actor is None or model.marks.deleted_by_type != FieldType.OBJECT_ID:
        return actor
    return ObjectId(actor) if ObjectId.is_valid(actor) else None


def both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What matches both filters, flat as long as they name different things: servers plan flat filters best."""
    if not one.keys() & other.keys():
        return {**one, **other}
    clashing = {key: other[key] for key in other if key in one}
    rest = {key: value for key, value in other.items() if key not in one}
    return both({**one, **rest}, {"$and": [clashing]}) if "$and" not in one else {"$and": [dict(one), dict(other)]}
