"""A YAML text as nodes that know their places, read by the YAML 1.2 core schema.

PyYAML reads YAML 1.1, where `on` and `NO` are booleans, `0777` is 511 and `12:30:00` is 45000. Here they are text,
as are dates. A number with a leading zero is text too: YAML 1.1 and 1.2 disagree about what it would be.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from datactl.yamlfile.report import Entry, Node, Place, Report, quoted

if TYPE_CHECKING:
    import yaml

_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"
_CORE: tuple[tuple[str, str, str | None], ...] = (  # (tag, what is read as it, first characters; None: any)
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^(?:[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    (
        "float",
        (
            r"^(?:[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]*)(?=[eE]))(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        "-+.0123456789",
    ),
)
MAX_NODES = 200_000  # aliases can multiply a small file into a large one
MAX_DEPTH = 60
MAX_BYTES = 4 * 1024 * 1024


def decode(data: bytes, report: Report) -> str | None:
    """The text of a file; None if it is no UTF-8 or too large, which is then in the report."""
    if len(data) > MAX_BYTES:
        report.add_at(None, f"the file is larger than {MAX_BYTES // 2**20} MiB", "too_large")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        report.lines = data.decode("utf-8", "replace").split("\n")
        report.add_at(Place(line, column), f"not UTF-8: byte 0x{data[error.start]:02x}", "encoding")
        return None


@cache
def _loader() -> type[yaml.SafeLoader]:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a PyYAML without libyaml has none

    class CoreLoader(base):  # type: ignore[misc]
        """Resolves plain scalars by the core schema and constructs nothing: only nodes are taken from it."""

        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    for tag, pattern, first in _CORE:
        initials = [char if char != "\0" else "" for char in first] if first else None
        CoreLoader.add_implicit_resolver(_TAG + tag, re.compile(pattern), initials)
    return CoreLoader


def read_nodes(text: str, report: Report) -> Node | None:
    """The document as a tree of nodes; None if it cannot be parsed, which is then in the report."""
    import yaml

    try:
        if _too_deep(text, report):
            return None
        loader = _loader()(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.problem, error.context) if part) or "it cannot be parsed"
        report.add_at(Place(mark.line + 1, mark.column + 1) if mark else None, f"not YAML: {what}", "yaml_syntax")
        return None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        report.add_at(place, f"not YAML: a character that YAML does not allow: {_codepoint(error)}", "yaml_syntax")
        return None
    if root is None:
        return Node(None, "")
    reader = _Reader(report)
    node = reader.read(root, "", 0)
    return None if reader.too_large else node


def _too_deep(text: str, report: Report) -> bool:
    """libyaml composes by recursion and overflows the C stack, so the depth is known before."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=_loader()):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            report.add_at(_place(event), f"nested deeper than {MAX_DEPTH} levels", "too_large")
            return True
    return False


def _codepoint(error: yaml.reader.ReaderError) -> str:
    char = error.character
    return f"U+{char if isinstance(char, int) else ord(char[:1] or chr(0)):04X}"


class _Reader:
    """Turns PyYAML's nodes (untyped: its stubs leave out most of them) into ours."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._count = 0
        self.too_large = False

    def read(self, found: Any, trail: str, depth: int) -> Node:
        place = _place(found)
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            self._stop(place, depth)
            return Node(None, trail, place)
        kind = found.tag.removeprefix(_TAG)
        if found.id == "mapping" and kind == "map":
            return Node(self._mapping(found.value, trail, depth), trail, place)
        if found.id == "sequence" and kind == "seq":
            items = [self.read(item, f"{trail}/{n}", depth + 1) for n, item in enumerate(found.value)]
            return Node(items, trail, place)
        if found.id == "scalar" and kind in ("str", "null", "bool", "int", "float"):
            return Node(self._scalar(found.value, kind, place), trail, place)
        self._report.add_at(place, f"unknown tag {quoted(found.tag)}", "unknown_tag")
        return Node(None, trail, place)

    def _stop(self, place: Place, depth: int) -> None:
        """Report the first excess only: the rest of the file is then read no further."""
        if self.too_large:
            return
        self.too_large = True
        self._count = MAX_NODES
        what = f"nested deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_NODES:,} values"
        self._report.add_at(place, f"{what}, aliases counted", "too_large")

    def _mapping(self, pairs: list[tuple[Any, Any]], trail: str, depth: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in pairs:
            place = _place(key)
            if key.id != "scalar" or (key.tag == _TAG + "null" and not key.value):
                self._report.add_at(place, "a key must be text", "bad_key")
                continue
            name = str(key.value)
            if name == _MERGE and not key.style:
                for source in value.value if value.id == "sequence" else [value]:
                    node = self.read(source, trail, depth + 1)
                    if isinstance(node.value, dict):
                        merged = node.value | merged  # of several, the first wins
                    else:
                        self._report.add_at(_place(source), f"{_MERGE} takes a mapping", "bad_merge")
                continue
            if name in entries:
                first = entries[name].key.place
                line = f" (first on line {first.line})" if first else ""
                self._report.add_at(place, f"duplicate key {quoted(name)}{line}", "duplicate_key")
                continue
            child = f"{trail}/{name}" if trail else name
            entries[name] = Entry(Node(name, child, place), self.read(value, child, depth + 1))
        return entries | {name: entry for name, entry in merged.items() if name not in entries}

    def _scalar(self, text: str, kind: str, place: Place) -> Any:
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        try:
            if kind == "int":
                return int(text, 0) if text[:2] in ("0o", "0x") else int(text, 10)
            if kind == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            pass  # said below: an explicit tag on what is none
        if kind != "str":
            self._report.add_at(place, f"{quoted(text)} is no {kind}", "bad_scalar")
        return text


def _place(found: Any) -> Place:
    start, end = found.start_mark, found.end_mark
    one_line = start.line == end.line and getattr(found, "id", "") == "scalar"
    return Place(start.line + 1, start.column + 1, max(1, end.column - start.column) if one_line else 1)


def python_node(value: Any, trail: str) -> Node:
    """Python values as nodes, so that one reader serves both."""
    if isinstance(value, dict) or hasattr(value, "keys"):
        return Node(
            {
                str(key): Entry(Node(str(key), f"{trail}/{key}"), python_node(item, f"{trail}/{key}"))
                for key, item in dict(value).items()
            },
            trail,
        )
    if isinstance(value, list | tuple):
        return Node([python_node(item, f"{trail}/{n}") for n, item in enumerate(value)], trail)
    return Node(value, trail)
