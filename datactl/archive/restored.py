"""What a restore brought back, document by document, and what not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datactl.archive.whereabouts import ArchivedCopy, Place
from datactl.errors import DatactlError, PartlyDone, Problem
from datactl.records.results import Along


@dataclass(frozen=True, slots=True)
class Restored:
    """One document that is back. `came_from` is where it was; an archived one names its copy."""

    id: Any
    came_from: Place
    copy: ArchivedCopy | None = None


@dataclass(frozen=True, slots=True)
class RestoreFailure:
    """One document that did not come back, and the error that says why."""

    id: Any
    error: DatactlError


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What became of each document. `unchanged` were live already; `left` were not reached when stopped.

    `along`: what came back with them, by model, for it was deleted with them; `left_along` is what did not, and why.
    `deleted_by`: the operation that had deleted the only one asked for; `emptied`: how many references of which models
    that one emptied, which stay so.
    """

    op: str
    model: str
    restored: tuple[Restored, ...]
    unchanged: tuple[Any, ...]
    failed: tuple[RestoreFailure, ...]
    stopped: bool
    left: int
    along: Along = field(default_factory=dict)
    left_along: tuple[Problem, ...] = ()
    deleted_by: str | None = None
    emptied: Mapping[str, int] = field(default_factory=dict)

    def raise_failures(self) -> None:
        """The error of the only document that was asked for; PartlyDone where one of several failed."""
        if not self.failed:
            if self.left_along:
                raise PartlyDone(
                    f"{len(self.left_along):,} documents that were deleted with it did not come back",
                    why=self.left_along[0].what,
                    next="change what stands against them, then restore it again",
                    problems=self.left_along,
                    op=self.op,
                )
            return
        if len(self.failed) == 1 and not self.restored and not self.unchanged and not self.left:
            raise self.failed[0].error
        first = self.failed[0].error
        raise PartlyDone(
            f"{len(self.failed)} of {len(self.restored) + len(self.unchanged) + len(self.failed)} documents "
            f"of {self.model} did not come back",
            why=str(first),
            next=first.next,
            problems=first.problems,
            op=self.op,
            failed=[{"id": str(each.id), "code": each.error.code, "what": str(each.error)} for each in self.failed],
        )
