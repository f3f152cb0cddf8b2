"""What the archive plans and reports: values for surfaces, machines and tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from datactl.archive.rules import Outcome, Window
from datactl.vault import Manifest

# Documents a report names one by one; beyond that they are only counted.
NAMED = 1_000


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """What a run would take: `documents` due before `cutoff` by the server's clock, held ones among them.

    `size`: their bytes of BSON, by the mean of the first thousand: reading each to know would cost as much as the run.

    `undated` marks have no date and never come due. `unsettled` segments were left by earlier runs.
    """

    model: str
    collection: str
    days: int
    cutoff: datetime
    documents: int
    size: int
    held: int
    undated: int
    unsettled: int
    indexed: bool
    windows: tuple[Window, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """A due document that stayed in MongoDB (or had gone from it) and why."""

    id: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What a run did about earlier ones: segments given up, segments brought to an end, documents removed for them.

    `damaged`: what could not be read, each with its object; it was passed over, and nothing of it was deleted.
    """

    aborted: int = 0
    segments: int = 0
    archived: int = 0
    kept: int = 0
    restores: int = 0
    damaged: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.aborted or self.segments or self.restores)


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """What a run did. `archived` documents; `size` bytes of BSON (kept copies too) in `stored` bytes of vault.

    `kept` names at most 1,000; `kept_counts` counts all, by reason. `left`: due documents not reached when stopped.
    """

    op: str
    model: str
    epoch: int
    archived: int
    segments: tuple[str, ...]
    size: int
    stored: int
    kept: tuple[Kept, ...]
    kept_counts: Mapping[str, int]
    settled: Settled
    stopped: bool
    left: int
    cutoff: datetime

    @property
    def ratio(self) -> float | None:
        """Bytes of BSON to one byte stored; None where nothing was stored."""
        return self.size / self.stored if self.stored else None


class Tally:
    """Counts a run as it goes; names the first documents that were kept."""

    def __init__(self) -> None:
        self.archived = 0
        self.segments: list[str] = []
        self.size = 0
        self.stored = 0
        self._documents = 0
        self.kept: list[Kept] = []
        self.kept_counts: Counter[str] = Counter()

    @property
    def documents(self) -> int:
        """Documents decided in segments that are done."""
        return self._documents

    def add(self, manifest: Manifest) -> None:
        """A segment has its receipt."""
        self.segments.append(manifest.name)
        self.size += manifest.raw_bytes
        self.stored += manifest.segment.size
        self._documents += manifest.documents

    def keep(self, id: Any, reason: Outcome | str) -> None:
        self.kept_counts[str(reason)] += 1
        if len(self.kept) < NAMED:
            self.kept.append(Kept(id, str(reason)))
