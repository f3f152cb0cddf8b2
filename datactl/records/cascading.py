"""Cascading: what goes along with deleted documents, pass after pass until there is nothing left to take along.

Nothing is remembered between passes, or over a crash: what an operation has deleted so far its events tell, and
whether it is deleted still the documents. Children that came in between are found by the next pass; a pass that finds
none is the last one. Only then `restrict` is looked at again (what refers to a deleted document and is live by now
came in between, and the deletion is taken back), and references are emptied (`nullify`) last of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from types import TracebackType
from typing import Any, Self

from pymongo.client_session import ClientSession

from datactl.errors import (
    ConfigError,
    DatactlError,
    DocumentRejected,
    DocumentTooLarge,
    DuplicateKey,
    InvalidDocument,
    Problem,
)
from datactl.events import aggregate_key, deleted_by
from datactl.mongo import Mongo, mapping_errors
from datactl.records.actions import SoftDelete
from datactl.records.committing import commit_outcome
from datactl.records.faults import concealed
from datactl.records.ledger import Ledger
from datactl.records.marks import is_marked
from datactl.records.nullifying import Nullify
from datactl.records.operations import Context
from datactl.records.references import CASCADE, NULLIFY, RESTRICT, Edge, References, by_ids
from datactl.records.remover import Fate, Removed, Remover
from datactl.records.removing import Removing
from datactl.records.surveying import restricted
from datactl.records.taking_back import TakingBack
from datactl.records.writing import CHUNK_DOCUMENTS, Outcome, Writer
from datactl.schema import Model
from datactl.steps import Watcher

# A run that carries on what was killed waits so long for the lease of the process that is gone: it runs out in less.
_WAIT_S = 40.0

_OF_ONE_DOCUMENT = (DuplicateKey, DocumentRejected, DocumentTooLarge, InvalidDocument)


class Cascade:
    """What one operation takes along. `context` is the operation's own: one time and one `deletedOp` for the group.

    A context manager: removals that it began are given back at its end.
    """

    def __init__(
        self,
        mongo: Mongo,
        references: References,
        context: Context,
        event_key: bytes | None,
        remover: Callable[[], Remover] | None = None,
    ) -> None:
        self._mongo = mongo
        self._references = references
        self._context = context
        self._event_key = event_key
        self._remover = remover
        self._ledger = Ledger(mongo)
        self._stack = ExitStack()
        self._open: dict[str, Removing] = {}
        self._failed: dict[tuple[str, bytes], Problem] = {}
        self._stuck: dict[tuple[str, bytes], Problem] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    @property
    def failed(self) -> list[Problem]:
        """What could not go along, of the last pass; and what could not be taken back."""
        return [*self._failed.values(), *self._stuck.values()]

    def follow(self, watch: Watcher) -> bool:
        """Take along what is there to take along, until a pass finds nothing; False if it was stopped before."""
        while True:
            self._failed = {}
            done = 0
            for edge, children, parents in self._found(CASCADE):
                if watch.stopping():
                    return False
                done += self._delete(edge, children, parents, watch)
            if not done:
                return True

    def use(self, removing: Removing, model: Model) -> None:
        """A removal of this operation that is under way: no second one of the model can begin beside it."""
        self._open[model.name] = removing

    def finish(self, watch: Watcher) -> bool:
        """The same, then look again at what restricts, and empty references; until nothing is left to be done."""
        while self.follow(watch):
            if self._take_back(watch):
                continue
            done = 0
            for edge, children, parents in self._found(NULLIFY):
                if watch.stopping():
                    return False
                done += self._nullify(edge, children, parents, watch)
            if not done:
                return True
        return False

    # -- who refers to what is deleted ---------------------------------------------------------------------------------

    def _found(self, kind: str) -> Iterator[tuple[Edge, list[Any], list[Any]]]:
        """Live documents that refer to what this operation deleted: edge, a chunk of their ids, whom they refer to."""
        for model, parents in self.deleted(kind):
            for edge in self._references.to(model, kind):
                children = (child for child, _ in edge.referrers(self._mongo, parents))
                while chunk := list(islice(children, CHUNK_DOCUMENTS)):
                    yield edge, chunk, parents

    def deleted(self, *kinds: str) -> Iterator[tuple[Model, list[Any]]]:
        """What this operation deleted, and is deleted still, in parts of one model, as far as a reference of these
        kinds may lead to it. What it deletes meanwhile comes too.
        """
        models = [name for name in self._references.parents if self._references.to(self._model(name), *kinds)]
        last: Any = None
        while models:
            rows = list(
                islice(deleted_by(self._mongo, self._context.op, models, after=last), self._mongo.capabilities.in_chunk)
            )
            if not rows:
                return
            last = rows[-1]["_id"]
            for name in dict.fromkeys(row["aggregate"] for row in rows):
                ids = [row["aggregateId"] for row in rows if row["aggregate"] == name]
                gone = self._still_deleted(self._model(name), ids)
                if gone:
                    yield self._model(name), gone

    def _still_deleted(self, model: Model, ids: Sequence[Any]) -> list[Any]:
        """Of these those that carry this operation's mark, or are not there at all."""
        marks = model.marks
        fields = {"_id": 1, marks.deleted: 1, marks.deleted_op: 1}
        with mapping_errors(f"reading {model.collection}"):
            place = self._mongo.collection(model.collection)
            there = {
                aggregate_key(row["_id"]): self._is_own(model, row)
                for query in by_ids(self._mongo, ids)
                for row in place.find(query, fields)
            }
        return list({key: each for each in ids if there.get(key := aggregate_key(each), True)}.values())

    def _is_own(self, model: Model, row: Mapping[str, Any]) -> bool:
        return is_marked(model, row) and row.get(model.marks.deleted_op) == self._context.op

    def _model(self, name: str) -> Model:
        return self._references.registry[name]

    # -- what is done to them ------------------------------------------------------------------------------------------

    def _delete(self, edge: Edge, children: Sequence[Any], parents: Sequence[Any], watch: Watcher) -> int:
        if not edge.child.soft_delete:
            return self._remove(edge, children, parents, watch)
        action = SoftDelete(edge.child)
        writer = Writer(edge.child, self._mongo, self._event_key)
        selection = edge.among(parents)

        def work(session: ClientSession, ids: Sequence[Any]) -> Outcome:
            return writer.change(session, action, ids, self._context, selection=selection)

        return self._chunk("cascade", edge.child, "deleted", children, work, watch)

    def _remove(self, edge: Edge, children: Sequence[Any], parents: Sequence[Any], watch: Watcher) -> int:
        """By way of the vault, where a model has no soft delete."""
        removed = 0

        def note(session: ClientSession, fates: Sequence[Removed]) -> None:
            count = sum(each.fate is Fate.REMOVED for each in fates)
            if count:
                self._ledger.along(session, self._context.op, edge.child.name, "deleted", count)

        removing = self._removing(edge.child, watch)
        with watch.around("cascade", 0, len(children), op=self._context.op, model=edge.child.name):
            for fates in removing.remove(children, selection=edge.among(parents), inside=note):
                removed += sum(each.fate is Fate.REMOVED for each in fates)
                for each in fates:
                    if each.error is not None:
                        self._fail(edge.child, each.id, each.error)
        return removed

    def _removing(self, model: Model, watch: Watcher) -> Removing:
        """The removal of this model, begun when it is first needed."""
        if model.name in self._open:
            return self._open[model.name]
        if self._remover is None:
            raise ConfigError(
                f"documents of {model.name} would go along, and can only be removed by way of the vault",
                why="this repository was made without one",
                next="take it from a workspace: Workspace.open().repository(...)",
            )
        removing = Removing(self._remover(), model, self._context, wait_s=_WAIT_S, watch=watch)
        self._open[model.name] = self._stack.enter_context(removing)
        return self._open[model.name]

    def _take_back(self, watch: Watcher) -> bool:
        """Look again at what restricts: what is live and refers to a deleted document came in between."""
        back = TakingBack(self._mongo, self._references, self._context, self._event_key, self._remover)
        taken = False
        for model, ids in self.deleted(RESTRICT):
            for edge in self._references.to(model, RESTRICT):
                found: dict[bytes, Any] = {}
                for child, keys in edge.referrers(self._mongo, ids):
                    found.update(dict.fromkeys(keys, child))
                for key, each in {aggregate_key(each): each for each in ids}.items():
                    if key not in found or (model.name, key) in self._stuck or not self._still_deleted(model, [each]):
                        continue
                    back.take_back(model, each, edge.name, found[key], watch)
                    taken = True
                    if self._still_deleted(model, [each]):  # what came in between keeps it from coming back as well
                        error = restricted(model, each, model, each, edge.name, 1, found[key])
                        what = f"was deleted, and could not be brought back: {error.why}"
                        self._stuck[model.name, key] = Problem(f"{model.name} {each}", what, error.code)
        return taken

    def _nullify(self, edge: Edge, children: Sequence[Any], parents: Sequence[Any], watch: Watcher) -> int:
        nullify = Nullify(self._mongo, edge, parents, Writer(edge.child, self._mongo, self._event_key))

        def work(session: ClientSession, ids: Sequence[Any]) -> Outcome:
            return nullify.change(session, ids, self._context)

        return self._chunk("nullify", edge.child, "emptied", children, work, watch)

    def _chunk(
        self,
        step: str,
        model: Model,
        did: str,
        ids: Sequence[Any],
        work: Callable[[ClientSession, Sequence[Any]], Outcome],
        watch: Watcher,
    ) -> int:
        """Do it to these documents, each transaction with its events and its count in the ledger; how many changed."""
        waiting = [list(ids)]
        changed = 0
        while waiting:
            chunk = waiting.pop()

            def write(session: ClientSession, chunk: list[Any] = chunk) -> Outcome:
                outcome = work(session, chunk)
                if outcome.changes:
                    self._ledger.along(session, self._context.op, model.name, did, len(outcome.changes))
                return outcome

            try:
                with watch.around(step, changed, len(ids), op=self._context.op, model=model.name):
                    outcome = commit_outcome(self._mongo, write, watch=watch)
            except _OF_ONE_DOCUMENT as error:
                if len(chunk) > 1:
                    waiting += [chunk[len(chunk) // 2 :], chunk[: len(chunk) // 2]]
                else:
                    self._fail(model, chunk[0], concealed(error, model))
                continue
            if outcome.taken < len(chunk):
                waiting.append(chunk[outcome.taken :])
            changed += len(outcome.changes)
            for failed, reason in outcome.failed:
                self._fail(model, failed, reason)
        return changed

    def _fail(self, model: Model, id: Any, error: DatactlError) -> None:
        problem = Problem(f"{model.name} {id}", f"does not go along: {error}", error.code)
        self._failed[model.name, aggregate_key(id)] = problem
