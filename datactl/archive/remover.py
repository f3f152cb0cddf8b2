"""Removing documents by way of the vault: each leaves MongoDB once its copy is committed, together with its event.

Several removals of a model may be at work, and an archive run beside them: the byte compare is what guards a document
(I2), the lease of the operation keeps a dead process from committing anything later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from datactl.archive.abandoned import Abandoned, removal_lease
from datactl.archive.binding import bind, check
from datactl.archive.claiming import claim_epoch, take_lease
from datactl.archive.documents import decoded
from datactl.archive.due import require_sharding_by_id
from datactl.archive.holds import ensure_holds_index
from datactl.archive.insertion import Insertion
from datactl.archive.removing import VaultRemoval
from datactl.archive.reports import Tally
from datactl.archive.restored import RestoreReport
from datactl.archive.restoring import RestoreJob
from datactl.archive.rules import BY_DELETE
from datactl.archive.whereabouts import id_key, restored_by_now, settled_by_now, split_by_namespace
from datactl.errors import VaultDamaged
from datactl.events import ensure_outbox_indexes
from datactl.mongo import Document, Mongo
from datactl.mongo.leases import DEFAULT_TTL_S, Holder, Lease
from datactl.records import Repository
from datactl.records.operations import Context
from datactl.records.remover import BroughtBack, Removal
from datactl.records.restoring import Together
from datactl.records.updates import read_update
from datactl.schema import Model, Registry
from datactl.steps import UNWATCHED, Watcher
from datactl.vault import Candidate, Vault
from datactl.vault.segment import SEGMENT_BYTES


class VaultRemover:
    """The remover over one database and its vault. `event_key` (32 bytes) encrypts secret fields in events."""

    def __init__(
        self,
        mongo: Mongo,
        vault: Vault,
        registry: Registry,
        *,
        event_key: bytes | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        lease_ttl_s: float = DEFAULT_TTL_S,
    ) -> None:
        self._mongo = mongo
        self._vault = vault
        self._registry = registry
        self._event_key = event_key
        self._segment_bytes = segment_bytes
        self._lease_ttl_s = lease_ttl_s

    @contextmanager
    def removal(
        self, model: Model, context: Context, *, wait_s: float = 0, watch: Watcher = UNWATCHED
    ) -> Iterator[Removal]:
        """See `Remover.removal`. Epoch, lease, then what dead removals of the model left."""
        self._mongo.require_transactions()
        require_sharding_by_id(self._mongo, model)
        namespaces = bind(self._mongo, self._vault).namespaces(model)
        ensure_outbox_indexes(self._mongo)
        holder = Holder.here(context.actor, context.op)
        lease = take_lease(
            self._mongo,
            self._vault,
            model.name,
            removal_lease(model.name, context.op),
            holder=holder,
            ttl_s=self._lease_ttl_s,
            wait_s=wait_s,
            forget=True,
            watch=watch,
        )
        with lease:
            with watch.around("settle", unit="segments"):
                self._settle(model, namespaces, lease, holder, context.op, watch)
            yield VaultRemoval(
                self._mongo,
                self._vault,
                model,
                context,
                lease,
                namespaces,
                new_epoch=lambda: claim_epoch(self._mongo, self._vault, model.name, watch),
                event_key=self._event_key,
                segment_bytes=self._segment_bytes,
                watch=watch,
            )

    def _settle(
        self, model: Model, namespaces: frozenset[str], lease: Lease, holder: Holder, op: str, watch: Watcher
    ) -> None:
        """Close what dead removals of this model left. A damaged segment is passed over: the archive's report names it.

        Segments without manifest, and those of archive runs, are for who holds the model's lease.
        """
        abandoned = Abandoned(self._mongo, self._vault, model, lease.epoch, holder)
        tally = Tally()
        for manifest in self._vault.manifests_without_receipt(model.name, damaged=[]):
            if manifest.cause != BY_DELETE or manifest.namespace not in namespaces:
                continue
            with suppress(VaultDamaged):
                if manifest.op == op:
                    abandoned.close_own(manifest, tally, watch)
                else:
                    abandoned.close(manifest, tally, watch)
        abandoned.clear()

    def offered(self, model: Model, ids: Sequence[Any]) -> Sequence[Document | None]:
        """See `Remover.offered`."""
        namespaces = check(self._mongo, self._vault).namespaces(model)
        own, _ = split_by_namespace(self._vault.by_rank(model.name), namespaces)
        offered: list[Document | None] = []
        for key in map(id_key, ids):

            def by_now(copy: Candidate, key: bytes = key) -> Candidate:
                return restored_by_now(self._mongo, model, settled_by_now(self._mongo, model, key, copy))

            found = self._vault.retrieve(model.name, key, absent=True, within=own, settled=by_now)
            offered.append(None if found is None else decoded(found.document))
        return offered

    def bring_back(
        self,
        model: Model,
        ids: Sequence[Any],
        context: Context,
        *,
        set: Mapping[str, Any] | None = None,
        as_archived: bool = False,
        together: Together | None = None,
        watch: Watcher = UNWATCHED,
    ) -> Sequence[BroughtBack]:
        """See `Remover.bring_back`."""
        self._mongo.require_transactions()
        namespaces = check(self._mongo, self._vault).namespaces(model)
        ensure_outbox_indexes(self._mongo)
        if as_archived or model.archive.select is not None:
            ensure_holds_index(self._mongo)
        values = read_update(model, {"$set": dict(set)}).operators["$set"] if set else {}
        insertion = Insertion(
            self._mongo,
            self._registry,
            model,
            context,
            values,
            as_archived=as_archived,
            event_key=self._event_key,
            together=together,
        )
        repository = Repository(model, self._mongo, self._registry, actor=context.actor, event_key=self._event_key)
        job = RestoreJob(
            self._mongo, self._vault, model, context, insertion, repository, watch, namespaces=namespaces, named=None
        )
        return _answers(ids, job.bring_back(ids))


def _answers(ids: Sequence[Any], report: RestoreReport) -> list[BroughtBack]:
    """One for each id that was reached, in their order."""
    failed = {id_key(each.id): each.error for each in report.failed}
    back = {id_key(each.id) for each in report.restored}
    reached = ids[: len(ids) - report.left]
    return [BroughtBack(each, id_key(each) in back, failed.get(id_key(each))) for each in reached]
