"""Declared fields -> `Field` values: Mongoose's ways of writing a type, options checked against the type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from datactl.schema.fields import Field
from datactl.schema.frozen import freeze
from datactl.schema.limits import comparable
from datactl.schema.options import FIELD
from datactl.schema.reading import Reader
from datactl.schema.shapes import WRONG
from datactl.schema.types import NOW, NUMERIC, SPELLINGS, FieldType, parse_type
from datactl.schema.values import Unreadable, read_scalar
from datactl.yamlfile.report import Entry, Node, Report, did_you_mean, quoted

_EVERY = frozenset(FieldType)
_CONTAINERS = frozenset({FieldType.OBJECT, FieldType.ARRAY, FieldType.MAP})
_OF_ITEMS = ("enum", "min", "max", "pattern", "ref", "on_delete")  # given beside a list, they are about its items

# option -> the types that it can be given to
_FITS: dict[str, frozenset[FieldType]] = {
    "enum": frozenset(FieldType) - _CONTAINERS,
    "min": NUMERIC | {FieldType.DATE},
    "max": NUMERIC | {FieldType.DATE},
    "min_length": frozenset({FieldType.STRING, FieldType.BINARY, FieldType.ARRAY}),
    "max_length": frozenset({FieldType.STRING, FieldType.BINARY, FieldType.ARRAY}),
    "pattern": frozenset({FieldType.STRING}),
    "ref": frozenset(FieldType) - _CONTAINERS - {FieldType.BOOL, FieldType.BINARY},
    "on_delete": frozenset(FieldType) - _CONTAINERS - {FieldType.BOOL, FieldType.BINARY},
    "items": frozenset({FieldType.ARRAY, FieldType.MAP}),
    "fields": frozenset({FieldType.OBJECT}),
}
_NOW_SPELLINGS = ("now", "Date.now")


class FieldReader:
    """Reads the fields of one model; `places` and `refs` remember where each path and reference was declared."""

    def __init__(self, report: Report, reserved: Mapping[str, str]) -> None:
        self.report = report
        self.places: dict[str, Node] = {}
        self.refs: dict[str, Node] = {}
        self._on_delete: dict[str, Node] = {}
        self._reserved = reserved  # name of a top-level field -> why it cannot be declared

    def fields(self, node: Node, prefix: str = "", *, secret: bool = False) -> tuple[Field, ...]:
        """The fields of a mapping, in order; wrong ones are in the report."""
        if not node.is_mapping:
            self.report.add(node, f"expected a mapping from names to fields, found {node.shown()}", "wrong_value")
            return ()
        found: list[Field] = []
        for name, (key, value) in node.value.items():
            if self._good_name(name, key, top=not prefix):
                field = self.field(name, f"{prefix}{name}", value, key=key, secret=secret)
                if field is not None:
                    found.append(field)
        return tuple(found)

    def field(self, name: str, path: str, node: Node, *, key: Node, secret: bool = False) -> Field | None:
        """One field, from `string`, `[string]`, `{type: string, ...}` or a mapping of nested fields."""
        self.places.setdefault(path, key)
        if isinstance(node.value, str):
            return self._typed(name, path, node, {}, {}, secret)
        if node.is_list:
            return self._typed(name, path, node, {}, {}, secret)
        if not node.is_mapping:
            self.report.add(node if node.value is not None else key, f"{quoted(name)} has no type", "missing_type")
            return None
        if not node.value:
            return Field(name=name, path=path, type=FieldType.MIXED, secret=secret)
        if "type" in node.value and not _is_nested(node.value["type"].value.value):
            given = FIELD.read(node, self.report)
            options = FIELD.by_name(python=self.report.python)
            given_at = {options[each].python: entry for each, entry in node.value.items() if each in options}
            return self._typed(name, path, given.pop("type"), given, given_at, secret)
        if self._forgot_type(node):
            self.report.add(key, f"{quoted(name)} has options, but no type", "missing_type")
            return None
        return Field(
            name=name,
            path=path,
            type=FieldType.OBJECT,
            fields=self.fields(node, f"{path}.", secret=secret),
            secret=secret,
        )

    def _good_name(self, name: str, key: Node, *, top: bool) -> bool:
        if not name or name.startswith("$") or "." in name or "\0" in name:
            self.report.add(
                key, f"{quoted(name)} cannot be a field's name: no dots, no $ in front, not empty", "bad_name"
            )
        elif top and name in self._reserved:
            self.report.add(key, f"{quoted(name)} cannot be declared: {self._reserved[name]}", "reserved_name")
        else:
            return True
        return False

    def _forgot_type(self, node: Node) -> bool:
        """Only names of options, with a value that no field can have: options whose `type` is missing."""
        return all(name in FIELD.by_name() for name in node.value) and any(
            not isinstance(entry.value.value, dict | list | str)
            or (isinstance(entry.value.value, str) and parse_type(entry.value.value) is None)
            for entry in node.value.values()
        )

    def _typed(
        self, name: str, path: str, spec: Node, given: dict[str, Any], given_at: Mapping[str, Entry], secret: bool
    ) -> Field | None:
        secret = secret or bool(given.get("secret"))
        items: Field | None = None
        fields: tuple[Field, ...] = ()
        if spec.is_list:
            kind: FieldType | None = FieldType.ARRAY
            if len(spec.value) > 1:
                self.report.add(spec, "a list holds one type", "wrong_value")
            elif spec.value:
                items = self.field(name, path, spec.value[0], key=spec, secret=secret)
        elif spec.is_mapping:
            kind, fields = FieldType.OBJECT, self.fields(spec, f"{path}.", secret=secret)
        else:
            kind = self._kind(spec)
        if kind is None:
            return None
        if isinstance(inner := given.pop("items", None), Node) and self._fits("items", kind, given_at):
            inside = path if kind is FieldType.ARRAY else f"{path}.$*"
            items = self.field(name if kind is FieldType.ARRAY else "$*", inside, inner, key=inner, secret=secret)
        if isinstance(inner := given.pop("fields", None), Node) and self._fits("fields", kind, given_at):
            fields = self.fields(inner, f"{path}.", secret=secret)
        default = given.pop("default", None)
        field = Field(name=name, path=path, type=kind, items=items, fields=fields)
        if kind is FieldType.ARRAY and items is not None and items.type not in _CONTAINERS:
            own = {option: value for option, value in given.items() if option in _OF_ITEMS}
            given = {option: value for option, value in given.items() if option not in _OF_ITEMS}
            field = replace(field, items=self._with_options(items, own, given_at))
        field = replace(self._with_options(field, given, given_at), secret=secret)
        if kind is FieldType.ARRAY and field.items is not None and field.items.type is FieldType.ARRAY:
            self._refuse_in_lists(field.items)
        if field.immutable and field.items is not None and field.items.on_delete == "nullify":
            at = given_at["immutable"].key
            self.report.add(at, "nullify would change a field that cannot change", "nullify_immutable")
        if isinstance(default, Node) and default.value is not None:
            field = replace(field, default=self._default(field, default))
        return field

    def _kind(self, spec: Node) -> FieldType | None:
        word = spec.value
        kind = parse_type(word) if isinstance(word, str) else None
        if kind is None:
            hint = did_you_mean(word, SPELLINGS) if isinstance(word, str) else ""
            self.report.add(spec, f"unknown type {spec.shown()}{hint}", "unknown_type")
        return kind

    def _fits(self, option: str, kind: FieldType, given_at: Mapping[str, Entry]) -> bool:
        if kind in _FITS.get(option, _EVERY):
            return True
        shown = next(each.name for each in FIELD.options if each.python == option)
        self.report.add(given_at[option].key, f"{shown} is no option of type {kind.value}", "option_not_for_type")
        return False

    def _with_options(self, field: Field, given: Mapping[str, Any], given_at: Mapping[str, Entry]) -> Field:
        options = {name: value for name, value in given.items() if self._fits(name, field.type, given_at)}
        for name in ("min", "max"):
            if name in options:
                value = self._value(field.type, options[name], f"{name} of {field.path}")
                options[name] = None if value is WRONG else value
        if "enum" in options and options["enum"] is not None:
            read = (self._value(field.type, each, f"enum of {field.path}") for each in options["enum"])
            options["enum"] = tuple(value for value in read if value is not WRONG and value is not None)
        field = replace(field, **options)
        if "ref" in options:
            self.refs[field.path] = given_at["ref"].value
        if options.get("on_delete"):
            at = given_at["on_delete"].key
            if not field.ref:
                self.report.add(at, "onDelete is about a reference: give a ref", "option_without_ref")
            elif "$*" in field.path:
                self.report.add(at, "onDelete inside a map: no query finds who refers there", "on_delete_in_map")
            else:
                self._on_delete[field.path] = at
                if field.on_delete == "nullify":
                    self._can_be_emptied(field, at)
        self._order(field, "min", "max", given_at)
        self._order(field, "min_length", "max_length", given_at)
        return field

    def _refuse_in_lists(self, inner: Field) -> None:
        """A query looks into a list, and not into the lists in it."""
        for each in inner.walk():
            at = self._on_delete.pop(each.path, None) if each.on_delete else None
            if at is not None:
                self.report.add(
                    at, "onDelete inside a list of lists: no query finds who refers there", "on_delete_in_lists"
                )

    def _can_be_emptied(self, field: Field, at: Node) -> None:
        if field.required:
            self.report.add(at, "nullify would empty a required field", "nullify_required")
        elif field.immutable or field.path == "_id":
            self.report.add(at, "nullify would change a field that cannot change", "nullify_immutable")

    def _order(self, field: Field, least: str, most: str, given_at: Mapping[str, Entry]) -> None:
        low, high = comparable(getattr(field, least)), comparable(getattr(field, most))
        if low is not None and high is not None and high < low and most in given_at:
            self.report.add(
                given_at[most].key, f"the most allowed is less than the least of {field.path}", "empty_range"
            )

    def _value(self, kind: FieldType, node: Node, what: str) -> Any:
        try:
            return None if node.value is None else read_scalar(kind, node.plain())
        except Unreadable as error:
            self.report.add(node, f"{what}: {error.in_full}, found {node.shown()}", "wrong_value")
            return WRONG

    def _default(self, field: Field, node: Node) -> Any:
        if field.type is FieldType.DATE and node.value in _NOW_SPELLINGS:
            return NOW
        reader = Reader()
        value = reader.value(field, node.plain(), "")
        for problem in reader.problems:
            self.report.add(node, f"default of {field.path}: {problem.what}", "wrong_value")
        return None if reader.problems else freeze(value)


def _is_nested(value: Any) -> bool:
    """Mongoose's rule: `{type: {type: string}}` declares a field that is called type."""
    return isinstance(value, dict) and "type" in value
