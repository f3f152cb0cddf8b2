"""What verifying a vault finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    DAMAGE = "damage"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a stable code, the object's key, what is wrong, and what to do next."""

    severity: Severity
    code: str
    model: str
    key: str
    what: str
    next: str


FROM_ANOTHER_COPY = "Bring this object back from another copy of the vault; keep the damaged one aside."

CODES: dict[str, tuple[Severity, str]] = {
    "identity_damaged": (Severity.DAMAGE, FROM_ANOTHER_COPY),
    "manifest_damaged": (Severity.DAMAGE, FROM_ANOTHER_COPY),
    "segment_damaged": (Severity.DAMAGE, FROM_ANOTHER_COPY),
    "metadata_damaged": (Severity.DAMAGE, FROM_ANOTHER_COPY),
    "index_damaged": (Severity.DAMAGE, FROM_ANOTHER_COPY),
    "index_disagrees": (Severity.DAMAGE, FROM_ANOTHER_COPY),
    "counts_disagree": (Severity.DAMAGE, FROM_ANOTHER_COPY),
    "receipt_damaged": (Severity.DAMAGE, FROM_ANOTHER_COPY),
    "receipt_without_manifest": (Severity.DAMAGE, "Bring the manifest back from another copy of the vault."),
    "supersedes_unknown": (Severity.DAMAGE, "Bring the manifest it names back from another copy of the vault."),
    "uncommitted": (Severity.INFO, "Nothing: a run still writes it, or the next `datactl archive` closes it."),
    "aborted": (Severity.INFO, "Nothing: what it left counts for nothing."),
    "without_receipt": (Severity.INFO, "Run `datactl archive`: it finishes what that run left."),
}
"""Every code, how bad it is, and what to do."""


def finding(code: str, model: str, key: str, what: str) -> Finding:
    severity, following = CODES[code]
    return Finding(severity, code, model, key, what, following)
