"""Which fields of a model a table shows, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
