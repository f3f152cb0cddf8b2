"""Deleting as the repository offers it: a mark, or a removal; with what goes along, and what stands against it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from datactl.errors import NotSoftDeletable
from datactl.mongo import Document, mapping_errors
from datactl.records.actions import Action, SoftDelete
from datactl.records.bulk import BulkWork
from datactl.records.deleting import Deletion, only_change
from datactl.records.faults import not_found
from datactl.records.marks import both, is_marked, live
from datactl.records.operations import Context
from datactl.records.reading import Filter
from datactl.records.references import by_ids
from datactl.records.removable import Removable
from datactl.records.removals import KIND as REMOVAL
from datactl.records.results import BulkResult, Change, DeletePlan
from datactl.records.spool import Spool
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher


class Deletable(Removable):
    """A model's documents, as far as they may be deleted. What refers to them decides with (`onDelete`)."""

    @abstractmethod
    def _bulk(self) -> BulkWork: ...
    @abstractmethod
    def _change_one(self, action: Action, id: Any, context: Context, if_match: str | None) -> Change: ...
    @abstractmethod
    def _change_many(
        self,
        action: Action,
        filter: Filter | None,
        ids: Iterable[Any] | None,
        eligible: Mapping[str, Any],
        context: Context,
        watch: Watcher,
        expected: int | None = None,
        deletion: Deletion | None = None,
    ) -> BulkResult: ...

    def delete(
        self,
        id: Any,
        *,
        actor: str | None = None,
        reason: str | None = None,
        if_match: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> Change:
        """Mark a document deleted, or remove it by way of the vault where the model has no soft delete."""
        act = self.soft_delete if self.model.soft_delete else self.remove
        return act(id, actor=actor, reason=reason, if_match=if_match, watch=watch)

    def plan_delete(self, filter: Filter | None = None, *, ids: Iterable[Any] | None = None) -> DeletePlan:
        """What `delete_many` would do now. Changes nothing."""
        return (self.plan_soft_delete if self.model.soft_delete else self.plan_remove)(filter, ids=ids)

    def delete_many(
        self,
        *,
        filter: Filter | None = None,
        ids: Iterable[Any] | None = None,
        expected: int | None = None,
        actor: str | None = None,
        reason: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> BulkResult:
        """`soft_delete_many`, or `remove_many` where the model has no soft delete."""
        act = self.soft_delete_many if self.model.soft_delete else self.remove_many
        return act(filter=filter, ids=ids, expected=expected, actor=actor, reason=reason, watch=watch)

    def soft_delete(
        self,
        id: Any,
        *,
        actor: str | None = None,
        reason: str | None = None,
        if_match: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> Change:
        """Mark a document deleted: by whom, when, why. One that is marked keeps its first marks.

        What refers to it by `cascade` is deleted with it, under the same operation, before this returns; it may be
        stopped or killed in between, and goes on with `resume_bulk(op)` or when this is called again.

        NotFound, NotSoftDeletable, PreconditionFailed; Restricted where others refer to it, or to what would go along,
        by `restrict`: then nothing was changed. PartlyDone where something could not go along.
        """
        model = self._soft_deletable()
        wanted = model.parse_id(id)
        if not self._references.to(model):
            return self._change_one(SoftDelete(model), wanted, self._context(actor, reason), if_match)
        context = self._context(actor, reason)
        with self._deletion(context, watch, single=True) as deletion:
            with mapping_errors(f"reading {model.collection}"):
                (query,) = by_ids(self.mongo, [wanted])
                there = self.collection.find_one(query, {model.marks.deleted: 1})
            if there is None:
                raise not_found(model, wanted)
            if is_marked(model, there):
                return Change(model.name, wanted, "deleted", changed=False, op=context.op)
            action = SoftDelete(model, deletion.guard if deletion else None)
            order = {"kind": action.kind, "if_match": if_match}
            result = self._bulk().change(action, context, ids=[wanted], order=order, deletion=deletion, watch=watch)
        return only_change(self.mongo, model, wanted, result, "deleted")

    def soft_delete_by_id(
        self, id: Any, *, actor: str | None = None, reason: str | None = None, if_match: str | None = None
    ) -> Change:
        """The same as `soft_delete`."""
        return self.soft_delete(id, actor=actor, reason=reason, if_match=if_match)

    def plan_soft_delete(self, filter: Filter | None = None, *, ids: Iterable[Any] | None = None) -> DeletePlan:
        """What `soft_delete_many` would mark now. Changes nothing."""
        self._soft_deletable()
        known = None if ids is None else tuple(self.model.parse_id(each) for each in ids)
        selected = filter if known is None else both(filter or {}, {"_id": {"$in": list(known)}})
        return DeletePlan(
            model=self.model.name,
            collection=self.model.collection,
            matching=self.count(selected),
            live_total=self.count(),
            filter=filter,
            ids=known,
            **self._goes_along(selected or {}),
        )

    def soft_delete_many(
        self,
        *,
        filter: Filter | None = None,
        ids: Iterable[Any] | None = None,
        expected: int | None = None,
        actor: str | None = None,
        reason: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> BulkResult:
        """Mark documents deleted: those with these ids, or every live one that matches. UsageError unless one is given.

        Which ones is decided once, at the start. An id that is not there has failed, one that is marked is unchanged.
        Declined, and nothing changed, if more than `expected` (what was confirmed) are selected then.
        """
        model = self._soft_deletable()
        context = self._context(actor, reason)
        with self._deletion(context, watch) as deletion:
            action = SoftDelete(model, deletion.guard if deletion else None)
            return self._change_many(action, filter, ids, live(model), context, watch, expected, deletion)

    def _resume_delete(self, row: Document, spool: Spool, watch: Watcher) -> BulkResult:
        context = Context(row["_id"], row["actor"], row["reason"], row["startedAt"])
        with self._deletion(context, watch, resumed=True) as deletion:
            if row["kind"] == REMOVAL:
                return self._removals(self.remover).resume(row, spool, deletion=deletion, watch=watch)
            action = SoftDelete(self.model, deletion.guard if deletion else None)
            return self._bulk().resume(row, spool, action, watch, deletion)

    def _soft_deletable(self) -> Model:
        if not self.model.soft_delete:
            raise NotSoftDeletable(
                f"{self.model.name} has no soft delete",
                why="its model says enableSoftDelete: false",
                next=f"enable it for {self.model.name} in models.yaml, or remove: datactl delete {self.model.name}",
            )
        return self.model
