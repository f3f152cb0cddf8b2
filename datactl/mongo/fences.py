"""Fences: rows that a fenced run can no longer touch, so that its transactions cannot commit.

One row per attempt (a partition of an archive run, say), apart from the lease's own row, so that heartbeats and the
attempts of one run do not conflict with each other. Each transaction of the attempt touches its row where the epoch
is still its own; a takeover raises the epoch of all rows of that lease before the new holder begins. A transaction
that touched its row earlier and is still open makes the takeover wait for its end, or loses by write conflict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pymongo.client_session import ClientSession

from datactl.errors import LeaseLost, Locked, WriteConflict
from datactl.mongo.driver_errors import mapping_errors

if TYPE_CHECKING:
    from datactl.mongo.connection import Mongo
    from datactl.mongo.leases import Lease

FENCES = "datactl_fences"


@dataclass(frozen=True, slots=True)
class Fence:
    """The row of one attempt: `{_id: attempt, lease, epoch, n}`."""

    mongo: Mongo
    attempt: str
    lease: str
    epoch: int

    @classmethod
    def create(cls, lease: Lease, attempt: str) -> Fence:
        """A row for `attempt` (a name used once). Raises LeaseLost when the lease was taken over."""
        fence = cls(lease.mongo, attempt, lease.name, lease.epoch)
        fence._open(lease.touch)  # a row made after the takeover would not have been raised by it
        return fence

    def touch(self, session: ClientSession) -> None:
        """Make the session's transaction depend on the lease. Raises LeaseLost unless the epoch is still its own."""
        with mapping_errors(f"touching the fence of {self.lease}"):
            touched = self.mongo.collection(FENCES).update_one(
                {"_id": self.attempt, "epoch": self.epoch}, {"$inc": {"n": 1}}, session=session
            )
        if touched.matched_count == 0:
            raise LeaseLost(
                f"the lease {self.lease} was taken over by another run",
                why=f"epoch {self.epoch} is no longer the newest",
                next="nothing of this transaction was written; run it again",
                lease=self.lease,
                epoch=self.epoch,
            )

    def remove(self) -> None:
        """The attempt is over. A row that was raised meanwhile is the new holder's to clear away."""
        with mapping_errors(f"removing the fence of {self.lease}"):
            self.mongo.collection(FENCES).delete_one({"_id": self.attempt, "epoch": self.epoch})

    def _open(self, guard: Callable[[ClientSession], None]) -> None:
        """Insert the row in one transaction with `guard`. Its own row is no obstacle: a commit's reply may be lost."""
        mine = {"_id": self.attempt, "lease": self.lease, "epoch": self.epoch}

        def work(session: ClientSession) -> None:
            guard(session)
            with mapping_errors(f"making the fence of {self.lease}"):
                self.mongo.collection(FENCES).update_one(mine, {"$setOnInsert": {"n": 0}}, upsert=True, session=session)

        self.mongo.transaction(work)


def open_first_fence(
    mongo: Mongo, attempt: str, lease: str, epoch: int, guard: Callable[[ClientSession], None]
) -> Fence:
    """The fence a lease itself stands behind; made by its holder before any other.

    `guard` writes to the lease's row in the same transaction, where the lease is still the holder's, and raises
    LeaseLost otherwise: a row made after a takeover has not been raised by it and would keep nobody out.
    """
    fence = Fence(mongo, attempt, lease, epoch)
    fence._open(guard)
    return fence


def raise_fences(mongo: Mongo, lease: str, epoch: int) -> None:
    """Lift every row of `lease` to `epoch`: transactions of earlier epochs can no longer commit when this returns.

    A transaction of a paused holder that touched its row and stays open holds this up, until it ends or the server
    ends it (MongoDB: transactionLifetimeLimitSeconds, 60 s). Raises Locked when that takes more than two minutes.
    """

    # In a transaction the row that is held up answers at once, as a conflict to try again, instead of blocking the
    # connection for as long as the other transaction lives. One pass sees every row: a transaction that makes one
    # writes the holder's first fence as well, so it is in this snapshot, or in conflict with this one.
    def lift(session: ClientSession) -> None:
        mongo.collection(FENCES).update_many(
            {"lease": lease, "epoch": {"$lt": epoch}}, {"$set": {"epoch": epoch}}, session=session
        )

    try:
        mongo.transaction(lift)
    except WriteConflict as error:
        raise Locked(
            f"{lease} is locked by a transaction of the run before",
            why="its holder stopped in the middle of a transaction that the server still keeps open",
            next="end that process, or run this again when the server has ended the transaction",
            lease=lease,
        ) from error


def clear_fences(mongo: Mongo, lease: str, epoch: int) -> None:
    """Remove the rows of a lease that is given back: its own, and those it raised."""
    with mapping_errors(f"removing the fences of {lease}"):
        mongo.collection(FENCES).delete_many({"lease": lease, "epoch": epoch})
