"""The archive run: due documents of one model leave MongoDB for the vault. The order is docs/archive-protocol.md's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pymongo.client_session import ClientSession

from datactl.archive.binding import LEASE, bind, check
from datactl.archive.claiming import take_lease
from datactl.archive.committing import commit_segment
from datactl.archive.documents import readable_id
from datactl.archive.due import due_batches, plan_archive, require_sharding_by_id
from datactl.archive.evidence import record_archived
from datactl.archive.removal import Removal
from datactl.archive.reports import ArchivePlan, ArchiveReport, Settled, Tally
from datactl.archive.rules import BY_AGE, Outcome, ageing, next_of, retention_days
from datactl.archive.settlement import KIND, Settlement, unsettled
from datactl.errors import AccessError, DatabaseError, DatactlError, LeaseLost
from datactl.events import ensure_outbox_indexes
from datactl.mongo import Mongo
from datactl.mongo.fences import Fence
from datactl.mongo.leases import DEFAULT_TTL_S, Holder, Lease
from datactl.records.clock import ServerClock
from datactl.records.ledger import Ledger, State
from datactl.records.operations import Context, new_op
from datactl.schema import Model, Registry
from datactl.steps import UNWATCHED, Watcher
from datactl.vault import Manifest, SegmentName, SegmentWriter, Vault, VerifiedSegment, normalise_id_key
from datactl.vault.rawbson import id_key
from datactl.vault.segment import MEMBER_BYTES, SEGMENT_BYTES


class Archiver:
    """Plans and runs the archive, one model at a time. `retention_days` is what a model without `archive.after` has."""

    def __init__(
        self,
        mongo: Mongo,
        vault: Vault,
        registry: Registry,
        *,
        actor: str | None = None,
        retention_days: int = 90,
        segment_bytes: int = SEGMENT_BYTES,
        lease_ttl_s: float = DEFAULT_TTL_S,
    ) -> None:
        self._mongo = mongo
        self._vault = vault
        self._registry = registry
        self._actor = actor
        self._retention_days = retention_days
        self._segment_bytes = segment_bytes
        self._lease_ttl_s = lease_ttl_s

    def plan(self, model: str, days: int | None = None) -> ArchivePlan:
        """What a run would take now, by the server's clock. Changes nothing.

        NotSoftDeletable where nothing ever comes due; UsageError for an unknown model or a negative age; VaultMismatch
        where the vault is not that of this database.
        """
        known = self._registry.model(model)
        require_sharding_by_id(self._mongo, known)
        chosen = retention_days(known, days, self._retention_days)
        namespaces = check(self._mongo, self._vault).namespaces(known)
        left = unsettled(self._mongo, self._vault, known.name, namespaces)
        return plan_archive(self._mongo, known, chosen, unsettled=left)

    def models(self) -> list[str]:
        """The models of which something can come due, and those of which a dead removal left something to settle."""
        binding = check(self._mongo, self._vault)
        return [
            model.name
            for model in self._registry.values()
            if ageing(model) or unsettled(self._mongo, self._vault, model.name, binding.namespaces(model))
        ]

    def run(
        self, plan: ArchivePlan, *, reason: str | None = None, wait_s: float = 0, watch: Watcher = UNWATCHED
    ) -> ArchiveReport:
        """Do it: returns when everything due is in the vault, or at a segment's end once `watch` asks to stop.

        VaultMismatch where the vault is not that of this database: nothing was done. Locked while another run holds
        the model (waits `wait_s` seconds for it); LeaseLost if another run took over;
        StoreFull, StoreReadOnly, VaultDamaged: nothing more was deleted, running it again goes on.
        """
        self._mongo.require_transactions()
        model = self._registry.model(plan.model)
        require_sharding_by_id(self._mongo, model)
        binding = bind(self._mongo, self._vault)
        ensure_outbox_indexes(self._mongo)
        op = new_op()
        with self._lease(model, op, wait_s, watch) as lease:
            fence = Fence.create(lease, f"archive/{op}")
            run = _Run(
                mongo=self._mongo,
                vault=self._vault,
                model=model,
                plan=plan,
                op=op,
                actor=self._actor,
                reason=reason,
                segment_bytes=self._segment_bytes,
                lease=lease,
                fence=fence,
                clock=ServerClock(self._mongo),
                watch=watch,
                tally=Tally(),
                namespaces=binding.namespaces(model),
            )
            return run.go()

    def _lease(self, model: Model, op: str, wait_s: float, watch: Watcher) -> Lease:
        return take_lease(
            self._mongo,
            self._vault,
            model.name,
            f"{LEASE}{model.name}",
            holder=Holder.here(self._actor, op),
            ttl_s=self._lease_ttl_s,
            wait_s=wait_s,
            watch=watch,
        )


@dataclass(frozen=True, slots=True)
class _Run:
    """One run under its lease: settle, then segment after segment."""

    mongo: Mongo
    vault: Vault
    model: Model
    plan: ArchivePlan
    op: str
    actor: str | None
    reason: str | None
    segment_bytes: int
    lease: Lease
    fence: Fence
    clock: ServerClock
    watch: Watcher
    tally: Tally
    namespaces: frozenset[str]

    def go(self) -> ArchiveReport:
        ledger = Ledger(self.mongo)
        context = Context(self.op, self.actor, self.reason, self.clock.now())
        detail = {"epoch": self.lease.epoch, "cutoff": self.plan.cutoff, "days": self.plan.days}
        ledger.open(
            context,
            kind=KIND,
            model=self.model.name,
            collection=self.model.collection,
            matched=self.plan.documents,
            detail=detail,
        )
        try:
            with self.watch.around("settle", unit="segments"):
                settled = self._settle()
            stopped = self.watch.stopping() or self._archive(ledger)
            self.lease.check()
        except LeaseLost:
            raise  # whoever took over closes the row: a fenced run writes nothing more
        except DatactlError as error:
            with suppress(AccessError, DatabaseError):  # the server may be what failed; the row then says `running`
                ledger.close(self.op, State.FAILED, self.clock.now(), error=error.code)
            raise
        report = self._report(settled, stopped=stopped)
        with self.watch.around("ledger.close", unit="operations"):
            ledger.close(self.op, State.STOPPED if stopped else State.DONE, self.clock.now(), left=report.left)
        return report

    def _settle(self) -> Settled:
        return Settlement(
            self.mongo,
            self.vault,
            self.model,
            self.lease,
            self.op,
            self.clock,
            self.plan.cutoff,
            self.namespaces,
        ).settle(self.watch)

    def _archive(self, ledger: Ledger) -> bool:
        """Segment after segment; whether it was stopped before the end. What is packed and not yet put is let go."""
        writer = self._writer()
        packed = 0
        inside: set[bytes] = set()
        for window in self.plan.windows:
            for batch in due_batches(self.mongo, self.model, window, self.clock.now()):
                ids = [normalise_id_key(id_key(document)) for document in batch]
                taken = 0
                while taken < len(batch):
                    if self.watch.stopping():
                        return True
                    # A document that is met again belongs into a segment of its own rank, once the earlier copy of it
                    # has its receipt: of two copies in one segment nobody could tell which of them left.
                    until = next_of(inside, ids, taken)
                    took = writer.add_many(batch[taken:until])
                    inside.update(ids[taken : taken + took])
                    taken, packed = taken + took, packed + took
                    self.watch.progress("segment.put", packed, self.plan.documents)
                    if writer.full or taken == until < len(batch):
                        self._segment(writer, ledger)
                        writer = self._writer()
                        inside = set()
        if writer.documents:
            if self.watch.stopping():
                return True
            self._segment(writer, ledger)
        return False

    def _writer(self) -> SegmentWriter:
        return SegmentWriter(
            f"{self.mongo.database.name}.{self.model.collection}",
            self.model.name,
            name=SegmentName.new(self.lease.epoch, len(self.tally.segments) + 1),
            segment_bytes=self.segment_bytes,
            member_bytes=min(MEMBER_BYTES, self.segment_bytes),
        )

    def _segment(self, writer: SegmentWriter, ledger: Ledger) -> None:
        """One segment from its sealing to its receipt. I1: read back, then committed. I2: committed, then deletes."""
        segment, manifest = self._commit(writer)
        positions = self._remove(segment, manifest)
        with self.watch.around("event", unit="segments"):
            self._record(ledger, manifest, len(positions))
        self.lease.check()
        with self.watch.around("receipt", unit="segments"):
            self.vault.put_deleted_receipt(manifest, positions, op=self.op, actor=self.actor)
        self.tally.add(manifest)

    def _commit(self, writer: SegmentWriter) -> tuple[VerifiedSegment, Manifest]:
        return commit_segment(
            self.vault,
            writer,
            self.lease,
            op=self.op,
            actor=self.actor,
            reason=self.reason,
            cause=BY_AGE,
            cutoff=self.plan.cutoff,
            watch=self.watch,
        )

    def _remove(self, segment: VerifiedSegment, manifest: Manifest) -> list[int]:
        """Positions that are out of MongoDB now. The bytes compared are those read back, not those sent."""
        removal = Removal(self.mongo, self.vault, self.model, manifest, self.namespaces, self.fence.touch, self.clock)
        positions: list[int] = []
        for chunk in segment.chunks():
            with self.watch.around("delete", len(positions), segment.documents):
                outcomes = removal.remove(chunk, self.watch)
            for copy, outcome in zip(chunk, outcomes, strict=True):
                if outcome.is_out:
                    positions.append(copy.position)
                if outcome is Outcome.REMOVE:
                    self.tally.archived += 1
                else:
                    self.tally.keep(readable_id(copy.id_key), outcome)
            self.watch.progress("delete", self.tally.archived, self.plan.documents)
        return positions

    def _record(self, ledger: Ledger, manifest: Manifest, removed: int) -> None:
        """The segment's event and the ledger's progress, in one transaction behind the fence."""
        kept = manifest.documents - removed

        def write(session: ClientSession) -> None:
            if record_archived(self.mongo, session, self.model, manifest, removed=removed, now=self.clock.now()):
                ledger.advance(
                    session,
                    self.op,
                    position=self.tally.documents,
                    taken=manifest.documents,
                    counts={"changed": removed, "unchanged": kept},
                )
            self.fence.touch(session)

        self.mongo.transaction(write, watch=self.watch)

    def _report(self, settled: Settled, *, stopped: bool) -> ArchiveReport:
        tally = self.tally
        reached = tally.archived + sum(tally.kept_counts.values()) + settled.archived
        return ArchiveReport(
            op=self.op,
            model=self.model.name,
            epoch=self.lease.epoch,
            archived=tally.archived,
            segments=tuple(tally.segments),
            size=tally.size,
            stored=tally.stored,
            kept=tuple(tally.kept),
            kept_counts=dict(tally.kept_counts),
            settled=settled,
            stopped=stopped,
            left=max(0, self.plan.documents - reached) if stopped else 0,
            cutoff=self.plan.cutoff,
        )
