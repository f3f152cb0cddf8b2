"""The tally of an undo: how far it has come and how many documents had which fate, here and in its ledger row.

In the row `counts.changed` is what was put back, wholly or (`counts.partly` of them) in part; `counts.unchanged` was so
already; `counts.failed` was left, `counts.impossible` of it because it cannot be as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo.client_session import ClientSession

from datactl.errors import Problem
from datactl.mongo import mapping_errors
from datactl.records.ledger import Ledger
from datactl.records.results import FAILURES_KEPT
from datactl.records.undoing.fates import Fate, FateKind, UndoResult


@dataclass(slots=True)
class UndoTally:
    """`lost`: of so many the outbox has no events any more."""

    op: str
    undoes: str
    matched: int
    lost: int
    position: int = 0
    fates: Counter[FateKind] = field(default_factory=Counter)
    left: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> UndoTally:
        counts = row["counts"]
        partly, impossible = counts.get("partly", 0), counts.get("impossible", 0)
        fates = Counter(
            {
                FateKind.UNDONE: counts["changed"] - partly,
                FateKind.PARTLY: partly,
                FateKind.ALREADY: counts["unchanged"],
                FateKind.CHANGED: counts["failed"] - impossible,
                FateKind.IMPOSSIBLE: impossible,
            }
        )
        left = [Problem(each["where"], each["what"], each["code"]) for each in row["failed"]]
        detail = row["detail"]
        return cls(row["_id"], detail["undoes"], counts["matched"], detail["lost"], row["position"], fates, left)

    def record(self, ledger: Ledger, session: ClientSession | None, fates: Sequence[Fate]) -> None:
        """Write that these were decided, in the transaction that did it."""
        with mapping_errors(f"recording the progress of operation {self.op}"):
            ledger.advance(
                session,
                self.op,
                position=self.position,
                taken=len(fates),
                counts=_counts(fates),
                failed=[fate.as_problem() for fate in fates if fate.is_left],
                kept=len(self.left),
            )

    def add(self, fates: Sequence[Fate]) -> None:
        """Count what was recorded and committed."""
        self.position += len(fates)
        self.fates.update(fate.kind for fate in fates)
        room = FAILURES_KEPT - len(self.left)
        self.left += [fate.as_problem() for fate in fates if fate.is_left][:room]

    def result(self, *, stopped: bool) -> UndoResult:
        return UndoResult(
            op=self.op,
            undoes=self.undoes,
            matched=self.matched,
            fates={kind.value: self.fates[kind] for kind in FateKind if self.fates[kind]},
            left_as_is=tuple(self.left),
            stopped=stopped,
            left=max(0, self.matched - self.position) if stopped else 0,
            lost=self.lost,
        )


def _counts(fates: Sequence[Fate]) -> dict[str, int]:
    kinds = Counter(fate.kind for fate in fates)
    return {
        "changed": kinds[FateKind.UNDONE] + kinds[FateKind.PARTLY],
        "partly": kinds[FateKind.PARTLY],
        "unchanged": kinds[FateKind.ALREADY],
        "failed": kinds[FateKind.CHANGED] + kinds[FateKind.IMPOSSIBLE],
        "impossible": kinds[FateKind.IMPOSSIBLE],
    }
