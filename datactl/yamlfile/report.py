"""What is wrong with a declaration: all problems, each at its place, with the source line under it."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from datactl.errors import ModelsFileError, Problem


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands in its file; line and column count from 1, `width` in characters on that line."""

    line: int
    column: int
    width: int = 1


class Entry(NamedTuple):
    """One key of a mapping, and its value."""

    key: Node
    value: Node


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a declaration with its place (None: it comes from Python) and the names that lead to it."""

    value: Any  # a scalar, a list of Nodes, or a dict of Entries
    trail: str
    place: Place | None = None

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {name: entry.value.plain() for name, entry in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def shown(self) -> str:
        """What a message calls it."""
        if self.is_mapping:
            return "a mapping"
        if self.is_list:
            return "a list"
        if self.value is None:
            return "nothing"
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return quoted(str(self.value)) if isinstance(self.value, str) else str(self.value)


@dataclass(slots=True)
class Report:
    """Collects problems while a declaration is read. `python`: names may be in snake_case."""

    source: str
    lines: Sequence[str] = ()
    python: bool = False
    _found: list[tuple[Place | None, Problem]] = field(default_factory=list)

    def add(self, node: Node, what: str, code: str) -> None:
        self.add_at(node.place, what, code, node.trail)

    def add_at(self, place: Place | None, what: str, code: str, trail: str = "") -> None:
        where = f"{self.source}:{place.line}:{place.column}" if place else trail or self.source
        problem = Problem(where, what, code)
        if not any(problem == known for _, known in self._found):
            self._found.append((place, problem))

    def __bool__(self) -> bool:
        return bool(self._found)

    def error(self) -> ModelsFileError:
        """The problems in the order of the file; `details["excerpts"]` holds the source line and carets of each."""
        found = sorted(self._found, key=lambda each: (each[0].line, each[0].column) if each[0] else (0, 0))
        count = len(found)
        return ModelsFileError(
            f"{self.source} has {count} error{'s' if count != 1 else ''}",
            why=found[0][1].what if count == 1 else None,
            next=None if self.python else "datactl models check",
            problems=[problem for _, problem in found],
            excerpts=[self._excerpt(place) for place, _ in found],
        )

    def _excerpt(self, place: Place | None) -> str:
        if place is None or not 0 < place.line <= len(self.lines):
            return ""
        line = self.lines[place.line - 1].rstrip()
        before, marked = line[: place.column - 1], line[place.column - 1 : place.column - 1 + place.width]
        pad = "".join("\t" if char == "\t" else " " * _cells(char) for char in before)
        carets = "^" * max(1, sum(map(_cells, marked)))
        return f"{place.line:>5} | {line}\n{'':>5}   {pad}{carets}"


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def quoted(text: str, limit: int = 60) -> str:
    """Text between double quotes for a message, shortened, control characters escaped."""
    shown = text if len(text) <= limit else text[: limit - 3] + "..."
    return '"' + "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown) + '"'


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`: did you mean "string"?`, or nothing if no choice is near."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f': did you mean "{by_lower[near[0]]}"?' if near else ""
