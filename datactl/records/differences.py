"""Differences: which paths of a document changed, with the values before and after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import bson
from bson import ObjectId

from datactl.mongo import CODEC

_PLAIN = frozenset((str, int, bool, ObjectId, datetime, type(None)))


def same(one: Any, other: Any) -> bool:
    """Equal to the byte: 1 and 1.0 are two values, a document with its fields in another order is another."""
    if type(one) is type(other) and type(one) in _PLAIN:
        return bool(one == other)
    return bson.encode({"v": one}, codec_options=CODEC) == bson.encode({"v": other}, codec_options=CODEC)


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of the changed paths before and after; a path that is absent there did not exist.

    Paths are dotted and go down to the fields of nested documents; a list counts as one value, as does a nested
    document with a field name that a dotted path could not tell from another.
    """
    were: dict[str, Any] = {}
    are: dict[str, Any] = {}
    _compare(before, after, "", were, are)
    return were, are


def _compare(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str, were: dict[str, Any], are: dict[str, Any]
) -> None:
    for name in (*before, *(name for name in after if name not in before)):
        path = prefix + name
        if name not in after:
            were[path] = before[name]
        elif name not in before:
            are[path] = after[name]
        elif not same(before[name], after[name]):
            old, new = before[name], after[name]
            if _comparable(old) and _comparable(new) and not _only_order(old, new):
                _compare(old, new, f"{path}.", were, are)
            else:
                were[path], are[path] = old, new


def _comparable(value: Any) -> bool:
    return isinstance(value, Mapping) and all(name and "." not in name and name[0] != "$" for name in value)


def _only_order(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return old.keys() == new.keys() and all(same(old[name], new[name]) for name in old)
