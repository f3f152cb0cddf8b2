"""What an import is asked for, what it would do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datactl.errors import Problem
from datactl.transfer.formats import Format
from datactl.transfer.sources import Source


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How the input is read. `as_stored`: as documents of a database (always so for BSON and exports)."""

    format: Format | None = None
    as_stored: bool = False
    delimiter: str = ","
    again: bool = False
    rejects: Path | None = None


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would do: `op` is the unfinished import that it carries on, from `position` on.

    `newest` is the last import of the same bytes when it was planned, `rejects` the file that was asked for.
    """

    model: str
    source: Source
    stored: bool
    delimiter: str
    op: str | None = None
    position: int = 0
    rejects: Path | None = None
    newest: str | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of an input. `present` were there already, the same; `rejected` are in the file `rejects`.

    `failed` are the first of them: `where` is the place in the input. `position` is how many documents of the input
    are decided. `stored`: whether they were read as documents of a database.
    """

    op: str | None
    model: str
    read: int
    created: int
    present: int
    rejected: int
    failed: tuple[Problem, ...]
    rejects: Path | None
    stored: bool
    stopped: bool = False
    dry_run: bool = False
