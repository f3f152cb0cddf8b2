"""The archive's decisions, without effects: what is due, how a run is cut, what becomes of each document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from bson.datetime_ms import DatetimeMS

from datactl.errors import NotSoftDeletable, UsageError
from datactl.schema import Model

HOLD_DAYS = 30

# The causes of segments: an archive run's documents left by their age, a removal's because they were deleted.
BY_AGE = "age"
BY_DELETE = "delete"

# A window of the due range is at least this many documents, so that a long run is many short cursors.
WINDOW_DOCUMENTS = 50_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OLDEST = datetime(1, 1, 1, tzinfo=UTC)


def retention_days(model: Model, days: int | None, default: int) -> int:
    """Days a mark stays in MongoDB: as asked for, else the model's `archive.after`, else the setting."""
    chosen = days if days is not None else model.archive.after_days
    chosen = default if chosen is None else chosen
    if chosen < 0:
        raise UsageError(f"{chosen} days is no age", next=f"give 0 or more: datactl archive {model.name} 30")
    return chosen


def cutoff(now: datetime, days: int) -> datetime:
    """Marks dated before this moment are due; `now` is the server's."""
    try:
        return now - timedelta(days=days)
    except OverflowError:
        return _OLDEST


@dataclass(frozen=True, slots=True)
class Selection:
    """Documents that age: those that `match`, by the date in `field`."""

    match: Mapping[str, Any]
    field: str

    def due(self, before: datetime) -> dict[str, Any]:
        return {**self.match, self.field: {"$lt": before}}


def selections(model: Model) -> tuple[Selection, ...]:
    """What ages in a model: its marked documents, and the live ones that `archive.select` names. NotSoftDeletable."""
    found = ageing(model)
    if not found:
        raise NotSoftDeletable(
            f"nothing of {model.name} ever comes due",
            why="the model has no soft delete, and no archive.select names live documents",
            next=f"set enableSoftDelete or archive.select for {model.name} in models.yaml",
        )
    return found


def ageing(model: Model) -> tuple[Selection, ...]:
    """As `selections`; nothing for a model of which nothing ages."""
    found: list[Selection] = []
    if model.soft_delete:
        found.append(Selection({model.marks.deleted: True}, model.marks.deleted_at))
    if (select := model.archive.select) is not None:
        unmarked = {model.marks.deleted: {"$in": [False, None]}} if model.soft_delete else {}
        found.append(Selection({**unmarked, **select.where}, select.by))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a due range: dates in [since, until), in milliseconds since 1970; `since` None is unbounded."""

    selection: Selection
    since: int | None
    until: int
    documents: int

    def filter(self) -> dict[str, Any]:
        bounds: dict[str, Any] = {"$lt": DatetimeMS(self.until)}
        if self.since is not None:
            bounds["$gte"] = DatetimeMS(self.since)
        return {**self.selection.match, self.selection.field: bounds}


def windows(
    selection: Selection, days: Mapping[int, int], before: datetime, *, least: int = WINDOW_DOCUMENTS
) -> tuple[Window, ...]:
    """Cut a due range into windows of whole days (`days`: start of the day in ms -> documents) of `least` or more.

    Together they cover everything before `before`, whatever came in since the days were counted; a moment belongs to
    exactly one, so that documents marked at the same moment are never parted.
    """
    cut: list[Window] = []
    since: int | None = None
    gathered = 0
    for day in sorted(days):
        if gathered >= least:
            cut.append(Window(selection, since, day, gathered))
            since, gathered = day, 0
        gathered += days[day]
    cut.append(Window(selection, since, milliseconds(before), gathered))
    return tuple(cut)


def milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def next_of(inside: AbstractSet[bytes], ids: Sequence[bytes], start: int) -> int:
    """Index from `start` on of the first of `ids` that is `inside` or comes the second time; their number if none."""
    rest = set(ids[start:])
    if len(rest) == len(ids) - start and inside.isdisjoint(rest):
        return len(ids)
    met: set[bytes] = set()
    for index in range(start, len(ids)):
        if ids[index] in inside or ids[index] in met:
            return index
        met.add(ids[index])
    return len(ids)


class Outcome(StrEnum):
    """What becomes of a document whose copy is committed."""

    REMOVE = "archived"
    VANISHED = "vanished"  # nothing in MongoDB: the copy counts as taken out
    DELETED = "deleted"  # nothing in MongoDB: a removal took it out, with a copy of its own
    CHANGED = "changed"
    RESTORED = "restored"  # changed, and without a mark
    HELD = "held"
    NOT_DUE = "not due"
    OUTRANKED = "copied since"  # a segment of a higher rank has a copy, and that one counts

    @property
    def is_out(self) -> bool:
        """Whether the copy is the only one there is now: in the run as in settlement."""
        return self in (Outcome.REMOVE, Outcome.VANISHED)


def outcome(copy: bytes, stored: bytes | None, *, due: bool = True, held: bool = False) -> Outcome:
    """Byte equality decides (I2); `due` and `held` as MongoDB says in the same snapshot."""
    if stored is None:
        return Outcome.VANISHED
    if stored != copy:
        return Outcome.CHANGED
    if held:
        return Outcome.HELD
    return Outcome.REMOVE if due else Outcome.NOT_DUE
