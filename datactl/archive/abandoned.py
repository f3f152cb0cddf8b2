"""What dead removals left: segments with a manifest and no receipt, closed by the events of their operation.

A removal holds the lease `remove:MODEL/OP`. Who meets a segment of one takes that lease: a living holder keeps it, and
the segment is its business. Of a dead one the fences are raised, so that it commits nothing more, and then its events
say which documents left. The others stay: to delete more is for the operation itself, when it is carried on.
"""

from __future__ import annotations

from dataclasses import dataclass

from datactl.archive.documents import readable_id
from datactl.archive.removed import left_with
from datactl.archive.reports import Tally
from datactl.archive.rules import BY_DELETE
from datactl.errors import LeaseLost, Locked
from datactl.mongo import Mongo
from datactl.mongo.leases import Holder, Lease, held, not_held
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.vault import Manifest, SegmentName, Vault

_LEASE = "remove:"

STAYED = "not removed"
"""Why a document of a dead removal is kept."""


def removal_lease(model: str, op: str) -> str:
    """The name of the lease under which an operation removes documents of a model."""
    return f"{_LEASE}{model}/{op}"


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Segments of removals of one model. `epoch` is the caller's own; `holder` who it is."""

    mongo: Mongo
    vault: Vault
    model: Model
    epoch: int
    holder: Holder

    def close(self, manifest: Manifest, tally: Tally, watch: Watcher) -> bool:
        """Write the receipt of a removal that is dead. False: it lives, or another process is at it. VaultDamaged."""
        lease = self._take(removal_lease(self.model.name, manifest.op))
        if lease is None:
            return False
        with lease:
            self.close_own(manifest, tally, watch)
        return True

    def clear(self) -> None:
        """Clear away the leases that dead removals of the model left, and their fences."""
        for name in not_held(self.mongo, removal_lease(self.model.name, "")):
            lease = self._take(name)
            if lease is not None:
                lease.release()

    def _take(self, name: str) -> Lease | None:
        try:
            return Lease.acquire(self.mongo, name, epoch=self.epoch, holder=self.holder, forget=True)
        except (Locked, LeaseLost):
            return None

    def close_own(self, manifest: Manifest, tally: Tally, watch: Watcher) -> None:
        """As `close`, for who holds the lease of its operation."""
        self.vault.confirm(manifest)
        segment = self.vault.open_segment(manifest)
        positions: list[int] = []
        for chunk in segment.chunks():
            left = left_with(self.mongo, self.model, manifest, [copy.id_key for copy in chunk])
            for copy in chunk:
                if copy.id_key in left:
                    positions.append(copy.position)
                else:
                    tally.keep(readable_id(copy.id_key), STAYED)
        with watch.around("settle.receipt", unit="segments"):
            self.vault.put_deleted_receipt(manifest, positions, op=manifest.op, actor=manifest.actor)
        tally.segments.append(manifest.name)
        tally.archived += len(positions)


def is_of_living_removal(mongo: Mongo, model: str, manifest: Manifest) -> bool:
    """Whether a segment without receipt is that of a removal at work: it closes it itself."""
    return manifest.cause == BY_DELETE and removal_lease(model, manifest.op) in held(
        mongo, removal_lease(model, manifest.op)
    )


def may_be_of_living_removal(mongo: Mongo, model: str, name: str) -> bool:
    """Whether a segment without manifest may be that of a removal at work, which claimed its epoch or an earlier one.

    Ask after the segment was seen: its lease is older than the segment.
    """
    epoch = SegmentName.parse(name).epoch
    return any(claimed <= epoch for claimed in held(mongo, removal_lease(model, "")).values())
