"""A document's id as it is typed: the word of a command line that names the same document again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datactl.errors import BadId
from datactl.render.terminal import word

if TYPE_CHECKING:
    from datactl.schema import Model


def typed(model: Model, id: Any) -> str:
    """Extended JSON where the model reads only that as this id, else plain text; quoted for a shell, safe to show."""
    from datactl.render import ejson

    plain = str(id)
    spelled = ejson.encode(id, canonical=True).decode()
    return word(spelled if not _reads_as(model, plain, id) and _reads_as(model, spelled, id) else plain)


def _reads_as(model: Model, text: str, id: Any) -> bool:
    try:
        read = model.parse_id(text)
    except BadId:
        return False
    return type(read) is type(id) and bool(read == id)
