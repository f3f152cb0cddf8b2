"""A field of a model, as a frozen value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from datactl.schema.types import FieldType


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field. `path` is dotted; an array's items have the array's own path, a map's values `PATH.$*`.

    `default`, `enum`, `min` and `max` hold BSON-ready values of the field's type (`NOW` for a date's creation time).
    """

    name: str
    path: str
    type: FieldType
    required: bool = False
    ref: str | None = None
    default: Any = None
    enum: tuple[Any, ...] | None = None
    min: Any = None
    max: Any = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    immutable: bool = False
    secret: bool = False
    items: Field | None = None
    fields: tuple[Field, ...] = ()
    on_delete: str | None = None
    description: str | None = None
    _by_name: dict[str, Field] = field(init=False, repr=False, compare=False, hash=False)
    holds_secret: bool = field(init=False, repr=False, compare=False, hash=False)
    """True for a secret field and for one that a secret field is inside of: what stands there is told to nobody."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {child.name: child for child in self.fields})
        inner = (*self.fields, self.items) if self.items else self.fields
        object.__setattr__(self, "holds_secret", self.secret or any(each.holds_secret for each in inner))

    def child(self, name: str) -> Field | None:
        """The field called `name` directly inside this one: of a nested document, of a list's items, of a map."""
        if self.type is FieldType.ARRAY:
            return self.items.child(name) if self.items else None
        if self.type is FieldType.MAP:
            return self.items
        return self._by_name.get(name)

    @property
    def by_name(self) -> dict[str, Field]:
        return self._by_name

    @property
    def open(self) -> bool:
        """True where nothing is declared of what is inside."""
        if self.type is FieldType.ARRAY:
            return self.items is None or self.items.open
        return self.type is FieldType.MIXED or (self.type is FieldType.OBJECT and not self.fields)

    @property
    def element(self) -> Field:
        """The field that a filter's operand is compared with: the items of a list, else the field itself."""
        return self.items.element if self.type is FieldType.ARRAY and self.items else self

    def walk(self) -> Iterator[Field]:
        """This field and every field inside it."""
        yield self
        if self.items:
            yield from self.items.walk()
        for child in self.fields:
            yield from child.walk()
