"""archive: marked documents leave MongoDB for the vault, and come back. The protocol is in docs/archive-protocol.md."""

from __future__ import annotations

from datactl.archive.adoption import Adoption, adopt, plan_adoption
from datactl.archive.archiver import Archiver
from datactl.archive.binding import Binding, bind, check
from datactl.archive.reports import ArchivePlan, ArchiveReport, Kept, Settled
from datactl.archive.restorer import Restorer
from datactl.archive.restoring import Restored, RestoreFailure, RestoreReport
from datactl.archive.rules import due_filter, retention_days
from datactl.archive.whereabouts import ArchivedCopy, Place, Whereabouts, how_to_reach

__all__ = [
    "Adoption",
    "ArchivePlan",
    "ArchiveReport",
    "ArchivedCopy",
    "Archiver",
    "Binding",
    "Kept",
    "Place",
    "RestoreFailure",
    "RestoreReport",
    "Restored",
    "Restorer",
    "Settled",
    "Whereabouts",
    "adopt",
    "bind",
    "check",
    "due_filter",
    "how_to_reach",
    "plan_adoption",
    "retention_days",
]
