"""Settlement: what earlier runs over a model left unfinished is brought to its end before anything new begins."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime

from pymongo.client_session import ClientSession

from datactl.archive.abandoned import Abandoned, is_of_living_removal, may_be_of_living_removal
from datactl.archive.documents import readable_id
from datactl.archive.evidence import record_archived
from datactl.archive.owed import owed, pay
from datactl.archive.removal import Removal
from datactl.archive.reports import Settled, Tally
from datactl.archive.rules import BY_DELETE
from datactl.errors import Conflict, VaultDamaged
from datactl.mongo import Mongo, mapping_errors
from datactl.mongo.leases import Holder, Lease
from datactl.records.clock import ServerClock
from datactl.records.ledger import OPERATIONS, State
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.vault import Manifest, SegmentName, Vault, VerifiedSegment

KIND = "archive"
"""The kind of an archive run's row in the ledger."""


def unsettled(mongo: Mongo, vault: Vault, model: str, namespaces: Container[str]) -> int:
    """How many segments of these namespaces earlier runs left: without manifest, or without receipt.

    Those of removals at work are their own business, and not counted.
    """
    damaged: list[VaultDamaged] = []
    uncommitted = sum(
        not may_be_of_living_removal(mongo, model, name) for name in _uncommitted(vault, model, namespaces)
    )
    undone = sum(
        not is_of_living_removal(mongo, model, manifest) for manifest in _undone(vault, model, namespaces, damaged)
    )
    return uncommitted + undone + len(damaged)


def _uncommitted(vault: Vault, model: str, namespaces: Container[str]) -> Iterator[str]:
    """Segments without manifest. One that is not whole may be anybody's: it means nothing, whoever gives it up."""
    for name in vault.segments_without_manifest(model):
        namespace = vault.namespace_of(model, name)
        if namespace is None or namespace in namespaces:
            yield name


def _undone(vault: Vault, model: str, namespaces: Container[str], damaged: list[VaultDamaged]) -> Iterator[Manifest]:
    """Manifests without receipt. A foreign one says nothing of this collection: what is absent here may be there."""
    undone = vault.manifests_without_receipt(model, damaged=damaged)
    return (each for each in undone if each.namespace in namespaces)


@dataclass(frozen=True, slots=True)
class Settlement:
    """Done under the lease. `before` is today's cut-off: what is not due by it stays in MongoDB.

    `namespaces`: whose segments are this model's; others are left alone.
    """

    mongo: Mongo
    vault: Vault
    model: Model
    lease: Lease
    op: str
    clock: ServerClock
    before: datetime
    namespaces: Container[str]

    def settle(self, watch: Watcher) -> Settled:
        """Receipts that are owed, segments without manifest, manifests without receipt, in this order.

        What cannot be read back is passed over and told: nothing of it is deleted, and it keeps nothing else waiting.
        A document of it that is in MongoDB still is copied anew, and that copy ranks higher.
        """
        self._close_killed()
        paid = pay(self.mongo, self.vault, self.model.name, owed(self.mongo, self.model.name))
        aborted = self._abort_uncommitted()
        tally = Tally()
        damaged = list(paid.failed)
        for manifest in _undone(self.vault, self.model.name, self.namespaces, damaged):
            if watch.stopping():
                break
            try:
                if manifest.cause == BY_DELETE:
                    self._abandoned().close(manifest, tally, watch)
                elif self._is_earlier(manifest.name):
                    self._finish(manifest, self.vault.open_segment(manifest), tally, watch)
            except VaultDamaged as damage:
                damaged.append(damage)
        self._abandoned().clear()
        return Settled(
            aborted=aborted,
            segments=len(tally.segments),
            archived=tally.archived,
            kept=sum(tally.kept_counts.values()),
            restores=paid.documents,
            damaged=tuple(map(str, damaged)),
        )

    def _abandoned(self) -> Abandoned:
        holder = Holder.here(None, self.op)
        return Abandoned(self.mongo, self.vault, self.model, self.lease.epoch, holder)

    def _close_killed(self) -> None:
        """No other run of this model is at work under this lease: whose row still says so was killed."""
        killed = {
            "kind": KIND,
            "model": self.model.name,
            "state": State.RUNNING.value,
            "_id": {"$ne": self.op},
        }
        change = {
            "$set": {"state": State.FAILED.value, "endedAt": self.clock.now(), "error": "killed", "settledBy": self.op}
        }
        with mapping_errors("closing what killed runs left"):
            self.mongo.collection(OPERATIONS).update_many(killed, change)

    def _abort_uncommitted(self) -> int:
        aborted = 0
        for name in _uncommitted(self.vault, self.model.name, self.namespaces):
            self.lease.check()
            if not self._is_earlier(name) or may_be_of_living_removal(self.mongo, self.model.name, name):
                continue
            try:
                self.vault.abort(self.model.name, name, op=self.op, reason="its run ended before the manifest")
                aborted += 1
            except Conflict:
                # Its run woke up and committed first: it is among the manifests without receipt now.
                continue
        return aborted

    def _is_earlier(self, name: str) -> bool:
        return SegmentName.parse(name).epoch < self.lease.epoch

    def _finish(self, manifest: Manifest, segment: VerifiedSegment, tally: Tally, watch: Watcher) -> None:
        # Its run may have died between writing the manifest and making its name durable (I2).
        self.vault.confirm(manifest)
        removal = Removal(
            self.mongo,
            self.vault,
            self.model,
            manifest,
            self.namespaces,
            self.lease.touch,
            self.clock,
            due_before=self.before,
        )
        positions: list[int] = []
        # Of several copies of one document the last is the one that was read last: it alone is looked at. Nor is one
        # that a restore brought back: no copy of its rank is offered any more. Such a document is copied anew.
        passed_over = segment.repeated().union(self.vault.receipts(manifest).restored)
        for copies in segment.chunks():
            chunk = [copy for copy in copies if copy.position not in passed_over] if passed_over else copies
            self.lease.check()
            with watch.around("settle.delete", total=len(chunk)):
                outcomes = removal.remove(chunk, watch)
            for copy, outcome in zip(chunk, outcomes, strict=True):
                # Absent: the earlier run took it out, and only the receipt is missing.
                if outcome.is_out:
                    positions.append(copy.position)
                else:
                    tally.keep(readable_id(copy.id_key), outcome)
        self._record(manifest, len(positions), watch)
        with watch.around("settle.receipt", unit="segments"):
            self.vault.put_deleted_receipt(manifest, positions, op=manifest.op, actor=manifest.actor)
        tally.segments.append(manifest.name)
        tally.archived += len(positions)

    def _record(self, manifest: Manifest, removed: int, watch: Watcher) -> None:
        def write(session: ClientSession) -> None:
            self.lease.touch(session)
            record_archived(self.mongo, session, self.model, manifest, removed=removed, now=self.clock.now())

        with watch.around("settle.event", unit="segments"):
            self.mongo.transaction(write, watch=watch)
