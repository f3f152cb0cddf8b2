"""archive: marked documents leave MongoDB for the vault, and come back. The protocol is in docs/archive-protocol.md."""

from __future__ import annotations

from datactl.archive.archiver import Archiver
from datactl.archive.reports import ArchivePlan, ArchiveReport, Kept, Settled
from datactl.archive.restorer import Restorer
from datactl.archive.restoring import Restored, RestoreFailure, RestoreReport
from datactl.archive.rules import due_filter, retention_days
from datactl.archive.whereabouts import ArchivedCopy, Place, Whereabouts

__all__ = [
    "ArchivePlan",
    "ArchiveReport",
    "ArchivedCopy",
    "Archiver",
    "Kept",
    "Place",
    "RestoreFailure",
    "RestoreReport",
    "Restored",
    "Restorer",
    "Settled",
    "Whereabouts",
    "due_filter",
    "retention_days",
]
