"""The check `marks`: one pass that finds the documents whose marks of deletion do not agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from bson.datetime_ms import DatetimeMS

from datactl.inspect.findings import Finding
from datactl.inspect.validating.checks import MARKS, finding
from datactl.inspect.validating.looking import Look
from datactl.schema import Marks, Model

# Clocks of applications run ahead of the server's; by this much a date is no mistake.
TOLERANCE = timedelta(hours=1)


def check_marks(look: Look) -> Iterator[Finding]:
    """One finding per document, the gravest; one for the whole of a model without soft delete that has marks."""
    if not look.model.soft_delete:
        yield from _unexpected(look)
        return
    marks = look.model.marks
    for document in look.rows(
        {"$match": suspicious(marks, look.now + TOLERANCE)}, {"$project": dict.fromkeys(marks.names, 1)}
    ):
        found = judged(marks, document, look.now + TOLERANCE)
        if found is not None:
            code, what = found
            yield finding(MARKS, code, look.model.name, what, id=document["_id"])


def suspicious(marks: Marks, latest: datetime) -> dict[str, Any]:
    """The filter of documents that `judged` looks at: every one that it has something to say of, and few others."""
    date = marks.deleted_at
    texts = (marks.delete_reason, marks.deleted_op)
    left = [{name: {"$ne": None}} for name in marks.names if name != marks.deleted]
    no_text = [{name: {"$not": {"$type": ["string", "null"]}, "$exists": True}} for name in texts]
    return {
        "$or": [
            {marks.deleted: {"$nin": [True, False, None]}},
            {marks.deleted: {"$type": "array"}},
            {marks.deleted: True, "$or": [{date: {"$not": {"$type": "date"}}}, {date: {"$type": "array"}}]},
            {marks.deleted: True, date: {"$gt": latest}},
            {marks.deleted: True, "$or": no_text},
            {marks.deleted: {"$in": [False, None]}, "$or": left},
        ]
    }


def judged(marks: Marks, document: Mapping[str, Any], latest: datetime) -> tuple[str, str] | None:
    """The code of what is wrong with a document's marks, and what it is; None where nothing is."""
    mark, date = document.get(marks.deleted), document.get(marks.deleted_at)
    if mark is not None and not isinstance(mark, bool):
        return "mark_type", f"{marks.deleted} is {_kind(mark)}: it is neither true, false nor null"
    if mark is not True:
        left = [name for name in marks.names if name != marks.deleted and document.get(name) is not None]
        return ("left_over", f"it is live and has {', '.join(left)}") if left else None
    if date is None:
        return "undated", f"it is marked deleted and has no {marks.deleted_at}: it never comes due"
    if not isinstance(date, datetime | DatetimeMS):
        return "date_type", f"{marks.deleted_at} is {_kind(date)} and no date: it never comes due"
    if int(DatetimeMS(date) if isinstance(date, datetime) else date) > int(DatetimeMS(latest)):
        return "future_date", f"{marks.deleted_at} is later than the server's clock"
    texts = (marks.delete_reason, marks.deleted_op)
    wrong = [name for name in texts if not isinstance(document.get(name), str | None)]
    return ("mark_field_type", f"{wrong[0]} is {_kind(document[wrong[0]])} and no text") if wrong else None


def _unexpected(look: Look) -> Iterator[Finding]:
    """Marks in a model that has no soft delete, unless it declares a field of that name for something else."""
    name = look.model.marks.deleted
    if _declares(look.model, name):
        return
    rows = look.rows({"$match": {name: True}}, {"$group": {"_id": None, "documents": {"$sum": 1}}})
    number = sum(row["documents"] for row in rows)
    if number:
        held = "1 document has" if number == 1 else f"{number:,} documents have"
        what = f"{held} {name}: true, and the model has no soft delete"
        yield finding(MARKS, "no_soft_delete", look.model.name, what, where=look.model.collection)


def _declares(model: Model, name: str) -> bool:
    return any(field.name == name for field in model.fields)


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "a number" if isinstance(value, int | float) else f"a {type(value).__name__}"
