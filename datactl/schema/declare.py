"""A declaration -> a `Model`: names, options and what each says about the fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from datactl.schema.declaration import Declaration, Declared
from datactl.schema.declare_fields import FieldReader
from datactl.schema.declare_policies import read_access, read_aggregations, read_archive, read_events
from datactl.schema.fields import Field
from datactl.schema.frozen import FrozenDict
from datactl.schema.indexes import Index, index_name
from datactl.schema.model import OBJECT_ID, Model
from datactl.schema.options import MONGOOSE_FIELDS, NAME, RESERVED_COLLECTIONS, RESERVED_MODEL_NAMES
from datactl.schema.plural import pluralize
from datactl.schema.policies import Marks
from datactl.schema.types import FieldType
from datactl.yamlfile.report import Node, Report, quoted

_EXTRA_INDEX_OPTIONS = ("collation", "weights", "hidden", "default_language", "language_override")


def read_model(name: str, key: Node, node: Node, report: Report) -> Declared | None:
    """One model; problems are in the report. None if nothing of it can be used."""
    _check_name(name, key, report)
    if not node.is_mapping:
        report.add(node if node.value is not None else key, f"{name}: expected a mapping with fields", "wrong_value")
        return None
    return _ModelReader(Declaration(name, key, node, report)).read()


def _check_name(name: str, key: Node, report: Report) -> None:
    if not re.fullmatch(NAME, name):
        what = f"{quoted(name)} cannot be a model's name: letters, digits and _, a letter first, 64 at most"
        report.add(key, what, "bad_name")
    elif name.lower() in RESERVED_MODEL_NAMES:
        report.add(key, f"{quoted(name)} cannot be a model's name: commands read it as their own word", "reserved_name")


class _ModelReader:
    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.report = declaration.report
        self.given = declaration.given
        self.soft_delete = bool(self.given.get("enable_soft_delete", True))
        self.timestamps = bool(self.given.get("enable_timestamps", True))
        self.marks = Marks(**self.given.get("marks") or {})
        self.fields = FieldReader(self.report, self._reserved())

    def read(self) -> Declared:
        id_field, fields = self._fields()
        given = self.given
        bare = Model(
            name=self.name,
            collection=given.get("collection") or pluralize(self.name),
            fields=fields,
            id_field=id_field,
            soft_delete=self.soft_delete,
            event_sourcing=bool(given.get("enable_event_sourcing", True)),
            timestamps=self.timestamps,
            additional_fields=bool(given.get("additional_fields", False)),
            marks=self.marks,
            description=given.get("description"),
        )
        self._check_collection(bare.collection)
        self._check_marks()
        model = replace(
            bare,
            text_search_fields=self._text_fields(bare),
            unique_fields=self._unique_fields(bare),
            declared_indexes=self._indexes(bare),
            archive=read_archive(self.declaration, bare),
            access=read_access(self.declaration, bare),
            aggregations=read_aggregations(self.declaration),
            events=read_events(self.declaration),
        )
        return Declared(
            model, self.declaration.key, self.declaration.place("collection"), self.fields.places, self.fields.refs
        )

    # -- fields

    def _reserved(self) -> dict[str, str]:
        found = dict.fromkeys(MONGOOSE_FIELDS, "Mongoose keeps it")
        if self.timestamps:
            found |= dict.fromkeys(("createdAt", "updatedAt"), "enableTimestamps keeps it")
        if self.soft_delete:
            found |= dict.fromkeys(self.marks.names, "enableSoftDelete keeps it")
        return found

    def _fields(self) -> tuple[Field, tuple[Field, ...]]:
        node = self.given.get("fields")
        fields = self.fields.fields(node) if isinstance(node, Node) else ()
        id_field = next((field for field in fields if field.name == "_id"), None)
        if id_field is None:
            return OBJECT_ID, fields
        if id_field.type is FieldType.ARRAY or id_field.default is not None or id_field.secret:
            what = "_id cannot be a list" if id_field.type is FieldType.ARRAY else "_id takes no default and no secret"
            self.report.add(self.fields.places["_id"], what, "bad_id")
        rest = tuple(field for field in fields if field is not id_field)
        return _as_id(id_field), rest

    # -- names of collections and marks

    def _check_collection(self, collection: str) -> None:
        at = self.declaration.place("collection")
        if collection.startswith(("system.", "datactl_")) or collection in RESERVED_COLLECTIONS:
            self.report.add(at, f"the collection {quoted(collection)} is kept for other things", "reserved_name")
        elif "$" in collection or "\0" in collection or collection.startswith(".") or len(collection.encode()) > 200:
            what = f"{quoted(collection)} cannot be a collection's name: no $, no dot in front, 200 bytes at most"
            self.report.add(at, what, "bad_name")

    def _check_marks(self) -> None:
        names = self.marks.names
        taken = ("_id", *MONGOOSE_FIELDS, *(("createdAt", "updatedAt") if self.timestamps else ()))
        for name in names:
            if names.count(name) > 1 or name in taken or "." in name or name.startswith("$") or "\0" in name:
                self.report.add(
                    self.declaration.place("marks"), f"{quoted(name)} cannot name a mark: it is taken", "bad_name"
                )
                return

    # -- lists of paths

    def _text_fields(self, model: Model) -> tuple[str, ...]:
        found: list[str] = []
        for path, at in self.declaration.listed("textSearchFields"):
            field = self.declaration.path(model, path, at)
            if field is not None and field.element.type not in (FieldType.STRING, FieldType.MIXED):
                self.report.add(at, f"{quoted(path)} holds {field.element.type.value}, not text", "not_text")
            elif field is not None and (field.secret or model.is_secret(field.path)):
                self.report.add(at, f"{quoted(path)} is secret: it cannot be searched", "secret_field")
            else:
                found.append(path)
        return tuple(found)

    def _unique_fields(self, model: Model) -> tuple[str, ...]:
        found: list[str] = []
        for path, at in self.declaration.listed("uniqueFields"):
            if path == "_id":
                self.report.add(at, "_id is unique as it is", "redundant")
                continue
            self.declaration.path(model, path, at)
            found.append(path)
        return tuple(found)

    # -- indexes

    def _indexes(self, model: Model) -> tuple[Index, ...]:
        entry = self.declaration.entry("indexes")
        nodes = [node for node in entry.value if node.is_mapping] if entry is not None and entry.is_list else []
        found: list[Index] = []
        names: set[str] = set()
        text = bool(self.given.get("text_search_fields"))
        for given, node in zip(self.given.get("indexes") or (), nodes, strict=True):
            if not given.get("fields"):
                if given.get("fields") is not None and not _index_fields(node).value:
                    self.report.add(node, "an index needs a field", "bad_index")
                continue
            index = self._index(model, given, node)
            if index.is_text and text:
                self.report.add(node, "a collection can have one text index: textSearchFields makes one", "bad_index")
            text = text or index.is_text
            if index.name in names:
                self.report.add(node, f"another index is called {quoted(index.name)}", "duplicate_key")
            names.add(index.name)
            found.append(index)
        return tuple(found)

    def _index(self, model: Model, given: Mapping[str, Any], node: Node) -> Index:
        for path, entry in _index_fields(node).value.items():
            if not path.endswith("$**"):
                self.declaration.path(model, path, entry.key)
        if given.get("expire_after_seconds") is not None and model.soft_delete:
            what = "a TTL index removes documents without archiving them: set archive.after, or enableSoftDelete: false"
            self.report.add(node, what, "ttl_index")
        if given.get("partial") and given.get("sparse"):
            self.report.add(node, "an index is partial or sparse, not both", "bad_index")
        keys = tuple(given["fields"].items())
        extra = {name: given[name] for name in _EXTRA_INDEX_OPTIONS if given.get(name)}
        return Index(
            name=given.get("name") or index_name(keys),
            keys=keys,
            unique=bool(given.get("unique")),
            partial=given.get("partial"),
            sparse=bool(given.get("sparse")),
            expire_after_seconds=given.get("expire_after_seconds"),
            options=FrozenDict(extra),
        )


def _index_fields(node: Node) -> Node:
    found: Node = (node.value.get("fields") or node.value["keys"]).value
    return found


def _as_id(field: Field) -> Field:
    return replace(field, required=True, immutable=True, default=None)
