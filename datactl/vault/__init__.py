"""The vault: immutable, verified segments of BSON documents in an object store, and how to find one again.

The format is in docs/segment-format.md.
"""

from __future__ import annotations

from datactl.vault.copies import Candidate, Retrieved, archived_copy
from datactl.vault.findings import Finding, Severity
from datactl.vault.holdings import Holdings
from datactl.vault.identity import Identity, new_id
from datactl.vault.idkey import hash_id, normalise_id_key
from datactl.vault.manifest import Aborted, Manifest, Stored, Unreadable
from datactl.vault.members import Member
from datactl.vault.names import Rank, SegmentName
from datactl.vault.receipts import Bitmap, Receipt, Receipts
from datactl.vault.segment import SealedSegment, SegmentWriter
from datactl.vault.vault import Vault, open_vault
from datactl.vault.verified import StoredDocument, VerifiedSegment, VerifiedSidecar

__all__ = [
    "Aborted",
    "Bitmap",
    "Candidate",
    "Finding",
    "Holdings",
    "Identity",
    "Manifest",
    "Member",
    "Rank",
    "Receipt",
    "Receipts",
    "Retrieved",
    "SealedSegment",
    "SegmentName",
    "SegmentWriter",
    "Severity",
    "Stored",
    "StoredDocument",
    "Unreadable",
    "Vault",
    "VerifiedSegment",
    "VerifiedSidecar",
    "archived_copy",
    "hash_id",
    "new_id",
    "normalise_id_key",
    "open_vault",
]
