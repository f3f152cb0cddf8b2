"""A model's policies from its declaration: archive, access, aggregations, events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datactl.schema.declaration import Declaration
from datactl.schema.frozen import FrozenDict
from datactl.schema.model import Model
from datactl.schema.policies import (
    Access,
    Aggregation,
    ArchivePolicy,
    ArchiveSelection,
    ArchiveTiers,
    EventPolicy,
    Handler,
)
from datactl.schema.policy_options import EVENTS
from datactl.schema.types import FieldType
from datactl.yamlfile.report import Node, did_you_mean, quoted

_WRITING_STAGES = ("$out", "$merge")
_JAVASCRIPT = ("$where", "$function", "$accumulator")


def read_archive(declaration: Declaration, model: Model) -> ArchivePolicy:
    given = declaration.given.get("archive") or {}
    select = given.get("select")
    selection = None
    if select and select.get("by"):
        at = declaration.place("archive")
        by = declaration.path(model, select["by"], at)
        if by is not None and by.type not in (FieldType.DATE, FieldType.MIXED):
            declaration.report.add(at, f"{quoted(select['by'])} is no date", "not_a_date")
        _check_filter(declaration, model, select.get("where"), at)
        selection = ArchiveSelection(select["by"], select.get("where") or FrozenDict())
    if given.get("after") is not None and not model.soft_delete and not select:
        what = "without soft delete there are no marks to count an age from: give archive.select"
        declaration.report.add(declaration.place("archive"), what, "archive_without_marks")
    tiers = {name: value for name, value in (given.get("tiers") or {}).items() if value is not None}
    return ArchivePolicy(given.get("after"), selection, ArchiveTiers(**tiers))


def read_access(declaration: Declaration, model: Model) -> tuple[Access, ...]:
    found: list[Access] = []
    for role, given in (declaration.given.get("access") or {}).items():
        _check_filter(declaration, model, given.get("rows"), declaration.place("access", role))
        found.append(Access(role, tuple(dict.fromkeys(given.get("actions") or ())), given.get("rows")))
    return tuple(found)


def _check_filter(declaration: Declaration, model: Model, where: Mapping[str, Any] | None, at: Node) -> None:
    """The fields that a filter names; its operators and operands are read where it is used."""
    for path in where or ():
        if path.startswith("$"):
            declaration.report.add(at, f"{path} cannot stand in a filter here: name fields", "bad_filter")
        else:
            declaration.path(model, path, at)


def read_aggregations(declaration: Declaration) -> tuple[Aggregation, ...]:
    found: list[Aggregation] = []
    for name, given in (declaration.given.get("aggregations") or {}).items():
        at = declaration.place("aggregations", name)
        pipeline = given.get("pipeline") or ()
        for stage in pipeline:
            _check_stage(declaration, stage, at)
        found.append(Aggregation(name, pipeline, given.get("description")))
    return tuple(found)


def _check_stage(declaration: Declaration, stage: Mapping[str, Any], at: Node) -> None:
    if len(stage) != 1 or not next(iter(stage)).startswith("$"):
        declaration.report.add(at, "a stage of a pipeline is a mapping with one $operator", "bad_pipeline")
    for operator in _operators(stage):
        if operator in _WRITING_STAGES:
            declaration.report.add(at, f"{operator} writes: a named pipeline only reads", "bad_pipeline")
        elif operator in _JAVASCRIPT:
            declaration.report.add(at, f"{operator} runs JavaScript in the database: not here", "bad_pipeline")


def read_events(declaration: Declaration) -> EventPolicy:
    given = declaration.given.get("events") or {}
    known = {f"{declaration.name}{event.capitalize()}": event for event in EVENTS}
    handlers: list[Handler] = []
    for handler in given.get("handlers") or ():
        types: list[str] = []
        for word in handler.get("on") or EVENTS:
            event = word if word in known else f"{declaration.name}{word[:1].upper()}{word[1:]}"
            if event not in known:
                hint = did_you_mean(word, (*EVENTS, *known)) or f": one of {', '.join(EVENTS)}"
                declaration.report.add(
                    declaration.place("events"), f"unknown event {quoted(word)}{hint}", "unknown_event"
                )
            types.append(event)
        if handler.get("call"):
            handlers.append(Handler(tuple(dict.fromkeys(types)), handler["call"]))
    return EventPolicy(tuple(handlers), given.get("sinks"))


def _operators(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name.startswith("$"):
                yield name
            yield from _operators(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _operators(inner)
