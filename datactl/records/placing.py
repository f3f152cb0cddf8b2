"""Giving a document values at dotted paths, without the server."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from datactl.errors import InvalidDocument


def with_values(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the document with these values (dotted path -> value), as `$set` would make it.

    InvalidDocument where a path leads through something that is neither a document nor a list with that position.
    """
    if not values:
        return dict(document)
    made: dict[str, Any] = copy.deepcopy(dict(document))
    for path, value in values.items():
        _put(made, path.split("."), value)
    return made


def _put(document: dict[str, Any], path: list[str], value: Any) -> None:
    *above, last = path
    here: Any = document
    for name in above:
        here = here.setdefault(name, {}) if isinstance(here, dict) else here[_position(here, name, path)]
    if isinstance(here, dict):
        here[last] = value
    else:
        here[_position(here, last, path)] = value


def _position(here: Any, name: str, path: list[str]) -> int:
    if isinstance(here, list) and name.isdecimal() and int(name) < len(here):
        return int(name)
    raise InvalidDocument(f"{'.'.join(path)} cannot be set", why=f"the document has no place for {name} there")
