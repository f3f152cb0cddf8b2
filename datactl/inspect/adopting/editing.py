"""Changing the options of one field where it stands, in whatever style its owner wrote it, with ruamel.yaml."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

_WIDE = 100_000


def edit_options(lines: Sequence[str], changes: Mapping[str, Any], removed: Sequence[str] = ()) -> list[str]:
    """The lines of one key (not indented, the first one begins with it), its options changed.

    Quotes, order, style and comments of what is not changed stay.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load("\n".join(lines) + "\n")
    name = next(iter(document))
    options = document[name]
    if not isinstance(options, CommentedMap) and not removed and set(changes) == {"type"}:
        document[name] = _as_flow(changes["type"])
        changes = {}
    elif not isinstance(options, CommentedMap):
        options = _flow(CommentedMap({"type": options}))
        document[name] = options
    for option in removed:
        options.pop(option, None)
    for option, value in changes.items():
        options[option] = _as_flow(value)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue().rstrip("\n").split("\n")


def _flow(value: Any) -> Any:
    value.fa.set_flow_style()
    return value


def _as_flow(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _flow(CommentedMap({name: _as_flow(inner) for name, inner in value.items()}))
    if isinstance(value, list | tuple):
        return _flow(CommentedSeq([_as_flow(inner) for inner in value]))
    return value
