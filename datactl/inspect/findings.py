"""What looking at a project finds wrong with it, as values: for validate, doctor and the plan of the indexes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
"""The `id` of a finding that is not of one document: null is an `_id` that a document may have."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: which check and its stable code, of what, why it is wrong, and what to do next.

    `model` is empty for what is of no model. `where` is for people: a document's id, an index's name, a key of the
    vault, a setting. `id` is the document's `_id` as a BSON value, ABSENT for a finding that is not of one document.
    """

    check: str
    code: str
    model: str
    where: str
    what: str
    next: str
    id: Any = ABSENT

    def row(self) -> dict[str, Any]:
        """The finding by its names, without an `id` that is absent."""
        names = ("check", "code", "model", "where", "what", "next")
        row = {name: getattr(self, name) for name in names}
        return row if self.id is ABSENT else row | {"id": self.id}
