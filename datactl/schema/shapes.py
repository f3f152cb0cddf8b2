"""Shapes: what the value of an option may be. A shape reads it, and describes itself for editors and for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from datactl.schema.frozen import FrozenDict, freeze
from datactl.yamlfile.report import Node, Report, did_you_mean, quoted


class _Wrong:
    def __repr__(self) -> str:
        return "WRONG"


WRONG: Final = _Wrong()  # what a shape returns for a value that it reported


class Shape:
    """Reads one value of a declaration."""

    words: str = ""  # what documentation calls it

    def read(self, node: Node, report: Report) -> Any:
        """The value, or WRONG, then with the problem in the report."""
        raise TypeError(f"{type(self).__name__} cannot read {node.shown()} for {report.source}")

    def schema(self) -> dict[str, Any]:
        """The draft-07 JSON Schema of what it reads."""
        return {}


def wrong(node: Node, report: Report, expected: str) -> _Wrong:
    report.add(node, f"expected {expected}, found {node.shown()}", "wrong_value")
    return WRONG


class Flag(Shape):
    words = "true or false"

    def read(self, node: Node, report: Report) -> Any:
        if isinstance(node.value, bool):
            return node.value
        if isinstance(node.value, str) and node.value.lower() in ("yes", "no", "on", "off"):
            report.add(node, f"{quoted(node.value)} is text here: write true or false", "wrong_value")
            return WRONG
        return wrong(node, report, self.words)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Text(Shape):
    """Text that matches `pattern` as a whole; `words` says what it is."""

    words: str = "text"
    pattern: str | None = None

    def read(self, node: Node, report: Report) -> Any:
        if not isinstance(node.value, str) or not node.value:
            return wrong(node, report, self.words)
        if self.pattern and not re.fullmatch(self.pattern, node.value):
            report.add(node, f"{quoted(node.value)} is not {self.words}", "wrong_value")
            return WRONG
        return node.value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1} | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})


@dataclass(frozen=True, slots=True)
class Choice(Shape):
    """One of some words, in exactly this spelling."""

    choices: tuple[str, ...]
    code: str = "unknown_choice"

    @property
    def words(self) -> str:  # type: ignore[override]
        return ", ".join(f"`{choice}`" for choice in self.choices[:-1]) + f" or `{self.choices[-1]}`"

    def read(self, node: Node, report: Report) -> Any:
        if node.value in self.choices and isinstance(node.value, str):
            return node.value
        if not isinstance(node.value, str):
            return wrong(node, report, self.words.replace("`", ""))
        hint = did_you_mean(node.value, self.choices) or f": one of {', '.join(self.choices)}"
        report.add(node, f"unknown value {quoted(node.value)}{hint}", self.code)
        return WRONG

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.choices)}


@dataclass(frozen=True, slots=True)
class Whole(Shape):
    """A whole number from `least` on; with `unit`, text like `90d` too."""

    least: int = 0
    unit: str = ""

    @property
    def words(self) -> str:  # type: ignore[override]
        return f"a whole number{f' of {self.unit}' if self.unit else ''} from {self.least} on"

    def read(self, node: Node, report: Report) -> Any:
        value = node.value
        if self.unit and isinstance(value, str) and (found := re.fullmatch(rf"(\d{{1,9}}) ?{self._suffix}", value)):
            value = int(found[1])
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value < 2**31:
            return wrong(node, report, self.words)
        return value

    @property
    def _suffix(self) -> str:
        return f"(?:{self.unit[0]}|{self.unit.rstrip('s')}s?)"

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.least, "maximum": 2**31 - 1}
        if not self.unit:
            return number
        return {"anyOf": [number, {"type": "string", "pattern": rf"^\d{{1,9}} ?{self._suffix}$"}]}


class Anything(Shape):
    """Any value, kept as it is; what depends on the field's type is read later, with the type."""

    words = "a value"

    def read(self, node: Node, report: Report) -> Any:  # noqa: ARG002 - it finds nothing wrong
        return node


@dataclass(frozen=True, slots=True)
class Free(Shape):
    """A mapping (or a list of them) that datactl hands on, such as a filter; frozen."""

    words: str = "a mapping"

    def read(self, node: Node, report: Report) -> Any:
        return freeze(node.plain()) if node.is_mapping else wrong(node, report, self.words)

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class Many(Shape):
    """A list of values of one shape, as a tuple; with `single`, one value alone stands for a list of it."""

    each: Shape
    least: int = 0
    single: bool = False

    @property
    def words(self) -> str:  # type: ignore[override]
        return f"a list of: {self.each.words}"

    def read(self, node: Node, report: Report) -> Any:
        if not node.is_list:
            if self.single and node.value is not None:
                found = self.each.read(node, report)
                return found if found is WRONG else (found,)
            return wrong(node, report, "a list")
        if len(node.value) < self.least:
            report.add(node, "the list is empty", "wrong_value")
            return WRONG
        return tuple(found for item in node.value if (found := self.each.read(item, report)) is not WRONG)

    def schema(self) -> dict[str, Any]:
        many: dict[str, Any] = {"type": "array", "items": self.each.schema()}
        if self.least:
            many["minItems"] = self.least
        return {"anyOf": [self.each.schema(), many]} if self.single else many


@dataclass(frozen=True, slots=True)
class Named(Shape):
    """A mapping from free names to values of one shape, as a FrozenDict."""

    each: Shape
    words: str = "a mapping"
    name_pattern: str | None = None

    def read(self, node: Node, report: Report) -> Any:
        if not node.is_mapping:
            return wrong(node, report, self.words)
        found: dict[str, Any] = {}
        for name, entry in node.value.items():
            if self.name_pattern and not re.fullmatch(self.name_pattern, name):
                report.add(entry.key, f"{quoted(name)} is no name: letters, digits, _ and -", "bad_name")
            elif (value := self.each.read(entry.value, report)) is not WRONG:
                found[name] = value
        return FrozenDict(found)

    def schema(self) -> dict[str, Any]:
        names = {"propertyNames": {"pattern": f"^(?:{self.name_pattern})$"}} if self.name_pattern else {}
        return {"type": "object", "additionalProperties": self.each.schema()} | names


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its name in the file, the one in Python, what it does, its shape and default."""

    name: str
    python: str
    summary: str
    shape: Shape
    default: Any = None
    shown_default: str | None = None
    aliases: tuple[str, ...] = ()
    example: str | None = None


@dataclass(frozen=True, slots=True)
class Record(Shape):
    """A mapping of options, as a dict of what was given, by the options' Python names.

    `hints`: what to say of names that are no options, where more helps than a near spelling.
    """

    options: tuple[Option, ...]
    words: str = "a mapping"
    hints: dict[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def read(self, node: Node, report: Report) -> Any:
        if not node.is_mapping:
            return wrong(node, report, self.words)
        by_name = self.by_name(python=report.python)
        given: dict[str, Any] = {}
        for name, entry in node.value.items():
            option = by_name.get(name)
            if option is None:
                report.add(entry.key, self._unknown(name, by_name), "unknown_option")
            elif option.python in given:
                report.add(entry.key, f"{quoted(name)} is another spelling of an option given before", "duplicate_key")
            elif (value := option.shape.read(entry.value, report)) is not WRONG:
                given[option.python] = value
            else:
                given[option.python] = option.default  # given, if wrongly: no second complaint that it is missing
        for name in self.required:
            if by_name[name].python not in given:
                report.add(node, f"{name} is missing", "missing_option")
        return given

    def by_name(self, *, python: bool = False) -> dict[str, Option]:
        found = {name: option for option in self.options for name in (option.name, *option.aliases)}
        return found | {option.python: option for option in self.options} if python else found

    def _unknown(self, name: str, known: Iterable[str]) -> str:
        hint = self.hints.get(name)
        return f"unknown option {quoted(name)}{f': {hint}' if hint else did_you_mean(name, known)}"

    def schema(self) -> dict[str, Any]:
        return record_schema(self.options, required=self.required)


def record_schema(options: Sequence[Option], *, required: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON Schema of a mapping of options."""
    properties: dict[str, Any] = {}
    for option in options:
        described = option.shape.schema() | {"description": option.summary}
        if isinstance(option.default, bool | int | str):
            described["default"] = option.default
        for name in (option.name, *option.aliases):
            properties[name] = described
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})
