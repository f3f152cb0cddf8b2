"""A YAML text as pieces: each key of a block mapping with the lines that are its own, so that one can be changed alone.

Lines count from 0. A comment directly above a key, as far indented as the key, belongs to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datactl.schema import pluralize
from datactl.yamlfile.report import Node, Report
from datactl.yamlfile.source import read_nodes

_QUOTED_OR_COMMENT = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:''|[^'])*'|(?:(?<=\s)|^)#.*")


@dataclass(slots=True)
class Piece:
    """One key: `start` is the first line of its comment, `line` the one with the key, `end` the one behind its last.

    `inner` are the keys inside, where the value is a block mapping, or a block list of one; `items` the first lines
    of a block list's items, and the line behind the last one.
    """

    name: str
    value: Node
    line: int
    column: int
    start: int
    end: int
    inner: dict[str, Piece] = field(default_factory=dict)
    items: list[int] = field(default_factory=list)

    @property
    def plain(self) -> Any:
        return self.value.plain()


@dataclass(slots=True)
class Pieces:
    """A whole text: its lines without their ends, and the keys at the top."""

    lines: list[str]
    top: dict[str, Piece]

    def comment(self, piece: Piece) -> str:
        """The comment behind the key, without `#`; empty if there is none."""
        return split_comment(self.lines[piece.line])[1]

    def above(self, piece: Piece) -> list[str]:
        """The lines of the comment above a key, as they stand."""
        return self.lines[piece.start : piece.line]


def read_pieces(text: str) -> Pieces:
    """The pieces of a text that the reader of models accepts; none where it holds nothing."""
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines]
    root = read_nodes(text.removeprefix("\ufeff"), Report("models.yaml"))
    return Pieces(lines, _keys(root, lines, -1, len(lines)) if root is not None else {})


def split_comment(line: str) -> tuple[str, str]:
    """A line without its comment and the blanks before it, and the comment without `#`."""
    for found in _QUOTED_OR_COMMENT.finditer(line):
        if found[0].startswith("#"):
            return line[: found.start()].rstrip(), found[0][1:].strip()
    return line.rstrip(), ""


def _keys(node: Node, lines: Sequence[str], above: int, end: int) -> dict[str, Piece]:
    """The keys of a block mapping between the line `above` and `end`; none of one in flow style."""
    if not node.is_mapping or node.place is None:
        return {}
    entries = [entry for entry in node.value.values() if entry.key.place is not None]
    first = entries[0].key.place if entries else None
    if first is None or (first.line, first.column) != (node.place.line, node.place.column):
        return {}  # in flow style a mapping begins with its brace
    column = first.column - 1
    if any(entry.key.place.column - 1 != column or not above < entry.key.place.line <= end for entry in entries):
        return {}  # a merged mapping: its keys stand elsewhere
    starts = [_start(lines, entry.key.place.line - 1, column, above) for entry in entries]
    found: dict[str, Piece] = {}
    for place, entry in enumerate(entries):
        line = entry.key.place.line - 1
        after = starts[place + 1] if place + 1 < len(entries) else end
        own_end = _end(lines, line, after, column)
        piece = Piece(entry.key.value, entry.value, line, column, starts[place], own_end)
        _look_inside(piece, lines)
        found[piece.name] = piece
    return found


def _look_inside(piece: Piece, lines: Sequence[str]) -> None:
    value = piece.value
    piece.inner = _keys(value, lines, piece.line, piece.end)
    if value.is_list and value.value and value.place is not None and value.place.line - 1 > piece.line:
        if not lines[value.place.line - 1][value.place.column - 1 :].startswith("-"):
            return  # in flow style, over several lines
        firsts = [item.place.line - 1 for item in value.value if item.place is not None]
        piece.items = [*firsts, piece.end]
        if len(value.value) == 1:
            piece.inner = _keys(value.value[0], lines, piece.line, piece.end)


def _start(lines: Sequence[str], line: int, column: int, above: int) -> int:
    while line - 1 > above and lines[line - 1].strip().startswith("#") and _indent(lines[line - 1]) == column:
        line -= 1
    return line


def _end(lines: Sequence[str], line: int, after: int, column: int) -> int:
    """The line behind the last that belongs to a key: blank ones and comments further left are somebody else's."""
    while after - 1 > line and (
        not lines[after - 1].strip()
        or (lines[after - 1].strip().startswith("#") and _indent(lines[after - 1]) <= column)
    ):
        after -= 1
    return after


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def collections_of(pieces: Pieces) -> dict[str, Piece]:
    """Collection -> the piece of its model."""
    models = pieces.top.get("models")
    found: dict[str, Piece] = {}
    for name, piece in (models.inner if models is not None else {}).items():
        said = piece.plain.get("collection") if isinstance(piece.plain, Mapping) else None
        found[said if isinstance(said, str) else pluralize(name)] = piece
    return found
