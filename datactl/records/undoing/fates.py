"""What becomes of each document that an operation touched when the operation is undone, and of all together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from datactl.errors import Problem
from datactl.records.accounts import Account


class FateKind(StrEnum):
    """`PARTLY`: some paths were put back, others have changed since."""

    UNDONE = "undone"
    PARTLY = "partly"
    ALREADY = "already so"
    CHANGED = "changed since"
    IMPOSSIBLE = "not possible"


@dataclass(frozen=True, slots=True)
class LaterChange:
    """A path that is not as the operation left it, and what changed it: an operation, or None for another program."""

    path: str
    op: str | None


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one document. `event` is what the operation did to it (`Updated`, ...).

    `changed` names the paths that are left as they are. `code` is stable, `why` is for people; neither of them holds
    a value of a secret field.
    """

    model: str
    id: Any
    event: str
    kind: FateKind
    why: str | None = None
    code: str | None = None
    changed: tuple[LaterChange, ...] = ()

    @property
    def is_left(self) -> bool:
        """Whether something of it is not as it was before the operation."""
        return self.kind in (FateKind.PARTLY, FateKind.CHANGED, FateKind.IMPOSSIBLE)

    def as_problem(self) -> Problem:
        return Problem(f"{self.model} {self.id}", f"{self.kind}: {self.why}", self.code or "changed_since")


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """An operation and what undoing it is about: so many `documents`; of `lost` more the outbox has no events."""

    account: Account
    documents: int
    lost: int = 0


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What was undone. `fates` counts the documents by fate; `left_as_is` are the first of those not (all) put back.

    `stopped`: `left` documents were not reached; carry on with the `op` of this result.
    """

    op: str
    undoes: str
    matched: int
    fates: Mapping[str, int]
    left_as_is: tuple[Problem, ...] = ()
    stopped: bool = False
    left: int = 0
    lost: int = 0

    def count(self, kind: FateKind) -> int:
        return self.fates.get(kind.value, 0)

    @property
    def failures(self) -> int:
        """How many documents are not, or not wholly, as they were before the operation."""
        kinds = (FateKind.PARTLY, FateKind.CHANGED, FateKind.IMPOSSIBLE)
        return sum(self.count(kind) for kind in kinds) + self.lost
