"""Two validators compared rule by rule, in the words of their JSON Schema; the order of names says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_UNORDERED = ("bsonType", "enum")
_BELOW = {"items": "[]", "additionalProperties": ".$*", "not": " not"}


def differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What differs, each as `email: required is missing there`; empty where both say the same."""
    if set(there) != set(wanted):
        others = ", ".join(sorted(set(there) - set(wanted)))
        return [f"it has rules beside $jsonSchema ({others})" if others else "it has no $jsonSchema"]
    have, want = dict(_rules(there["$jsonSchema"], "")), dict(_rules(wanted["$jsonSchema"], ""))
    found = []
    for path, word in sorted(have.keys() | want.keys()):
        mine, theirs = want.get((path, word)), have.get((path, word))
        if mine == theirs:
            continue
        at = f"{path}: " if path else ""
        if theirs is None:
            found.append(f"{at}{word} {_shown(mine)} is missing there")
        elif mine is None:
            found.append(f"{at}{word} {_shown(theirs)} is there, and not in the model")
        else:
            found.append(f"{at}{word} is {_shown(theirs)} there, {_shown(mine)} in the model")
    return found


def _rules(schema: Mapping[str, Any], path: str) -> Iterator[tuple[tuple[str, str], Any]]:
    """Every rule as ((path, keyword), value), lists that have no order as sorted ones."""
    for word, value in schema.items():
        if word == "properties":
            for name, inner in value.items():
                yield from _rules(inner, f"{path}.{name}" if path else name)
        elif word == "required" and isinstance(value, list):
            for name in value:
                yield (f"{path}.{name}" if path else name, "required"), True
        elif word in _BELOW and isinstance(value, Mapping):
            yield from _rules(value, f"{path}{_BELOW[word]}")
        elif word in _UNORDERED:
            listed = value if isinstance(value, list) else [value]
            yield (path, word), tuple(sorted(str(each) for each in listed))
        else:
            yield (path, word), value


def _shown(value: Any) -> str:
    if value is True:
        return "true"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
