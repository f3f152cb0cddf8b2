"""Accounts: what is known of one operation, from the ledger and from its events; also of one without a ledger row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datactl.errors import NotFound, UsageError
from datactl.events import Doing, EventCount, count_events, doing_of, operations_beginning
from datactl.mongo import Mongo
from datactl.records.ledger import Ledger
from datactl.schema import Registry

# Of the archive: one event a segment, which stands for documents that are in the vault.
ARCHIVED = "Archived"


@dataclass(frozen=True, slots=True)
class Account:
    """One operation. `row` is its row of the ledger; one on a single document may have none."""

    op: str
    kind: str
    model: str
    collection: str
    actor: str | None
    reason: str | None
    at: datetime
    touched: tuple[EventCount, ...]
    row: Mapping[str, Any] | None

    @property
    def events(self) -> int:
        """How many documents it touched; one that it touched twice counts twice."""
        return sum(count.number for count in self.touched)

    @property
    def undone_by(self) -> str | None:
        """The operation that undid it last, whole or in part."""
        found: str | None = (self.row or {}).get("undoneBy")
        return found

    @property
    def undoes(self) -> str | None:
        found: str | None = ((self.row or {}).get("detail") or {}).get("undoes")
        return found

    @property
    def may_be_undone(self) -> bool:
        """Whether there is something to undo: what the archive took out is brought back with restore."""
        return bool(self.touched) and not any(count.event == ARCHIVED for count in self.touched)


def account_of(mongo: Mongo, registry: Registry, beginning: str) -> Account:
    """The operation whose id begins so; letters may be small. NotFound; UsageError for several."""
    op = _the_one(beginning, _candidates(mongo, beginning))
    row = Ledger(mongo).find(op)
    touched = count_events(mongo, op)
    doing = None if row is not None else doing_of(mongo, op)
    most = max(touched, key=lambda count: count.number, default=None)
    model = row["model"] if row is not None else most.aggregate if most is not None else ""
    known = registry.get(model)
    collection = row["collection"] if row is not None else known.collection if known is not None else model
    return Account(
        op=op,
        kind=row["kind"] if row is not None else _kind(touched),
        model=model,
        collection=collection,
        actor=row.get("actor") if row is not None else doing.actor if doing else None,
        reason=row.get("reason") if row is not None else doing.reason if doing else None,
        at=row["startedAt"] if row is not None else _at(doing),
        touched=touched,
        row=row,
    )


def _candidates(mongo: Mongo, beginning: str) -> list[str]:
    wanted = beginning.strip().upper()
    if not wanted:
        return []
    return sorted({*Ledger(mongo).beginning(wanted), *operations_beginning(mongo, wanted)})


def _the_one(beginning: str, found: list[str]) -> str:
    if not found:
        raise NotFound(f"there is no operation {beginning}", next="datactl ops list shows those there are")
    if len(found) > 1 and found[0] != beginning.strip().upper():
        raise UsageError(
            f"{beginning} is the beginning of several operations",
            why=f"{found[0]}, {found[1]} ...",
            next="give more of it",
        )
    return found[0]


def _kind(touched: tuple[EventCount, ...]) -> str:
    """What an operation without a ledger row did, in the ledger's words."""
    words = {"Created": "create", "Updated": "update", "Deleted": "soft_delete", "Restored": "restore"}
    first = touched[0].event if touched else ""
    return words.get(first, first.lower())


def _at(doing: Doing | None) -> datetime:
    if doing is None:  # its only event went between two looks
        raise NotFound("the operation's events have gone", next="datactl ops list shows what there is")
    return doing.at
