"""Guesses as the text of models.yaml: one declaration a line, its evidence as the comment behind it."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datactl.inspect.adopting.guesses import FieldGuess, ModelGuess, counted
from datactl.schema import pluralize

EVIDENCE_COLUMN = 56
LOOK = "look:"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[ ./-][A-Za-z0-9_]+)*\Z", re.ASCII)
_WORDS_OF_YAML = frozenset({"null", "true", "false", "yes", "no", "on", "off"})
_LONGEST_LINE = 118

_OPENING = (
    "Written by `datactl init --from-db`. Behind a declaration stands its evidence: what was found in the documents",
    f"that were read. Lines that begin with `{LOOK}` say what their owner may not know.",
    "Edit what you know better, and run it again when the application has changed: your edits and comments are kept.",
)
_SETTINGS = (
    "settings:              # what the project shares; secrets and addresses belong in .env or the environment",
    "  database: app",
    "  vault: file:.datactl/vault",
)


def write_models(models: Sequence[ModelGuess], left_out: Mapping[str, str], where: str) -> str:
    """The whole file. `where` is the database without credentials."""
    lines = [_comment(line) for line in (*_OPENING, f"Database: {where}")]
    if left_out:
        lines += ["#", "# Not models:"]
        lines += [_comment(f"  {_printable(name)}: {reason}") for name, reason in left_out.items()]
    lines += ["", *(_comment(line) for line in _SETTINGS), "", "models:" if models else "models: {}"]
    for model in models:
        lines += ["", *model_lines(model)]
    return "\n".join(lines) + "\n"


def model_lines(model: ModelGuess) -> list[str]:
    """One model with the comment above it, indented under `models:`."""
    lines = [f"  {_comment(line)}" for line in _head(model)]
    lines.append(f"  {scalar(model.name)}:")
    if model.collection != pluralize(model.name):
        lines.append(f"    collection: {scalar(model.collection)}")
    for option, (value, evidence) in model.options.items():
        lines.append(_line(f"    {option}: {flow(value)}", evidence))
    if model.indexes:
        lines.append("    indexes:")
        lines += [_line(f"      - {flow(index.declared)}", index.evidence) for index in model.indexes]
    lines.append("    fields:" if model.fields else "    fields: {}")
    for field in model.fields:
        lines += field_lines(field, 6)
    return lines


def field_lines(field: FieldGuess, indent: int) -> list[str]:
    """The lines of one field, with those inside it below."""
    pad = " " * indent
    head = f"{pad}{scalar(field.name)}:"
    if field.kind == "object" and field.fields:
        return [_line(head, field.evidence), *_nested(field.fields, indent + 2)]
    if field.kind == "array" and field.item is not None and field.item.kind == "object" and field.item.fields:
        inner = _nested(field.item.fields, indent + 4)
        first = inner[0]
        inner[0] = f"{first[: indent + 2]}- {first[indent + 4 :]}"
        return [_line(head, field.evidence), *inner]
    return [_line(f"{head} {flow(spec(field))}", field.evidence)]


def spec(field: FieldGuess) -> Any:
    """The declaration of a field as plain data: `string`, `{type: string, required: true}`, `[string]`, ..."""
    options = dict(field.options)
    if field.kind == "array" and field.item is not None:
        inner = spec(field.item)
        if isinstance(inner, dict) and field.item.fields:
            return {"type": "array", **options, "items": inner} if options else [inner]
        return {"type": [inner], **options} if options else [inner]
    if field.kind == "map" and field.item is not None:
        return {"type": "map", "of": spec(field.item), **options}
    if field.kind == "object" and field.fields:
        fields = {inner.name: _inside(inner) for inner in field.fields}
        return {"type": "object", **options, "fields": fields} if options or "type" in fields else fields
    return {"type": field.kind, **options} if options else field.kind


def _inside(field: FieldGuess) -> Any:
    """A field inside another one: one that is called `type` must not be read as the type of the outer one."""
    inner = spec(field)
    if field.name != "type" or (isinstance(inner, dict) and "type" in inner):
        return inner
    return {"type": "object", "fields": inner} if isinstance(inner, dict) else {"type": inner}


def _nested(fields: Iterable[FieldGuess], indent: int) -> list[str]:
    lines: list[str] = []
    for field in fields:
        if field.name == "type":
            lines.append(_line(f"{' ' * indent}type: {flow(_inside(field))}", field.evidence))
        else:
            lines += field_lines(field, indent)
    return lines


def _head(model: ModelGuess) -> list[str]:
    number = counted(model.documents, "document")
    about = f"{number}, all read" if model.is_exact else f"about {number}, {model.read:,} read (a random sample)"
    lines = [f"{_printable(model.collection)}: {about if model.documents else 'empty'}", *model.about]
    for notice in sorted(model.notices, key=lambda each: each.rank):
        lines += _wrapped(f"{LOOK} {notice.what}")
        if notice.next:
            lines += _wrapped(f"      {notice.next}")
    return lines


def _wrapped(text: str) -> list[str]:
    """Lines of a comment; those after the first are indented."""
    return textwrap.wrap(
        _printable(text), _LONGEST_LINE - 4, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
    )


def _line(declared: str, evidence: str) -> str:
    if not evidence:
        return declared
    return f"{declared:<{EVIDENCE_COLUMN}} # {_printable(evidence)}"


def _comment(text: str) -> str:
    return f"# {text}" if text else "#"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def flow(value: Any) -> str:
    """A value in flow style: `{type: string, enum: [a, b]}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(name))}: {flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, float):
        return _float(value)
    return str(int(value))


def _float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    return text if "." in text.partition("e")[0] else text.replace("e", ".0e", 1)


def scalar(text: str) -> str:
    """Text as YAML: plain where nothing could read it as something else, else in double quotes."""
    if _PLAIN.match(text) and text.lower() not in _WORDS_OF_YAML:
        return text
    escaped = "".join(_escaped(char) for char in text)
    return f'"{escaped}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
