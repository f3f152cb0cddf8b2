"""What a model declares beside its fields: marks, archive, access, aggregations, events. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from datactl.schema.frozen import FrozenDict


@dataclass(frozen=True, slots=True)
class Marks:
    """The names of the fields that mark a document deleted (mongoose-delete's, and two more).

    `deleted_by_type`: `mixed`, `string` or `objectId`, as the application declares who deleted a document.
    """

    deleted: str = "deleted"
    deleted_at: str = "deletedAt"
    deleted_by: str = "deletedBy"
    delete_reason: str = "deleteReason"
    deleted_op: str = "deletedOp"
    deleted_by_type: str = "mixed"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.deleted, self.deleted_at, self.deleted_by, self.delete_reason, self.deleted_op)


@dataclass(frozen=True, slots=True)
class ArchiveSelection:
    """Live documents that are archived by age: what `where` matches, aged from the date in the field `by`."""

    by: str
    where: FrozenDict = field(default_factory=FrozenDict)


@dataclass(frozen=True, slots=True)
class ArchiveTiers:
    """Ages in days, storage classes by their S3 names."""

    cold_after: int = 181
    warm_class: str = "STANDARD_IA"
    cold_class: str = "GLACIER"


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """`after_days` None: the setting `archive_retention_days` decides."""

    after_days: int | None = None
    select: ArchiveSelection | None = None
    tiers: ArchiveTiers = field(default_factory=ArchiveTiers)


@dataclass(frozen=True, slots=True)
class Access:
    """What a role may do: action names (`*`: all), and the filter that its rows must match (None: every row)."""

    role: str
    actions: tuple[str, ...]
    rows: FrozenDict | None = None


@dataclass(frozen=True, slots=True)
class Aggregation:
    """A named pipeline that only reads."""

    name: str
    pipeline: tuple[Any, ...]
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Handler:
    """A Python function (`module:function`) called with each event of these types (`ProductCreated`)."""

    events: tuple[str, ...]
    call: str


@dataclass(frozen=True, slots=True)
class EventPolicy:
    """`sinks` None: every sink that is configured."""

    handlers: tuple[Handler, ...] = ()
    sinks: tuple[str, ...] | None = None
