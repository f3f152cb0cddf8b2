"""Removing as the repository offers it: for models without soft delete, and for whoever asks for it by name."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import bson

from datactl.errors import ConfigError, UsageError
from datactl.events import aggregate_key
from datactl.mongo import CODEC, mapping_errors
from datactl.records.clock import ServerClock
from datactl.records.deleting import Deletion, finish_earlier, only_change
from datactl.records.marks import both, live
from datactl.records.operations import Context
from datactl.records.reading import Filter, Reader
from datactl.records.references import References
from datactl.records.removals import Removals
from datactl.records.remover import Remover
from datactl.records.results import BulkResult, Change, DeletePlan
from datactl.records.surveying import Survey
from datactl.steps import UNWATCHED, Watcher


class Removable(Reader):
    """A model's documents, as far as they may be removed: archived first, then gone from MongoDB."""

    _clock: ServerClock
    _spool_dir: Path | None
    _references: References
    _event_key: bytes | None
    _make_remover: Callable[[], Remover] | None

    @abstractmethod
    def _context(self, actor: str | None, reason: str | None) -> Context: ...

    @property
    def remover(self) -> Remover:
        """What removes by way of the vault. ConfigError where this repository was made without one."""
        if self._make_remover is None:
            raise ConfigError(
                f"documents of {self.model.name} can only be removed by way of the vault",
                why="this repository was made without one",
                next="take it from a workspace: Workspace.open().repository(...)",
            )
        return self._make_remover()

    def remove(
        self,
        id: Any,
        *,
        actor: str | None = None,
        reason: str | None = None,
        if_match: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> Change:
        """Copy a document into the vault, then remove it; `restore` of the archive brings it back.

        NotFound, PreconditionFailed; WriteConflict if it is changed all the time; StoreError, VaultMismatch: it stays.
        """
        wanted = self.model.parse_id(id)
        remover = self.remover
        context = self._context(actor, reason)
        if self._references.to(self.model):
            with self._deletion(context, watch, single=True) as deletion:
                result = self._removals(remover).many(
                    context, ids=[wanted], if_match=if_match, deletion=deletion, watch=watch
                )
            return only_change(self.mongo, self.model, wanted, result, "removed")
        removed = self._removals(remover).one(wanted, context, if_match=if_match)
        before = None if removed.document is None else self.hide(bson.decode(removed.document, CODEC))
        return Change(
            self.model.name,
            wanted,
            "removed",
            changed=True,
            op=context.op,
            before=before,
            seq=removed.seq,
        )

    def plan_remove(self, filter: Filter | None = None, *, ids: Iterable[Any] | None = None) -> DeletePlan:
        """What `remove_many` would remove now. Changes nothing."""
        known = None if ids is None else tuple(self.model.parse_id(each) for each in ids)
        selected = filter if known is None else both(filter or {}, {"_id": {"$in": list(known)}})
        return DeletePlan(
            model=self.model.name,
            collection=self.model.collection,
            matching=self.count(selected, include_deleted=True),
            live_total=self.count(),
            filter=filter,
            ids=known,
            **self._goes_along(selected or {}),
        )

    def remove_many(
        self,
        *,
        filter: Filter | None = None,
        ids: Iterable[Any] | None = None,
        expected: int | None = None,
        actor: str | None = None,
        reason: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> BulkResult:
        """Remove documents by way of the vault: those with these ids, or every one that matches. UsageError.

        Which ones is decided once, at the start; an id that is not there has failed. One that changes between its copy
        and its removal is copied anew, and kept if it changes each time. Declined, and nothing changed, if more than
        `expected` (what was confirmed) are selected then.
        """
        if (filter is None) == (ids is None):
            raise UsageError("give either ids or a filter", next="filter={} selects every document there is")
        known = None if ids is None else [self.model.parse_id(each) for each in ids]
        remover = self.remover
        context = self._context(actor, reason)
        with self._deletion(context, watch) as deletion:
            return self._removals(remover).many(
                context,
                selection=filter,
                ids=None if known is None else list({aggregate_key(each): each for each in known}.values()),
                expected=expected,
                deletion=deletion,
                watch=watch,
            )

    def _deletion(
        self, context: Context, watch: Watcher, *, single: bool = False, resumed: bool = False
    ) -> AbstractContextManager[Deletion | None]:
        """What follows references, None where nobody refers to this model; earlier deletions are finished first."""
        if not self._references.to(self.model):
            return nullcontext()
        if not resumed:
            finish_earlier(self.model, self.mongo, self._references, self._event_key, self._make_remover, watch)
        return Deletion(
            self.model, self.mongo, self._references, context, self._event_key, self._make_remover, single=single
        )

    def _goes_along(self, selection: Mapping[str, Any]) -> dict[str, Any]:
        """What a plan says of those who refer to the live documents of a selection."""
        if not self._references.to(self.model):
            return {}
        with Survey(self.mongo, self._references) as survey:
            with mapping_errors(f"reading {self.model.collection}"):
                found = self.collection.find(both(selection, live(self.model)), {"_id": 1})
                survey.add(self.model, (row["_id"] for row in found))
            survey.look()
            restricted, by = survey.blocked()
            return {
                "along": survey.goes_along(),
                "restricted": restricted,
                "restricted_by": by,
                "emptied": survey.emptied(),
            }

    def _removals(self, remover: Remover) -> Removals:
        return Removals(self.model, self.mongo, remover, self._clock, self._spool_directory())

    def _spool_directory(self) -> Path:
        return self._spool_dir or Path(tempfile.mkdtemp(prefix="datactl-"))
