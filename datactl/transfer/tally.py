"""What an import has done so far, and its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from datactl.errors import Problem
from datactl.records.results import FAILURES_KEPT
from datactl.transfer.deciding import Decision
from datactl.transfer.plans import ImportPlan, ImportReport
from datactl.transfer.rejects import reason


@dataclass(slots=True)
class Tally:
    """How many records of an input were read, and what became of them. `failed` has the first of the rejected ones."""

    position: int = 0
    created: int = 0
    present: int = 0
    rejected: int = 0
    failed: list[Problem] = field(default_factory=list)

    def add(self, taken: int, decision: Decision) -> None:
        """`taken` more records, and what was decided of them."""
        self.position += taken
        self.created += decision.created
        self.present += decision.present
        self.rejected += len(decision.rejections)
        self.failed += problems_of(decision)[: FAILURES_KEPT - len(self.failed)]

    def report(
        self, plan: ImportPlan, op: str | None, rejects: Path | None, *, stopped: bool = False, dry_run: bool = False
    ) -> ImportReport:
        """`rejects`: the file of rejected documents, where there are any."""
        return ImportReport(
            op=op,
            model=plan.model,
            read=self.position,
            created=self.created,
            present=self.present,
            rejected=self.rejected,
            failed=tuple(self.failed),
            rejects=rejects,
            stored=plan.stored,
            stopped=stopped,
            dry_run=dry_run,
        )


def problems_of(decision: Decision) -> list[Problem]:
    """Each rejected record with its place and why."""
    return [Problem(record.place, reason(error), error.code) for record, error in decision.rejections]
