"""The exceptions of datactl, their stable codes and the exit status of each.

    DatactlError                      1   failed
     |- UsageError                    2   usage
     |   |- ConfigError               2   config
     |   |   |- ModelsFileError       2   models_file        (carries every problem of the file)
     |   |   `- VaultMismatch         2   vault_mismatch     (the vault is not the one this database archives into)
     |   |- FilterError               2   filter
     |   |- BadId                     2   bad_id
     |   |- InvalidDocument           2   invalid_document   (carries every problem of the document)
     |   |- DocumentTooLarge          2   too_large
     |   `- NotSoftDeletable          2   not_soft_deletable
     |- PartlyDone                    3   partly_done
     |- AccessError                   4   access
     |   |- CannotConnect             4   cannot_connect
     |   |- AuthenticationFailed      4   authentication_failed
     |   |- NotPermitted              4   not_permitted
     |   |- NoTransactions            4   no_transactions
     |   `- WeakDurability            4   weak_durability
     |- FindingsError                 5   findings
     |- NotFound                      6   not_found
     |- Conflict                      7   conflict
     |   |- DuplicateKey              7   duplicate_key
     |   |- WriteConflict             7   write_conflict
     |   |- PreconditionFailed        7   precondition_failed
     |   |- RestoreConflict           7   restore_conflict   (carries every conflict)
     |   |- Restricted                7   restricted         (other documents refer to it, onDelete: restrict)
     |   `- ObjectExists              7   object_exists
     |- NotInitialised               10   not_initialised
     |- Locked                       11   locked
     |- LeaseLost                    11   lease_lost
     |- Declined                     12   declined
     |- Pending                      75   pending
     |- Interrupted             130/143   interrupted
     |- DatabaseError                 1   database           (whatever else the server or driver reports)
     |   |- DatabaseTimeout           1   database_timeout
     |   `- DocumentRejected          1   document_rejected  (a validator of the database refused it)
     |- StoreError                    1   store              (object store: disk, bucket)
     |   |- StoreFull                 1   store_full
     |   |- StoreReadOnly             1   store_read_only
     |   |- ObjectMissing             1   object_missing
     |   `- ShortRead                 1   short_read         (an object ends before the range that was asked for)
     |- VaultDamaged                  1   vault_damaged      (a checksum, count or length is wrong)
     `- EngineError                   1   engine             (the local engine)

An error says what happened, why, and what to do next; surfaces print those three and the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

EXIT_CODES: dict[int, str] = {
    0: "done (also: stopped by a limit that was asked for, saying what is left)",
    1: "failed",
    2: "wrong usage or configuration",
    3: "partly done: an item failed",
    4: "cannot connect, not allowed, or no transactions there",
    5: "findings",
    6: "not found",
    7: "conflict: nothing was changed",
    10: "not initialised: no database is configured here",
    11: "locked by another run",
    12: "declined",
    75: "pending: run it again later",
    130: "interrupted (143: terminated)",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: a JSON Pointer or file place, and what is wrong there."""

    where: str
    what: str
    code: str = "invalid"


class DatactlError(Exception):
    """What happened (`what`), why, and what to do next; `details` are for machines."""

    code: ClassVar[str] = "failed"
    exit_code: int = 1

    def __init__(
        self,
        what: str,
        *,
        why: str | None = None,
        next: str | None = None,
        problems: Sequence[Problem] = (),
        **details: Any,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.problems = tuple(problems)
        self.details = details

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" if self.why else self.what

    def as_dict(self) -> dict[str, Any]:
        """The error as one JSON-ready object: `{code, what, why, next, exitCode, problems, details}`."""
        shown = {
            "code": self.code,
            "what": self.what,
            "why": self.why,
            "next": self.next,
            "exitCode": self.exit_code,
            "problems": [{"where": p.where, "what": p.what, "code": p.code} for p in self.problems],
            "details": self.details,
        }
        return {key: value for key, value in shown.items() if value not in (None, [], {})}


class UsageError(DatactlError):
    code = "usage"
    exit_code = 2


class ConfigError(UsageError):
    code = "config"


class ModelsFileError(ConfigError):
    code = "models_file"


class VaultMismatch(ConfigError):
    code = "vault_mismatch"


class FilterError(UsageError):
    code = "filter"


class BadId(UsageError):
    code = "bad_id"


class InvalidDocument(UsageError):
    code = "invalid_document"


class DocumentTooLarge(UsageError):
    code = "too_large"


class NotSoftDeletable(UsageError):
    code = "not_soft_deletable"


class PartlyDone(DatactlError):
    code = "partly_done"
    exit_code = 3


class AccessError(DatactlError):
    code = "access"
    exit_code = 4


class CannotConnect(AccessError):
    code = "cannot_connect"


class AuthenticationFailed(AccessError):
    code = "authentication_failed"


class NotPermitted(AccessError):
    code = "not_permitted"


class NoTransactions(AccessError):
    code = "no_transactions"


class WeakDurability(AccessError):
    code = "weak_durability"


class FindingsError(DatactlError):
    code = "findings"
    exit_code = 5


class NotFound(DatactlError):
    code = "not_found"
    exit_code = 6


class Conflict(DatactlError):
    code = "conflict"
    exit_code = 7


class DuplicateKey(Conflict):
    code = "duplicate_key"


class WriteConflict(Conflict):
    code = "write_conflict"


class PreconditionFailed(Conflict):
    code = "precondition_failed"


class RestoreConflict(Conflict):
    code = "restore_conflict"


class Restricted(Conflict):
    code = "restricted"


class ObjectExists(Conflict):
    code = "object_exists"


class NotInitialised(DatactlError):
    code = "not_initialised"
    exit_code = 10


class Locked(DatactlError):
    code = "locked"
    exit_code = 11


class LeaseLost(DatactlError):
    code = "lease_lost"
    exit_code = 11


class Declined(DatactlError):
    code = "declined"
    exit_code = 12


class Pending(DatactlError):
    code = "pending"
    exit_code = 75


class Interrupted(DatactlError):
    """A signal stopped the work at a safe point; `signal` decides between 130 and 143."""

    code = "interrupted"

    def __init__(self, what: str, *, signal: int = 2, next: str | None = None, **details: Any) -> None:
        super().__init__(what, next=next, **details)
        self.exit_code = 128 + signal


class DatabaseError(DatactlError):
    code = "database"


class DatabaseTimeout(DatabaseError):
    code = "database_timeout"


class DocumentRejected(DatabaseError):
    code = "document_rejected"


class StoreError(DatactlError):
    code = "store"


class StoreFull(StoreError):
    code = "store_full"


class StoreReadOnly(StoreError):
    code = "store_read_only"


class ObjectMissing(StoreError):
    code = "object_missing"


class ShortRead(StoreError):
    code = "short_read"


class VaultDamaged(DatactlError):
    code = "vault_damaged"


class EngineError(DatactlError):
    code = "engine"
