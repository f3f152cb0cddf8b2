"""What is guessed of a database: models, fields and indexes as they will be declared, each with its evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# What is told first: what is wrong already, then what will be, then what nobody needs any more.
CODES = (
    "dangling",
    "undated_marks",
    "odd_marks",
    "duplicates",
    "ttl_index",
    "mixed_types",
    "undeclarable_names",
    "text_ids",
    "split_reference",
    "required_not_kept",
    "unique_misses",
    "unique_blocks",
    "unmarked",
    "other_soft_delete",
    "likely_secret",
    "nearly_always",
    "stamps",
    "text_dates",
    "unprotected_unique",
    "unchecked_unique",
    "undeclared_index",
    "other_validator",
    "many_fields",
    "many_keys",
    "dead_field",
    "dead_index",
)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something its owner may not know: where, what was found, and what to do about it. `code` is one of `CODES`."""

    code: str
    model: str
    where: str
    what: str
    next: str | None = None

    @property
    def rank(self) -> int:
        return CODES.index(self.code)


@dataclass(slots=True)
class FieldGuess:
    """One field. `kind` is a type's spelling; `fields` are an object's, `item` is of a list's items or a map's values.

    `options` are those of models.yaml besides `type`. `evidence` becomes the comment behind the declaration.
    """

    name: str
    path: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    fields: list[FieldGuess] = field(default_factory=list)
    item: FieldGuess | None = None
    evidence: str = ""

    def walk(self) -> Iterator[FieldGuess]:
        """This field and every one inside it."""
        yield self
        if self.item is not None:
            yield from self.item.walk()
        for inner in self.fields:
            yield from inner.walk()

    @property
    def element(self) -> FieldGuess:
        """What a reference is declared on: the items of a list, else the field itself."""
        return self.item.element if self.kind == "array" and self.item is not None else self


@dataclass(frozen=True, slots=True)
class IndexGuess:
    """An index as models.yaml declares it, with its evidence."""

    declared: dict[str, Any]
    evidence: str = ""


@dataclass(slots=True)
class ModelGuess:
    """One model. `about` are the lines above it; `options` those of the model with the evidence of each."""

    name: str
    collection: str
    about: list[str] = field(default_factory=list)
    options: dict[str, tuple[Any, str]] = field(default_factory=dict)
    indexes: list[IndexGuess] = field(default_factory=list)
    fields: list[FieldGuess] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    documents: int = 0
    read: int = 0
    deleters: str | None = None  # the one type of `deletedBy`, `mixed` for several; None where nobody is named

    @property
    def is_exact(self) -> bool:
        """Every document was read, not a sample."""
        return self.read >= self.documents

    def walk(self) -> Iterator[FieldGuess]:
        for each in self.fields:
            yield from each.walk()

    def notice(self, code: str, where: str, what: str, next: str | None = None) -> None:
        """Add a notice, once: a list and its items have one path."""
        if not any(each.code == code and each.where == where for each in self.notices):
            self.notices.append(Notice(code, self.name, where, what, next))


def share(part: int, whole: int) -> str:
    """`98.2 %`; never 0 or 100 for what is not."""
    if not whole or not part:
        return "0 %"
    if part == whole:
        return "100 %"
    percent = min(99.9, max(0.1, 100 * part / whole))
    return f"{percent:.1f} %"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """`1 document`, `1,204 documents`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def of(count: int) -> str:
    return f"of {count:,}"
