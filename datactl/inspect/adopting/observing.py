"""What was seen of a field: kinds of values, counts, ranges and a few values, in bounded memory.

Two caps keep a collection with data for keys (a field per user) from filling the memory: a document's nested part
remembers `MAX_KEYS` names, then only what the values behind them are; and a collection has `MAX_NODES` paths in all.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from datactl.inspect.adopting.likely_secrets import secret_shape

MAX_DEPTH = 8
MAX_KEYS = 300
MAX_NODES = 20_000
MAX_ITEMS = 20  # of each list; further items are counted, not looked at
_MAX_VALUES = 60  # distinct texts kept per field: enough to tell an enum from free text
_MAX_PROBES = 200  # distinct ids kept per field, to be looked up elsewhere
_MAX_HASHES = 5_000  # values remembered by hash, to tell whether any comes twice
_SHAPES_FROM = 200  # texts of a field that are looked at for their shape
_LONGEST_VALUE = 60

KIND_OF: dict[type, str] = {
    type(None): "null",
    str: "string",
    bool: "bool",
    int: "int",
    Int64: "long",
    float: "double",
    Decimal128: "decimal",
    datetime: "date",
    DatetimeMS: "date",
    ObjectId: "objectId",
    uuid.UUID: "uuid",
    bytes: "binary",
    Binary: "binary",
    dict: "object",
    list: "array",
    Regex: "regex",
    Timestamp: "timestamp",
    Code: "javascript",
    DBRef: "dbRef",
    MinKey: "minKey",
    MaxKey: "maxKey",
}
_NUMBERS = frozenset({"int", "long", "double"})

_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ObjectId", re.compile(r"[0-9a-f]{24}\Z", re.ASCII)),
    ("UUID", re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z", re.ASCII)),
    ("date", re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?\Z", re.ASCII)),
    ("number", re.compile(r"-?\d{1,18}([.,]\d+)?\Z", re.ASCII)),
    ("e-mail address", re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}\.[^@\s]{2,}\Z")),
    ("URL", re.compile(r"https?://\S+\Z")),
)


class Budget:
    """How many more paths of a collection are remembered."""

    def __init__(self, left: int = MAX_NODES) -> None:
        self.left = left

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


class Seen:
    """The values seen at one path. `count` includes null; what lacks the field is the parent's count less this one."""

    __slots__ = (
        "children",
        "count",
        "each",
        "empty",
        "first",
        "hashes",
        "items",
        "kinds",
        "last",
        "least",
        "longest",
        "many_values",
        "most",
        "probes",
        "repeats",
        "secrets",
        "shaped",
        "shapes",
        "shortest",
        "subtypes",
        "too_deep",
        "total_items",
        "trues",
        "unread",
        "values",
        "varieties",
        "whole",
    )

    def __init__(self) -> None:
        self.count = 0
        self.kinds: Counter[str] = Counter()
        self.children: dict[str, Seen] = {}
        self.each: Seen | None = None  # every value behind the keys of an object with too many of them
        self.items: Seen | None = None
        self.total_items = 0
        self.shortest: int | None = None  # lists: the least and the greatest number of items
        self.longest = 0
        self.values: Counter[str] = Counter()
        self.many_values = False
        self.hashes: set[int] = set()
        self.repeats = 0
        self.probes: dict[Any, None] = {}
        self.shapes: Counter[str] = Counter()
        self.shaped = 0
        self.secrets: Counter[str] = Counter()
        self.subtypes: Counter[int] = Counter()
        self.empty = 0
        self.trues = 0
        self.whole = True  # every number so far is a whole one
        self.least: Any = None
        self.most: Any = None
        self.first: int | None = None  # the creation of the first and the last document that has a value here
        self.last: int | None = None
        self.varieties: Counter[str] = Counter()  # by the discriminator of the document
        self.unread = 0  # keys that found no room
        self.too_deep = False

    @property
    def given(self) -> int:
        """Values that are not null."""
        return self.count - self.kinds["null"]

    def dated(self, when: int | None, variety: str | None) -> None:
        """Remember when a document with a value here was created, and of which kind it is."""
        if when is not None:
            self.first = when if self.first is None or when < self.first else self.first
            self.last = when if self.last is None or when > self.last else self.last
        if variety is not None:
            self.varieties[variety] += 1

    def add(self, value: Any, budget: Budget, depth: int = 0) -> None:
        """See one value."""
        kind = KIND_OF.get(type(value)) or _kind_of_subclass(value)
        self.count += 1
        self.kinds[kind] += 1
        if kind == "string":
            self._text(value)
        elif kind in _NUMBERS:
            self._number(value)
        elif kind == "object":
            self._object(value, budget, depth)
        elif kind == "array":
            self._array(value, budget, depth)
        elif kind == "bool":
            self.trues += value
        elif kind == "date":
            if type(value) is datetime:
                self._range(value)
        elif kind == "objectId" or kind == "uuid":
            self._once(value)
            if len(self.probes) < _MAX_PROBES:
                self.probes[value] = None
        elif kind == "binary":
            self.subtypes[getattr(value, "subtype", 0)] += 1

    def _text(self, value: str) -> None:
        if not value:
            self.empty += 1
        self._once(value)
        if not self.many_values:
            if len(value) > _LONGEST_VALUE:
                self._forget_values()
            else:
                self.values[value] += 1
                if len(self.values) > _MAX_VALUES:
                    self._forget_values()
        if len(self.probes) < _MAX_PROBES and 0 < len(value) <= _LONGEST_VALUE:
            self.probes[value] = None
        if self.shaped < _SHAPES_FROM and value:
            self.shaped += 1
            for shape, pattern in _SHAPES:
                if pattern.match(value):
                    self.shapes[shape] += 1
                    break
            if found := secret_shape(value):
                self.secrets[found] += 1

    def _forget_values(self) -> None:
        self.values.clear()
        self.many_values = True

    def _number(self, value: float) -> None:
        if value != value:  # NaN
            self.whole = False
            return
        if self.whole and type(value) is float and not value.is_integer():
            self.whole = False
        self._range(value)
        self._once(value)
        if len(self.probes) < _MAX_PROBES:
            self.probes[value] = None

    def _range(self, value: Any) -> None:
        least: Any = self.least
        if least is None or isinstance(value, datetime) != isinstance(least, datetime):
            self.least = self.most = value  # of a field with both numbers and dates the last kind's range is kept
            return
        if value < self.least:
            self.least = value
        elif value > self.most:
            self.most = value

    def _once(self, value: Any) -> None:
        if len(self.hashes) < _MAX_HASHES:
            before = len(self.hashes)
            self.hashes.add(hash(value))
            self.repeats += len(self.hashes) == before

    def _array(self, values: list[Any], budget: Budget, depth: int) -> None:
        length = len(values)
        self.total_items += length
        self.shortest = length if self.shortest is None or length < self.shortest else self.shortest
        self.longest = max(self.longest, length)
        if depth >= MAX_DEPTH:
            self.too_deep = True
            return
        if self.items is None:
            self.items = Seen()
        for value in values[:MAX_ITEMS]:
            self.items.add(value, budget, depth + 1)

    def _object(self, document: dict[str, Any], budget: Budget, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self.too_deep = self.too_deep or bool(document)
            return
        for name, value in document.items():
            child = self.child(name, budget, top=depth == 0)
            if child is not None:
                child.add(value, budget, depth + 1)

    def child(self, name: str, budget: Budget, *, top: bool) -> Seen | None:
        """Where a value under this name is counted; None where there is no more room."""
        if self.each is not None:
            return self.each
        found = self.children.get(name)
        if found is not None:
            return found
        if len(self.children) >= MAX_KEYS and not top:
            self.each = absorbed(self.children.values())
            return self.each
        if (top and len(self.children) >= MAX_KEYS * 2) or not budget.take():
            self.unread += 1
            return None
        found = self.children[name] = Seen()
        return found

    def absorb(self, other: Seen) -> None:
        """Count another field's values here as well."""
        self.count += other.count
        self.kinds.update(other.kinds)
        for name, child in other.children.items():
            self.children.setdefault(name, Seen()).absorb(child)
        for mine, theirs in (("each", other.each), ("items", other.items)):
            if theirs is not None:
                own = getattr(self, mine) or Seen()
                own.absorb(theirs)
                setattr(self, mine, own)
        self.total_items += other.total_items
        if other.shortest is not None:
            self.shortest = other.shortest if self.shortest is None else min(self.shortest, other.shortest)
        self.longest = max(self.longest, other.longest)
        self.values.update(other.values)
        if self.many_values or other.many_values or len(self.values) > _MAX_VALUES:
            self._forget_values()
        self.repeats += other.repeats
        for probe in other.probes:
            if len(self.probes) < _MAX_PROBES:
                self.probes[probe] = None
        self.shapes.update(other.shapes)
        self.secrets.update(other.secrets)
        self.subtypes.update(other.subtypes)
        self.shaped += other.shaped
        self.empty += other.empty
        self.trues += other.trues
        self.whole = self.whole and other.whole
        for bound in (other.least, other.most):
            if bound is not None:
                self._range(bound)
        self.unread += other.unread
        self.too_deep = self.too_deep or other.too_deep


def absorbed(many: Iterable[Seen]) -> Seen:
    """All of these as if they were one field."""
    found = Seen()
    for each in many:
        found.absorb(each)
    return found


def _kind_of_subclass(value: Any) -> str:
    for known, kind in KIND_OF.items():
        if isinstance(value, known):
            return kind
    return type(value).__name__
