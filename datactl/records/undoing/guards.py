"""Guards of an undo: which of a change's values still stand as the operation left them, and so are put back.

Values are compared to the BSON type (1, 1.0 and Int64(1) are three), the order of a document's fields aside: putting a
field back puts it last, and that must not stand against undoing what came before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bson.dbref import DBRef

from datactl.records.actions import UPDATED_AT
from datactl.records.differences import difference, same
from datactl.records.marks import is_marked
from datactl.records.undoing.past import Past, Values, Way, touches
from datactl.schema import Model


class _Missing:
    """That there is nothing at a path."""


MISSING: Final = _Missing()


@dataclass(slots=True)
class Reversal:
    """What taking a change back means for a document as it is now.

    `before` and `after` are the values of the paths that are written: as they are, and as they will be; a path absent
    from `after` is removed. `changed` are paths that are not as the operation left them, `unknown` those whose values
    no event tells, `refused` those that must not be put back, and why; `already`: some are as they were before it.
    """

    before: Values = field(default_factory=dict)
    after: Values = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    already: bool = False

    @property
    def writes(self) -> bool:
        return bool(self.before or self.after)

    def put(self, path: str, now: Any, was: Any) -> None:
        """Give the path the value that it had: MISSING removes it."""
        if now is not MISSING:
            self.before[path] = now
        if was is not MISSING:
            self.after[path] = was

    def refuse(self, path: str, why: str) -> None:
        """Leave the path as it is after all."""
        self.before.pop(path, None)
        self.after.pop(path, None)
        self.refused[path] = why


def reverse(past: Past, document: Mapping[str, Any]) -> Reversal:
    """Decide each path that the change touched; a mark is one thing, and is taken or left whole."""
    model = past.known_model
    before, after = past.before or {}, past.after or {}
    found = Reversal()
    marks = model.marks.names if past.way in (Way.MARK, Way.UNMARK) else ()
    if marks:
        _reverse_marks(past, document, found)
    left_out = {*marks, *((UPDATED_AT,) if model.timestamps else ())}
    for path in dict.fromkeys((*before, *after)):
        if path in left_out:
            continue
        if touches(past.unknown, path) or not _is_plain(path):
            found.unknown.append(path)
            continue
        _reverse_path(path, before.get(path, MISSING), after.get(path, MISSING), document, found)
    found.unknown += (path for path in past.unknown if not touches((*before, *after), path))
    return found


def _reverse_path(path: str, was: Any, became: Any, document: Mapping[str, Any], found: Reversal) -> None:
    now = value_at(document, path)
    if _equal(now, became) and (was is MISSING or _has_place(document, path)):
        found.put(path, now, was)
    elif _equal(now, was):
        found.already = True
    else:
        found.changed.append(path)


def _reverse_marks(past: Past, document: Mapping[str, Any], found: Reversal) -> None:
    model = past.known_model
    before, after = past.before or {}, past.after or {}
    names = model.marks.names
    now = {name: document[name] for name in names if name in document}
    if alike(now, {name: after[name] for name in names if name in after}):
        for name in names:
            if name in now or name in before:
                found.put(name, now.get(name, MISSING), before.get(name, MISSING))
    elif past.way is Way.UNMARK and not is_marked(model, document):
        found.already = True  # live, however it came to be
    elif alike(now, {name: before[name] for name in names if name in before}):
        found.already = True
    else:
        found.changed += [name for name in names if not _equal(now.get(name, MISSING), after.get(name, MISSING))]


def differing(model: Model, one: Mapping[str, Any], other: Mapping[str, Any], unknown: Iterable[str] = ()) -> list[str]:
    """The paths by which two states of a document differ, the order of fields, `updatedAt` and `unknown` ones aside."""
    were, are = difference(_ordered(one), _ordered(other))
    left_out = UPDATED_AT if model.timestamps else None
    unknown = tuple(unknown)
    return [path for path in dict.fromkeys((*were, *are)) if path != left_out and not touches(unknown, path)]


def alike(one: Any, other: Any) -> bool:
    """Equal to the BSON type and byte, the order of fields aside."""
    return same(one, other) or same(_ordered(one), _ordered(other))


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path through nested documents; MISSING where there is none."""
    here: Any = document
    for name in path.split("."):
        if not isinstance(here, Mapping) or name not in here:
            return MISSING
        here = here[name]
    return here


def _has_place(document: Mapping[str, Any], path: str) -> bool:
    """Whether the document that holds the path is there: else whoever removed it would be overruled."""
    above, _, _ = path.rpartition(".")
    return not above or isinstance(value_at(document, above), Mapping)


def _equal(one: Any, other: Any) -> bool:
    if one is MISSING or other is MISSING:
        return one is other
    return alike(one, other)


def _is_plain(path: str) -> bool:
    """Whether an update can name the path."""
    return all(name and not name.startswith("$") for name in path.split("."))


def _ordered(value: Any) -> Any:
    """The value with the fields of every document in it in the order of their names."""
    if isinstance(value, DBRef):
        value = value.as_doc()
    if isinstance(value, Mapping):
        return {name: _ordered(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    return value
