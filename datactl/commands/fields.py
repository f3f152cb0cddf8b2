"""Which fields of a document are shown, and in which order: those that were asked for, or what a model has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datactl.errors import UsageError
from datactl.render.tables import Column

if TYPE_CHECKING:
    from datactl.schema import Model

_FIGURES = frozenset({"int", "long", "double", "number", "decimal"})
_NESTED = frozenset({"object", "array", "map", "mixed"})
_WIDEST = 32


def headings(model: Model, *, marks: bool = False) -> tuple[Column, ...]:
    """`_id`, then the required and searched fields, the other plain ones, the marks if asked, times, nested ones."""
    fields = [field for field in model.fields if not field.secret]
    leading = [f for f in fields if f.required or f.path in model.text_search_fields or f.path in model.unique_fields]
    others = [f for f in fields if f not in leading]
    plain = [f for f in leading + others if str(f.type) not in _NESTED]
    nested = [f for f in leading + others if str(f.type) in _NESTED]
    names = [f.path for f in plain]
    if marks and model.soft_delete:
        kept = model.marks
        names = [*names[:1], kept.deleted_at, kept.deleted_by, kept.delete_reason, *names[1:]]
    if model.timestamps:
        names.append("updatedAt")
    figures = {f.path for f in fields if str(f.type) in _FIGURES}
    return (
        Column("_id", keep=True, right=str(model.id_type) in _FIGURES),
        *(Column(name, right=name in figures, widest=_WIDEST) for name in names),
        *(Column(field.path, widest=_WIDEST, nested=True) for field in nested),
    )


def asked_for(model: Model, text: str) -> tuple[str, ...]:
    """The paths of `--fields a,b.c`, `_id` first. FilterError for a field that is unknown or secret."""
    paths = ["_id", *(name.strip() for name in text.split(",") if name.strip())]
    if len(paths) == 1:
        raise UsageError("--fields names no field", next="--fields title,views")
    for path in paths:
        model.read_value(path, None)
    distinct = tuple(dict.fromkeys(paths))
    return tuple(path for path in distinct if not any(path.startswith(f"{other}.") for other in distinct))


def columns_of(model: Model, paths: Sequence[str]) -> tuple[Column, ...]:
    """The columns of the fields that were asked for: none of them gives way to another."""
    return tuple(Column(path, keep=True, right=_is_figure(model, path), widest=_WIDEST) for path in paths)


def only(document: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """The document with these fields alone, in this order."""
    kept: dict[str, Any] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        if name not in document or name in kept:
            continue
        inner = [other.partition(".")[2] for other in paths if other.partition(".")[0] == name]
        kept[name] = _inside(document[name], inner) if rest else document[name]
    return kept


def _inside(value: Any, paths: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_inside(item, paths) for item in value]
    return only(value, paths) if isinstance(value, Mapping) else value


def _is_figure(model: Model, path: str) -> bool:
    field = model.field(path)
    return field is not None and str(field.type) in _FIGURES
