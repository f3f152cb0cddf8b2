"""What the vault holds of a model: how many documents are out of MongoDB because of it, and what they weigh."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holdings:
    """`documents` left MongoDB and were not restored since; bytes are those of the segments, BSON and compressed."""

    segments: int = 0
    documents: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0

    @property
    def ratio(self) -> float | None:
        """BSON bytes per stored byte, None where nothing is stored."""
        return self.raw_bytes / self.stored_bytes if self.stored_bytes else None
