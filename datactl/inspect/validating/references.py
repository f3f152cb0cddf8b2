"""The check `references`: live documents that refer to what is not there.

The server tells the distinct values of a field, which are looked up a few hundred at a time; only for those that lead
nowhere are the documents that have them looked for. What was deleted or archived is missed only where the reference's
onDelete says what becomes of it: without one a document may outlive what it refers to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from datactl.events import aggregate_key
from datactl.inspect.findings import Finding
from datactl.inspect.validating.checks import REFERENCES, finding, id_text, quoted
from datactl.inspect.validating.looking import Look
from datactl.inspect.validating.values import filter_reaches, leads_through_list, value_stages
from datactl.mongo import Document, mapping_errors
from datactl.records.marks import both, is_marked, live
from datactl.schema import Field, Model
from datactl.schema.types import BSON_ALIASES


@dataclass(frozen=True, slots=True)
class Lost:
    """A value that leads nowhere: the code of why, and the value as the document has it."""

    code: str
    value: Any


def check_references(look: Look) -> Iterator[Finding]:
    """One finding per document, path and value."""
    for reference in look.model.references:
        parent = look.registry.model(str(reference.ref))
        for part in look.parts():
            values = _values(look, reference, part)
            while chunk := list(islice(values, look.mongo.capabilities.in_chunk)):
                lost = lost_values(look, reference, parent, chunk)
                if lost:
                    yield from _told(look, reference, parent, part, lost)


def _values(look: Look, reference: Field, part: dict[str, Any]) -> Iterator[Any]:
    """The distinct values of a part's live documents, whatever their types; 1 and 1.0 are one."""
    stages: list[dict[str, Any]] = [{"$match": live(look.model)}] if look.model.soft_delete else []
    if leads_through_list(look.model, reference.path):
        stages += [*value_stages(look.model, reference.path), {"$group": {"_id": "$v"}}]
    else:
        stages.append({"$group": {"_id": f"${reference.path}"}})  # a projection before it would cost as much as it
    for row in look.read(look.model.collection, part, *stages):
        if row["_id"] is not None and not isinstance(row["_id"], list):  # a list is no `_id`
            yield row["_id"]


def _of_type(reference: Field) -> dict[str, Any]:
    """Values of the field's type: one of another type is the business of the check `documents`."""
    kinds = BSON_ALIASES[reference.type]
    return {"$type": list(kinds)} if kinds else {}


def lost_values(look: Look, reference: Field, parent: Model, values: Sequence[Any]) -> list[Lost]:
    """Those of the values, no more than one question takes, that lead nowhere."""
    marked: dict[bytes, bool] = {}
    fields = {"_id": 1, **({parent.marks.deleted: 1} if parent.soft_delete else {})}
    with mapping_errors(f"reading {parent.collection}"):
        for row in look.mongo.collection(parent.collection).find({"_id": {"$in": list(values)}}, fields):
            marked[aggregate_key(row["_id"])] = is_marked(parent, row)
    found = []
    for value in values:
        is_deleted = marked.get(aggregate_key(value))
        if is_deleted is None:
            archived = look.archived is not None and look.archived[parent.name].is_archived(value)
            if not archived:
                found.append(Lost("dangling", value))
            elif reference.on_delete is not None:
                found.append(Lost("archived", value))
        elif is_deleted and reference.on_delete is not None:
            found.append(Lost("deleted", value))
    return found


def _told(look: Look, reference: Field, parent: Model, part: dict[str, Any], lost: Sequence[Lost]) -> Iterator[Finding]:
    model = look.model
    codes = {aggregate_key(each.value): each.code for each in lost}
    values = [each.value for each in lost]
    hidden = model.is_secret(reference.path)
    for row in _holders(look, reference, part, values):
        seen: set[bytes] = set()
        for value in row["values"]:
            key = aggregate_key(value)
            if key not in codes or key in seen:
                continue
            seen.add(key)
            code = codes[key]
            named = f"a {parent.name}" if hidden else f"{parent.name} {id_text(value)}"
            what = f"{reference.path} refers to {named}, which {_WHERE[code]}"
            if code != "dangling":
                what += f" (onDelete: {reference.on_delete})"
            back = None if code == "dangling" or hidden else f"datactl restore {parent.name} {quoted(value)}"
            yield finding(REFERENCES, code, model.name, what, id=row["_id"], next=back)


_WHERE = {"dangling": "is not there", "archived": "is only in the vault", "deleted": "is marked deleted"}


def _holders(look: Look, reference: Field, part: dict[str, Any], values: Sequence[Any]) -> Iterator[Document]:
    """The live documents that have any of these values: `{_id, values}`, the values that they have at the path."""
    stages: list[dict[str, Any]] = [{"$match": live(look.model)}] if look.model.soft_delete else []
    if filter_reaches(look.model, reference.path):  # then an index on it serves
        stages = [{"$match": both(live(look.model), {reference.path: {"$in": list(values)}})}]
    stages += [
        *value_stages(look.model, reference.path),
        {"$match": {"v": {"$in": list(values), **_of_type(reference)}}},
        {"$group": {"_id": "$_id", "values": {"$addToSet": "$v"}}},
    ]
    return look.read(look.model.collection, part, *stages)
