"""A model: what is declared of one collection, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from datactl.schema.fields import Field
from datactl.schema.indexes import Index, derive_indexes
from datactl.schema.policies import Access, Aggregation, ArchivePolicy, EventPolicy, Marks
from datactl.schema.types import FieldType

if TYPE_CHECKING:
    from datactl.errors import Problem

OBJECT_ID = Field(name="_id", path="_id", type=FieldType.OBJECT_ID, required=True, immutable=True)


@dataclass(frozen=True, eq=True)
class Model:
    """Everything declared of one model. `fields` are the declared ones without `_id`, in the order of declaration."""

    name: str
    collection: str
    fields: tuple[Field, ...]
    id_field: Field = OBJECT_ID
    soft_delete: bool = True
    event_sourcing: bool = True
    timestamps: bool = True
    additional_fields: bool = False
    text_search_fields: tuple[str, ...] = ()
    unique_fields: tuple[str, ...] = ()
    declared_indexes: tuple[Index, ...] = ()
    marks: Marks = field(default_factory=Marks)
    archive: ArchivePolicy = field(default_factory=ArchivePolicy)
    access: tuple[Access, ...] = ()
    aggregations: tuple[Aggregation, ...] = ()
    events: EventPolicy = field(default_factory=EventPolicy)
    description: str | None = None

    def __hash__(self) -> int:
        return hash((self.name, self.collection))

    def __repr__(self) -> str:
        return f"<Model {self.name} in {self.collection}, {len(self.fields)} fields>"

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}  # not what is cached beside them

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def id_type(self) -> FieldType:
        return self.id_field.type

    @cached_property
    def system_fields(self) -> tuple[Field, ...]:
        """The fields that datactl and Mongoose keep themselves: marks, timestamps; not the caller's to write."""
        found: list[Field] = []
        if self.timestamps:
            found.append(Field(name="createdAt", path="createdAt", type=FieldType.DATE, immutable=True))
            found.append(Field(name="updatedAt", path="updatedAt", type=FieldType.DATE))
        if self.soft_delete:
            by = FieldType(self.marks.deleted_by_type)
            kinds = (FieldType.BOOL, FieldType.DATE, by, FieldType.STRING, FieldType.STRING)
            named = zip(self.marks.names, kinds, strict=True)
            found += [Field(name=name, path=name, type=kind) for name, kind in named]
        return tuple(found)

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Every top-level field by its name: `_id`, the declared ones, the system's."""
        return {found.name: found for found in (self.id_field, *self.fields, *self.system_fields)}

    def field(self, path: str) -> Field | None:
        """The field at a dotted path, through lists (with or without positions) and maps; None if none is declared."""
        head, *rest = path.split(".")
        found = self.by_name.get(head)
        for name in rest:
            if found is None:
                return None
            if found.type is FieldType.ARRAY and (name.isdecimal() or name in ("$", "$[]")):
                free = Field(name=found.name, path=found.path, type=FieldType.MIXED, secret=found.secret)
                found = found.items or free
            elif found.open:
                found = Field(name=name, path=f"{found.path}.{name}", type=FieldType.MIXED, secret=found.secret)
            else:
                found = found.child(name)
        return found

    def walk(self) -> Iterator[Field]:
        """Every declared field at every depth, `_id` first; not the system's."""
        for top in (self.id_field, *self.fields):
            yield from top.walk()

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Every path that can be named from outside, in order: for completion and did-you-mean."""
        found = dict.fromkeys(each.path for each in self.walk())
        found.update(dict.fromkeys(each.path for each in self.system_fields))
        return tuple(path for path in found if not self.is_secret(path))

    @cached_property
    def secret_paths(self) -> frozenset[str]:
        return frozenset(each.path for each in self.walk() if each.secret)

    def is_secret(self, path: str) -> bool:
        """True for a secret field and for whatever is inside one, by whichever of its paths: `keys.a` for `keys.$*`."""
        if any(path == secret or path.startswith(f"{secret}.") for secret in self.secret_paths):
            return True
        names = path.split(".")
        upward = (self.field(".".join(names[:end])) for end in range(1, len(names) + 1)) if self.secret_paths else ()
        return any(found is not None and (found.secret or found.path in self.secret_paths) for found in upward)

    def touches_secret(self, path: str) -> bool:
        """True for a secret field, for whatever is inside one, and for a field that one is inside of."""
        found = self.field(path)
        return self.is_secret(path) or (found is not None and found.holds_secret)

    @cached_property
    def references(self) -> tuple[Field, ...]:
        """The fields that refer to another model; a list of references is its items' field, with the list's path."""
        return tuple(each for each in self.walk() if each.ref)

    @cached_property
    def _indexes(self) -> tuple[Index, ...]:
        return derive_indexes(self)

    def indexes(self) -> tuple[Index, ...]:
        """Declared, unique, text, reference and soft-delete indexes; never the one on `_id`."""
        return self._indexes

    @property
    def unique_keys(self) -> tuple[Index, ...]:
        """The indexes that keep two live documents apart."""
        return tuple(index for index in self._indexes if index.unique)

    def validator(self) -> dict[str, Any]:
        """The collection's validator: `{"$jsonSchema": ...}`. It accepts what a Mongoose application writes."""
        from datactl.schema.validator import validator

        return validator(self)

    def input_schema(self, *, partial: bool = False) -> dict[str, Any]:
        """JSON Schema 2020-12 of a document as JSON; with `partial`, of a change to one (nothing is required)."""
        from datactl.schema.input_schema import input_schema

        return input_schema(self, partial=partial)

    def new_id(self) -> Any:
        """A new `_id` where the type allows one to be made (objectId, uuid), else None: the caller must bring it."""
        from datactl.schema.identifiers import new_id

        return new_id(self)

    def parse_id(self, value: Any) -> Any:
        """An id from text or JSON, of the model's type; extended JSON (`{"$numberInt": "1"}`) gives any BSON type.

        BadId if it is none.
        """
        from datactl.schema.identifiers import parse_id

        return parse_id(self, value)

    def read_input(self, data: Any, *, partial: bool = False, now: datetime | None = None) -> dict[str, Any]:
        """JSON, extended JSON or native values as a BSON-ready document, with defaults.

        `partial`: a change; keys may be dotted paths, nothing is required and no default applies. `now` is what the
        default `NOW` becomes. InvalidDocument with every problem, each at a JSON Pointer.
        """
        from datactl.schema.reading import read_input

        return read_input(self, data, partial=partial, now=now)

    def read_value(self, path: str, value: Any) -> Any:
        """One operand of a filter, from text or JSON, as a value of the field at `path`. FilterError if it is none."""
        from datactl.schema.operands import read_value

        return read_value(self, path, value)

    def check(self, document: Mapping[str, Any], *, partial: bool = False) -> tuple[Problem, ...]:
        """What is wrong with a stored (BSON) document by today's declaration; empty if nothing is."""
        from datactl.schema.checking import check

        return check(self, document, partial=partial)
