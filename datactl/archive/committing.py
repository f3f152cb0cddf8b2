"""Committing a segment: put, read back, index put and read back, then its manifest. I1 is kept here."""

from __future__ import annotations

from datetime import datetime

from datactl.errors import Conflict
from datactl.mongo.leases import Lease
from datactl.steps import Watcher
from datactl.vault import Manifest, SegmentWriter, Vault, VerifiedSegment


def commit_segment(
    vault: Vault,
    writer: SegmentWriter,
    lease: Lease,
    *,
    op: str,
    actor: str | None,
    reason: str | None,
    cause: str,
    cutoff: datetime | None = None,
    watch: Watcher,
) -> tuple[VerifiedSegment, Manifest]:
    """The segment as it was read back, and its manifest: from here on documents may leave for it.

    LeaseLost where another run took over; Conflict where it was given up meanwhile; StoreError, VaultDamaged.
    """
    sealed = writer.finish()
    lease.check()
    with watch.around("segment.put", unit="segments"):
        vault.put_segment(sealed)
    with watch.around("segment.read_back", unit="segments"):
        segment = vault.read_back(sealed)
    with watch.around("sidecar.put", unit="segments"):
        index = vault.put_sidecar(segment)
    lease.check()
    with watch.around("manifest.put", unit="segments"):
        try:
            manifest = vault.commit(segment, index, op=op, actor=actor, reason=reason, cause=cause, cutoff=cutoff)
        except Conflict:
            lease.check()  # whoever took over gave this segment up
            raise
    return segment, manifest
