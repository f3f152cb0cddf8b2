"""What the vault holds of a model: how many documents are out of MongoDB because of it, and what they weigh."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from datactl.vault.manifest import Manifest
from datactl.vault.receipts import Bitmap, Receipts


@dataclass(frozen=True, slots=True)
class Holdings:
    """`documents` left MongoDB and were not restored since; bytes are those of the segments, BSON and compressed."""

    segments: int = 0
    documents: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0

    @classmethod
    def of(cls, segments: Iterable[tuple[Manifest, Receipts]]) -> Self:
        """Counted. A segment without receipt counts whole: its run is not done."""
        number = documents = raw_bytes = stored_bytes = 0
        for manifest, receipts in segments:
            left = Bitmap.full(manifest.documents) if receipts.deleted is None else receipts.deleted
            number += 1
            documents += len(left - receipts.restored)
            raw_bytes += manifest.raw_bytes
            stored_bytes += manifest.segment.size
        return cls(number, documents, raw_bytes, stored_bytes)

    @property
    def ratio(self) -> float | None:
        """BSON bytes per stored byte, None where nothing is stored."""
        return self.raw_bytes / self.stored_bytes if self.stored_bytes else None
