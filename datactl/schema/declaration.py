"""One model's declaration while it is read: what was given, where it stands, and what it may name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datactl.schema.fields import Field
from datactl.schema.model import Model
from datactl.schema.options import MODEL
from datactl.yamlfile.report import Node, Report, did_you_mean, quoted


@dataclass(frozen=True, slots=True)
class Declared:
    """A model with the nodes it was read from, for what is checked across models."""

    model: Model
    key: Node
    collection: Node
    places: Mapping[str, Node]
    refs: Mapping[str, Node]


class Declaration:
    """The options of one model as they were given, by their Python names, with their places."""

    def __init__(self, name: str, key: Node, node: Node, report: Report) -> None:
        self.name = name
        self.key = key
        self.node = node
        self.report = report
        self.given: dict[str, Any] = MODEL.read(node, report)

    def entry(self, option: str) -> Node | None:
        """The node of an option's value, whichever spelling was used."""
        described = MODEL.by_name()[option]
        for name in (described.name, *described.aliases, described.python):
            if entry := self.node.value.get(name):
                found: Node = entry.value
                return found
        return None

    def place(self, option: str, name: str | None = None) -> Node:
        """The node to blame: the option's value, or one name in it."""
        node = self.entry(option)
        if node is not None and name is not None and node.is_mapping and name in node.value:
            found: Node = node.value[name].key
            return found
        return node if node is not None else self.key

    def path(self, model: Model, path: str, at: Node) -> Field | None:
        """The field at a path; an unknown one is reported, unless undeclared fields are allowed."""
        field = model.field(path)
        if field is None and not (model.additional_fields and path.split(".")[0] not in model.by_name):
            hint = did_you_mean(path, model.paths) or ": declare it in fields"
            self.report.add(at, f"{quoted(path)} is no field of {self.name}{hint}", "unknown_field")
        return field

    def listed(self, option: str) -> Iterator[tuple[str, Node]]:
        """The paths of a list option with their nodes; doubles are reported."""
        entry = self.entry(option)
        seen: set[str] = set()
        for item in entry.value if entry is not None and entry.is_list else ():
            if not isinstance(item.value, str) or not item.value:
                continue  # its shape was wrong, and is reported
            if item.value in seen:
                self.report.add(item, f"{quoted(item.value)} is listed twice", "duplicate_key")
                continue
            seen.add(item.value)
            yield item.value, item
