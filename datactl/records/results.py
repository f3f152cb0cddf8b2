"""What the repository answers: changes, results of bulk work, plans and pages, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from datactl.errors import Problem

Along: TypeAlias = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one document. `changed` False: it was so already, and nothing was written.

    `before` and `after` hold the values of the touched paths (of a created document: all); a path that is absent did
    not exist. `seq` is the event's number among the document's events, None without an event. Secret values are left
    out. `along`: of a deletion or restore that others went along with, `{model: {what was done: number}}`.
    Of a restore, `deleted_by` is the operation that had deleted it, and `emptied` how many references of which models
    that one emptied: they stay so.
    """

    model: str
    id: Any
    kind: str
    changed: bool
    op: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    seq: int | None = None
    along: Along = field(default_factory=dict)
    deleted_by: str | None = None
    emptied: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of many documents. `matched` were selected; `left` of them are not decided yet, when `stopped`.

    `failed` holds the first `FAILURES_KEPT` failures (`where` is the document's `_id` as text; of `create_many` the
    number of the input from 0), `failures` counts all of them. `position` is how many are decided: of a `create_many`
    that was stopped, the number of the input to go on from. `kept`: documents that changed between their copy and their
    removal, each time it was tried; they stay. `along`: what became of others because of these, `{model: {deleted: 12,
    emptied: 3}}`; what was `takenBack` was deleted, and is live again, for something came in between.
    """

    op: str
    matched: int
    changed: int
    unchanged: int
    failed: tuple[Problem, ...] = ()
    failures: int = 0
    stopped: bool = False
    left: int = 0
    position: int = 0
    kept: int = 0
    along: Along = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeletePlan:
    """What a soft delete of many would do, before it is done: how many documents match, of how many live ones.

    `along`: how many of which models go along (`cascade`); `restricted`: how many of those that match must stay, for
    others refer to them or to what would go along, by the fields `restricted_by`; `emptied`: how many documents lose
    their value of which field (`nullify`).
    """

    model: str
    collection: str
    matching: int
    live_total: int
    filter: Mapping[str, Any] | None
    ids: tuple[Any, ...] | None = None
    along: Mapping[str, int] = field(default_factory=dict)
    restricted: int = 0
    restricted_by: tuple[str, ...] = ()
    emptied: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of documents. Behind a cursor, `total` and `pages` are those that its first page counted."""

    data: tuple[dict[str, Any], ...]
    page: int
    pages: int
    total: int
    has_next: bool
    has_prev: bool
    next_cursor: str | None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """`{data, pagination: {page, pages, total, hasNext, hasPrev, next}}`, and `meta` where there is something."""
        pagination = {
            "page": self.page,
            "pages": self.pages,
            "total": self.total,
            "hasNext": self.has_next,
            "hasPrev": self.has_prev,
            "next": self.next_cursor,
        }
        shown: dict[str, Any] = {"data": list(self.data), "pagination": pagination}
        return {**shown, "meta": dict(self.meta)} if self.meta else shown


FAILURES_KEPT = 1000


def pages_of(total: int, limit: int) -> int:
    """How many pages `total` documents fill; none when there are none."""
    return -(-total // limit)
