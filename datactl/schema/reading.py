"""Documents from outside: JSON, extended JSON or Python values -> BSON-ready, every problem at its JSON Pointer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from datactl.errors import InvalidDocument, Problem
from datactl.schema.fields import Field
from datactl.schema.frozen import thaw
from datactl.schema.limits import broken_limits, limited
from datactl.schema.types import NOW, FieldType
from datactl.schema.values import (
    MAX_DEPTH,
    Unreadable,
    as_utc,
    described,
    encodable,
    from_extended,
    is_extended,
    read_scalar,
)
from datactl.yamlfile.report import did_you_mean, quoted

if TYPE_CHECKING:
    from datactl.schema.model import Model


def read_input(model: Model, data: Any, *, partial: bool = False, now: datetime | None = None) -> dict[str, Any]:
    """See Model.read_input."""
    reader = Reader(now=now)
    document = reader.document(model, data, partial=partial)
    if reader.problems:
        raise invalid(model.name, reader.problems)
    return document


def invalid(name: str, problems: list[Problem]) -> InvalidDocument:
    first = problems[0]
    why = f"{first.where or 'the document'}: {first.what}" if len(problems) == 1 else f"{len(problems)} problems"
    return InvalidDocument(f"the document is no valid {name}", why=why, problems=problems, model=name)


def pointer(at: str, name: str | int) -> str:
    """The JSON Pointer (RFC 6901) of a member."""
    if isinstance(name, int):
        return f"{at}/{name}"
    return f"{at}/{name.replace('~', '~0').replace('/', '~1')}" if "~" in name or "/" in name else f"{at}/{name}"


class Reader:
    """One reading of one document; `problems` fills on the way."""

    def __init__(self, *, now: datetime | None = None) -> None:
        self.problems: list[Problem] = []
        self._now = now

    def document(self, model: Model, data: Any, *, partial: bool) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            self._add("", f"expected an object, found {described(data)}", "type")
            return {}
        known = model.by_name
        protected = frozenset(model.marks.names) if model.soft_delete else frozenset()
        found: dict[str, Any] = {}
        for name, value in data.items():
            at = pointer("", str(name))
            field = known.get(name)
            if field is None and partial and isinstance(name, str) and "." in name:
                field = self._dotted(model, name, at)
                if field is None:
                    continue
            if name in protected or (isinstance(name, str) and name.partition(".")[0] in protected):
                self._add(at, "the mark of a deletion is set by delete and restore only", "reserved_field")
            elif field is not None:
                found[name] = self._member(field, value, at, 1)
            elif not self._bad_name(name, at):
                if model.additional_fields:
                    found[name] = self.free(value, at, 1)
                else:
                    self._unknown(name, at, [each.name for each in (model.id_field, *model.fields)])
        if partial:
            self._clashes(found)
        else:
            self._complete(model.fields, found, "")
            if model.id_field.type not in (FieldType.OBJECT_ID, FieldType.UUID) and found.get("_id", self) is self:
                self._add("/_id", "is required", "required")
        return found

    def _dotted(self, model: Model, path: str, at: str) -> Field | None:
        field = model.field(path)
        names = path.split(".")
        if any(self._bad_name(name, at) for name in names):
            return None
        if field is None and not (model.additional_fields and names[0] not in model.by_name):
            self._unknown(path, at, model.paths)
            return None
        return field or Field(name=names[-1], path=path, type=FieldType.MIXED)

    def _clashes(self, found: Mapping[str, Any]) -> None:
        """MongoDB cannot set both a document and a field inside it."""
        for name in found:
            for other in found:
                if name.startswith(f"{other}."):
                    self._add(pointer("", name), f"{quoted(other)} is changed as a whole already", "path_clash")

    def complete(self, fields: tuple[Field, ...], found: dict[str, Any]) -> None:
        """Give a document of these fields the defaults of what it lacks."""
        self._complete(fields, found, "")

    def _complete(self, fields: tuple[Field, ...], found: dict[str, Any], at: str) -> None:
        """Defaults and required fields, where nothing was given."""
        for field in fields:
            if field.name in found:
                continue
            if field.default is not None:
                found[field.name] = self._default(field.default)
            elif field.required:
                self._add(pointer(at, field.name), "is required", "required")
            elif field.type is FieldType.OBJECT and any(child.default is not None for child in field.fields):
                inner: dict[str, Any] = {}
                silent = Reader(now=self._now)
                silent._complete(field.fields, inner, "")
                if not silent.problems:  # else a required neighbour is missing: the nested document is left out
                    found[field.name] = inner

    def _default(self, default: Any) -> Any:
        if default is NOW:
            return as_utc(self._now or datetime.now(UTC))
        return thaw(default)

    def _member(self, field: Field, value: Any, at: str, depth: int) -> Any:
        if value is None:
            if field.required:
                self._add(at, "is required, and null is no value", "required")
            return None
        return self.value(field, value, at, depth)

    def value(self, field: Field, value: Any, at: str, depth: int = 1) -> Any:
        """A value of the field, not null; with limits."""
        kind = field.type
        if depth > MAX_DEPTH:
            self._add(at, f"nested deeper than {MAX_DEPTH} levels", "too_deep")
            return None
        try:
            if kind is FieldType.OBJECT or kind is FieldType.MAP:
                if not isinstance(value, Mapping) or is_extended(value):
                    raise Unreadable("type", "expected an object")
                return self._nested(field, value, at, depth)
            if kind is FieldType.ARRAY:
                if not isinstance(value, list | tuple):
                    raise Unreadable("type", "expected a list")
                result: Any = self._items(field, value, at, depth)
            elif kind is FieldType.MIXED:
                result = self.free(value, at, depth, field)
            else:
                result = read_scalar(kind, value)
        except Unreadable as error:
            self._refused(error, at, field, f", found {described(value)}" if error.code == "type" else "")
            return None
        if limited(field):
            for code, what in broken_limits(field, result):
                self._add(at, what, code)
        return result

    def _items(self, field: Field, values: list[Any] | tuple[Any, ...], at: str, depth: int) -> list[Any]:
        item = field.items
        if item is None:
            return [self.free(value, pointer(at, n), depth + 1, field) for n, value in enumerate(values)]
        return [self._member(item, value, pointer(at, n), depth + 1) for n, value in enumerate(values)]

    def _nested(self, field: Field, value: Mapping[Any, Any], at: str, depth: int) -> dict[str, Any]:
        if field.open:
            free = self.free(value, at, depth, field)
            return free if isinstance(free, dict) else {}
        found: dict[str, Any] = {}
        for name, item in value.items():
            here = pointer(at, str(name))
            if self._bad_name(name, here):
                continue
            child = field.child(name)
            if child is not None:
                found[name] = self._member(child, item, here, depth + 1)
            elif name == "_id" or field.type is FieldType.MAP:
                found[name] = self.free(item, here, depth + 1, field)
            else:
                self._unknown(name, here, field.by_name)
        self._complete(field.fields, found, at)
        return found

    def free(self, value: Any, at: str, depth: int, field: Field | None = None) -> Any:
        """A value of no declared type; `field` is the declared one that it is inside of."""
        if depth > MAX_DEPTH:
            self._add(at, f"nested deeper than {MAX_DEPTH} levels", "too_deep")
            return None
        try:
            if isinstance(value, Mapping):
                if is_extended(value):
                    return from_extended(value)
                return {
                    name: self.free(item, pointer(at, name), depth + 1, field)
                    for name, item in value.items()
                    if not self._bad_name(name, pointer(at, str(name)))
                }
            if isinstance(value, list | tuple):
                return [self.free(item, pointer(at, n), depth + 1, field) for n, item in enumerate(value)]
            return read_scalar(FieldType.MIXED, value)
        except Unreadable as error:
            self._refused(error, at, field)
            return None

    def _refused(self, error: Unreadable, at: str, field: Field | None, found: str = "") -> None:
        """Nothing of the value stands in the problem where it may be secret."""
        told = field is None or not field.holds_secret
        self._add(at, error.in_full + found if told else error.what, error.code)

    def _bad_name(self, name: Any, at: str) -> bool:
        """MongoDB cannot address such names, or reads them as operators."""
        if not isinstance(name, str):
            what = "a field's name must be text"
        elif not name:
            what = "a field's name must not be empty"
        elif "\0" in name:
            what = "a field's name must not contain a NUL character"
        elif name[0] == "$":
            what = "a field's name must not begin with $"
        elif "." in name:
            what = "a field's name must not contain a dot: nest the field instead"
        else:
            try:
                encodable(name)
            except Unreadable as error:
                what = error.what
            else:
                return False
        self._add(at, what, "bad_name")
        return True

    def _unknown(self, name: str, at: str, near: Any) -> None:
        self._add(at, f"unknown field {quoted(name)}{did_you_mean(name, near)}", "unknown_field")

    def _add(self, at: str, what: str, code: str) -> None:
        self.problems.append(Problem(at, what, code))
