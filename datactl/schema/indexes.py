"""The indexes of a model: declared, unique, text, reference and soft-delete ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from datactl.schema.frozen import FrozenDict, freeze, thaw

if TYPE_CHECKING:
    from datactl.schema.model import Model


@dataclass(frozen=True, slots=True)
class Index:
    """One index. `keys` are (path, 1 | -1 | "text" | "hashed" | "2dsphere" | "2d"); `origin` says why it is there:
    declared, unique, text, reference or soft_delete. `options` are further options of createIndexes."""

    name: str
    keys: tuple[tuple[str, int | str], ...]
    unique: bool = False
    partial: FrozenDict | None = None
    sparse: bool = False
    expire_after_seconds: int | None = None
    origin: str = "declared"
    options: FrozenDict = field(default_factory=FrozenDict)

    @property
    def is_text(self) -> bool:
        return any(kind == "text" for _, kind in self.keys)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self.keys)

    def as_command(self) -> dict[str, Any]:
        """The index as the createIndexes command takes it: key, name, options."""
        command: dict[str, Any] = {"key": dict(self.keys), "name": self.name}
        if self.unique:
            command["unique"] = True
        if self.partial:  # an empty one is written to say "every document": it is none to the server
            command["partialFilterExpression"] = thaw(self.partial)
        if self.sparse:
            command["sparse"] = True
        if self.expire_after_seconds is not None:
            command["expireAfterSeconds"] = self.expire_after_seconds
        command.update(thaw(self.options))
        return command


def index_name(keys: Iterable[tuple[str, int | str]]) -> str:
    """MongoDB's default name of an index: `category_1_price_-1`."""
    return "_".join(f"{path}_{kind}" for path, kind in keys)


def live_only(model: Model) -> FrozenDict:
    """The filter of a partial index over live documents.

    `{deleted: {$in: [false, null]}}` holds for documents without the mark too; `{deleted: false}` would not.
    """
    return FrozenDict({model.marks.deleted: freeze({"$in": [False, None]})})


def derive_indexes(model: Model) -> tuple[Index, ...]:
    """Every index that a model asks for, each key pattern once, declared ones first."""
    found = [_as_live(model, index) for index in model.declared_indexes]
    found += [_unique(model, path) for path in model.unique_fields]
    if model.text_search_fields:
        found.append(_text(model))
    found += [
        Index(f"{path}_1", ((path, 1),), origin="reference")
        for path in dict.fromkeys(reference.path for reference in model.references)
        if "$*" not in path and not any(_leads_with(index, path) for index in found)
    ]
    deleted, at = model.marks.deleted, model.marks.deleted_at
    if model.soft_delete and not any(_leads_with(index, at) for index in found):  # mongoose-delete may have made one
        # Partial: a live document costs no key. It serves the search for what is due, by age.
        marked = FrozenDict({deleted: True})
        found.append(Index("datactl_marks", ((at, 1),), partial=marked, origin="soft_delete"))
    return tuple(found)


def _as_live(model: Model, index: Index) -> Index:
    if index.unique and model.soft_delete and index.partial is None:
        return replace(index, partial=live_only(model))
    return index


def _unique(model: Model, path: str) -> Index:
    """A document without the field takes no key, unless the field is required: two of them do not clash."""
    condition: dict[str, Any] = dict(live_only(model)) if model.soft_delete else {}
    declared = model.field(path)
    if declared is None or not declared.required or "." in path:
        condition[path] = FrozenDict({"$exists": True})
    partial = FrozenDict(condition) if condition else None
    return Index(f"{path}_1", ((path, 1),), unique=True, partial=partial, origin="unique")


def _text(model: Model) -> Index:
    keys: tuple[tuple[str, int | str], ...] = tuple((path, "text") for path in model.text_search_fields)
    options: dict[str, Any] = {}
    if any(found.name == "language" for declared in model.fields for found in declared.walk()):
        # MongoDB reads a field called `language` as the document's language and refuses what it does not know.
        options["language_override"] = "textSearchLanguage"
    return Index(index_name(keys), keys, origin="text", options=FrozenDict(options))


def _leads_with(index: Index, path: str) -> bool:
    return index.keys[0][0] == path and index.keys[0][1] in (1, -1) and not index.partial and not index.sparse
