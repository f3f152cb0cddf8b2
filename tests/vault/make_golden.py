"""Writes tests/vault/golden/: run it by hand, once per format version (`python -m tests.vault.make_golden`).

The documents are those of `golden_documents`, the name, dates and operation are fixed, so that only isal decides about
single bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from datactl.objects import ObjectStore
from datactl.objects.files import FileStore
from datactl.vault import Manifest, SegmentName, SegmentWriter, Vault
from tests.vault.desk import NAMESPACE, document, posts, samples

GOLDEN = Path(__file__).parent / "golden"
NAME = SegmentName(7, 2, "00112233445566ff")
DELETED = [0, 1, 2, 5, 20, 300]
MOMENT = datetime(2026, 11, 24, 12, 0, 0, 125000, UTC)


def golden_documents() -> list[bytes]:
    return [*samples(), *posts(500, seed=2026), document("long", body="x" * 5000)]


def write_golden(store: ObjectStore) -> Manifest:
    """The golden segment with its receipts, by today's writer."""
    vault = Vault(store, clock=lambda: MOMENT)
    writer = SegmentWriter(NAMESPACE, "Post", name=NAME, member_bytes=4096)
    writer.add_many(golden_documents())
    sealed = writer.finish()
    vault.put_segment(sealed)
    segment = vault.read_back(sealed)
    cutoff = datetime(2026, 8, 26, 12, tzinfo=UTC)
    manifest = vault.commit(
        segment, vault.put_sidecar(segment), op="01GOLDEN", actor="anna", reason="kept small", cutoff=cutoff
    )
    vault.put_deleted_receipt(manifest, DELETED, op="01GOLDEN", actor="anna")
    vault.put_restored_receipt(manifest, [5], op="01RESTORE", actor="ben")
    vault.abort("Post", str(SegmentName(7, 3, "00112233445566fe")), op="01GOLDEN", reason="its run is gone")
    return manifest


if __name__ == "__main__":
    write_golden(FileStore(GOLDEN))
