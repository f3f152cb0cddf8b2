"""What only all models together can tell: references, collections, names that differ in case alone."""

from __future__ import annotations

from collections.abc import Mapping

from datactl.schema.declaration import Declared
from datactl.schema.fields import Field
from datactl.schema.model import Model
from datactl.schema.types import NUMERIC, FieldType
from datactl.yamlfile.report import Node, Report, did_you_mean, quoted


def declared_alone(model: Model) -> Declared:
    """A model that came from Python, whose places are its name."""
    node = Node({}, model.name)
    return Declared(model, node, node, {}, {})


def check_together(declared: list[Declared], report: Report) -> None:
    """Report what does not fit."""
    by_name = {each.model.name: each.model for each in declared}
    collections: dict[str, Declared] = {}
    lower: dict[str, Declared] = {}
    for each in declared:
        model = each.model
        other = collections.setdefault(model.collection, each)
        if other is not each:
            what = f"{model.name} and {other.model.name} are both in the collection {quoted(model.collection)}"
            report.add(each.collection, what, "duplicate_collection")
        twin = lower.setdefault(model.name.lower(), each)
        if twin is not each:
            what = f"{quoted(model.name)} and {quoted(twin.model.name)} differ in case only"
            report.add(each.key, what, "ambiguous_name")
        for field in model.references:
            _check_reference(each, field, by_name, report)


def _check_reference(each: Declared, field: Field, models: Mapping[str, Model], report: Report) -> None:
    at = each.places.get(field.path, each.key)
    target = models.get(field.ref or "")
    if target is None:
        hint = did_you_mean(field.ref or "", models)
        what = f"ref {quoted(field.ref or '')} is no model here{hint}"
        report.add(each.refs.get(field.path, at), what, "unknown_model")
    elif not _same_kind(field.type, target.id_type):
        what = (
            f"{field.path} is {field.type.value}, but the _id of {target.name} that it refers to is "
            f"{target.id_type.value}"
        )
        report.add(at, what, "ref_type")


def _same_kind(left: FieldType, right: FieldType) -> bool:
    if FieldType.MIXED in (left, right):
        return True
    return left is right or (left in NUMERIC and right in NUMERIC)
