"""archive: marked documents leave MongoDB for the vault, and come back. The protocol is in docs/archive-protocol.md."""

from __future__ import annotations

from datactl.archive.adoption import Adoption, adopt, plan_adoption
from datactl.archive.archiver import Archiver
from datactl.archive.binding import Binding, bind, check, epochs_behind
from datactl.archive.documents import decoded, read_by_id
from datactl.archive.remover import VaultRemover
from datactl.archive.reports import ArchivePlan, ArchiveReport, Kept, Settled
from datactl.archive.restored import Restored, RestoreFailure, RestoreReport
from datactl.archive.restorer import Restorer
from datactl.archive.rules import retention_days
from datactl.archive.whereabouts import (
    ArchivedCopy,
    Listed,
    Place,
    Whereabouts,
    how_to_reach,
    id_key,
    place_of,
    restored_by_now,
    settled_by_now,
    split_by_namespace,
)

__all__ = [
    "Adoption",
    "ArchivePlan",
    "ArchiveReport",
    "ArchivedCopy",
    "Archiver",
    "Binding",
    "Kept",
    "Listed",
    "Place",
    "RestoreFailure",
    "RestoreReport",
    "Restored",
    "Restorer",
    "Settled",
    "VaultRemover",
    "Whereabouts",
    "adopt",
    "bind",
    "check",
    "decoded",
    "epochs_behind",
    "how_to_reach",
    "id_key",
    "place_of",
    "plan_adoption",
    "read_by_id",
    "restored_by_now",
    "retention_days",
    "settled_by_now",
    "split_by_namespace",
]
