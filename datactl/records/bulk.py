"""Bulk work: ids are frozen first, then decided chunk by chunk, each chunk with its events and its progress.

A document is decided when its chunk's transaction commits, and the ledger's `position` moves in that transaction:
wherever a run is killed, the next one begins exactly behind the last chunk that was committed.
A frozen document that no longer matches the selection when its turn comes is left as it is, and counts as unchanged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from pymongo.client_session import ClientSession

from datactl.errors import (
    DatabaseError,
    DatactlError,
    Locked,
    Problem,
)
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.actions import Action, Refused
from datactl.records.clock import ServerClock
from datactl.records.committing import SEQ_TRIES, commit_outcome
from datactl.records.creating import Incoming
from datactl.records.deleting import DETAIL, Deletion
from datactl.records.faults import ITS_OWN_FAULT, concealed
from datactl.records.freezing import freeze
from datactl.records.ledger import Ledger, State
from datactl.records.operations import Context
from datactl.records.restoring import Restore
from datactl.records.results import FAILURES_KEPT, BulkResult
from datactl.records.selected import Selected
from datactl.records.spool import Spool
from datactl.records.writing import CHUNK_BYTES, CHUNK_DOCUMENTS, Outcome, Writer
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher

T = TypeVar("T")

_NO_MORE: Any = object()  # the end of the items: an item may be None, for that is an `_id` too
_PROGRESS = {"soft_delete": "mark", "restore": "restore", "update": "update", "create": "create", "fix_marks": "stamp"}


@dataclass(frozen=True, slots=True)
class _Naming(Generic[T]):
    """What a failure calls an item, and how many bytes of it wait in memory."""

    name_of: Callable[[T], str]
    size_of: Callable[[T], int]


@dataclass(slots=True)
class Tally:
    """How far an operation has come."""

    op: str
    kind: str
    matched: int | None
    position: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {"changed": 0, "unchanged": 0, "failed": 0})
    failed: list[Problem] = field(default_factory=list)
    along: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Tally:
        counts = dict(row["counts"])
        matched = counts.pop("matched")
        failed = [Problem(each["where"], each["what"], each["code"]) for each in row["failed"]]
        along = row["detail"].get("along", {})
        return cls(row["_id"], row["kind"], matched, row["position"], counts, failed, along)

    def result(self, *, stopped: bool) -> BulkResult:
        matched = self.position if self.matched is None else self.matched
        return BulkResult(
            op=self.op,
            matched=matched,
            changed=self.counts["changed"],
            unchanged=self.counts["unchanged"],
            failed=tuple(self.failed),
            failures=self.counts["failed"],
            stopped=stopped,
            left=matched - self.position,
            position=self.position,
            kept=self.counts.get("kept", 0),
            along=self.along,
        )


class BulkWork:
    """Runs operations on many documents of one model."""

    def __init__(self, model: Model, mongo: Mongo, writer: Writer, clock: ServerClock, spool_dir: Path) -> None:
        self._model = model
        self._mongo = mongo
        self._writer = writer
        self._clock = clock
        self._spool_dir = spool_dir
        self._ledger = Ledger(mongo)

    # -- changing ------------------------------------------------------------------------------------------------------

    def change(
        self,
        action: Action,
        context: Context,
        *,
        selection: Mapping[str, Any] | None = None,
        ids: Iterable[Any] | None = None,
        order: Mapping[str, Any],
        expected: int | None = None,
        deletion: Deletion | None = None,
        watch: Watcher = UNWATCHED,
    ) -> BulkResult:
        """Freeze what the selection matches (or these ids), then decide each. `order` says what, for a resumption.

        With a `deletion`, what refers to the documents is looked at before, and what goes along follows after.

        Declined if more were frozen than `expected`; RestoreConflict, with every conflict of every document. Either
        comes before anything is changed.
        """
        directory = self._spool_dir / context.op
        spool, matched = freeze(
            self._mongo,
            self._model,
            directory,
            context.op,
            selection=selection,
            ids=ids,
            order=order,
            expected=expected,
            watch=watch,
        )
        try:
            if isinstance(action, Restore):
                self._preflight(action, spool, matched, watch)
            if deletion is not None:
                deletion.before(spool.ids(), watch)
            with watch.around("ledger.open", op=context.op):
                self._ledger.open(
                    context,
                    kind=action.kind,
                    model=self._model.name,
                    collection=self._model.collection,
                    matched=matched,
                    spool=str(directory),
                    detail=None if deletion is None else DETAIL,
                )
        except DatactlError:
            spool.remove()
            raise
        tally = Tally(context.op, action.kind, matched)
        return self._decide_all(action, context, tally, spool, selection, watch, deletion)

    def resume(
        self,
        row: Document,
        spool: Spool,
        action: Action,
        watch: Watcher = UNWATCHED,
        deletion: Deletion | None = None,
    ) -> BulkResult:
        """Carry on an operation that was stopped or killed; one that is done stays as it is."""
        tally = Tally.of(row)
        context = Context(row["_id"], row["actor"], row["reason"], row["startedAt"])
        self._ledger.resumed(context.op, self._clock.now(), position=tally.position)
        if isinstance(action, Restore):
            self._introduce(action, spool.ids(tally.position))
        if deletion is not None:
            deletion.before(spool.ids(tally.position), watch, resumed=True)
        return self._decide_all(action, context, tally, spool, spool.order["selection"], watch, deletion)

    def _preflight(self, action: Restore, spool: Spool, total: int, watch: Watcher) -> None:
        self._introduce(action, spool.ids())
        preflight = action.preflight()
        ids = spool.ids()
        place = self._mongo.collection(self._model.collection)
        done = 0
        while chunk := list(islice(ids, self._mongo.capabilities.in_chunk)):
            preflight.look_at(list(place.find({"_id": {"$in": chunk}})))
            done += len(chunk)
            watch.progress("preflight", done, total)
        preflight.require_none(total)

    def _introduce(self, action: Restore, ids: Iterable[Any]) -> None:
        """What is restored with a document does not stand against it, although it may come back after it."""
        if action.may_refer_to_each_other:
            action.comes_with(Selected(self._mongo, self._model, ids).has)

    def _decide_all(
        self,
        action: Action,
        context: Context,
        tally: Tally,
        spool: Spool,
        selection: Mapping[str, Any] | None,
        watch: Watcher,
        deletion: Deletion | None = None,
    ) -> BulkResult:
        if_match = spool.order.get("if_match")

        def decide(session: ClientSession, ids: Sequence[Any]) -> Outcome:
            return self._writer.change(session, action, ids, context, selection=selection, if_match=if_match)

        after = None if deletion is None else deletion.after
        result = self._run(tally, spool.ids(tally.position), decide, _Naming(str, lambda _: 0), watch, after)
        if not result.stopped:
            spool.remove()
        return result

    # -- creating ------------------------------------------------------------------------------------------------------

    def create(
        self,
        items: Iterable[Incoming],
        context: Context,
        insert: Callable[[ClientSession, Sequence[Incoming]], Outcome],
        *,
        matched: int | None,
        watch: Watcher = UNWATCHED,
    ) -> BulkResult:
        """Take the items as they come; nothing is spooled, for the caller has them."""
        with watch.around("ledger.open", op=context.op):
            self._ledger.open(
                context,
                kind="create",
                model=self._model.name,
                collection=self._model.collection,
                matched=matched or 0,
            )
        tally = Tally(context.op, "create", matched)
        naming: _Naming[Incoming] = _Naming(lambda item: str(item.number), lambda item: item.size)
        return self._run(tally, iter(items), insert, naming, watch)

    # -- the loop ------------------------------------------------------------------------------------------------------

    def _run(
        self,
        tally: Tally,
        items: Iterator[T],
        decide: Callable[[ClientSession, Sequence[T]], Outcome],
        naming: _Naming[T],
        watch: Watcher,
        after: Callable[[Watcher], bool] | None = None,
    ) -> BulkResult:
        """Chunk after chunk until there are no more items, or the watcher wants to stop."""
        size, waiting = CHUNK_DOCUMENTS, list[T]()
        failures = 0
        stopped = False
        try:
            while True:
                _fill(waiting, items, size, naming.size_of)
                if not waiting:
                    _require_all(tally)
                    break
                if watch.stopping():
                    stopped = True
                    break
                chunk = waiting[:size]
                with watch.around("chunk", tally.position, tally.matched, op=tally.op):
                    taken = self._commit(tally, chunk, decide, naming, watch)
                if taken:
                    waiting = waiting[taken:]
                    if tally.counts["failed"] == failures or len(chunk) > 1:
                        size = min(CHUNK_DOCUMENTS, size * 2)  # else the next one is likely to be at fault as well
                    failures = tally.counts["failed"]
                    watch.progress(_PROGRESS[tally.kind], tally.position, tally.matched, op=tally.op)
                else:
                    size = max(1, len(chunk) // 2)
            if after is not None and not stopped:
                stopped = not after(watch)
        except Locked:
            raise  # another process carries it on, and says how it ends
        except DatactlError as error:
            with contextlib.suppress(DatactlError):  # the error that is raised is the one that matters
                now = self._clock.now()
                self._ledger.close(tally.op, State.FAILED, now, position=tally.position, error=str(error))
            raise
        with watch.around("ledger.close", op=tally.op):
            state = State.STOPPED if stopped else State.DONE
            self._ledger.close(tally.op, state, self._clock.now(), position=tally.position)
        if after is not None:
            tally = Tally.of(self._ledger.get(tally.op))  # with what went along, and what was taken back
        return tally.result(stopped=stopped)

    def _commit(
        self,
        tally: Tally,
        chunk: Sequence[T],
        decide: Callable[[ClientSession, Sequence[T]], Outcome],
        naming: _Naming[T],
        watch: Watcher,
    ) -> int:
        """Decide a chunk in one transaction, with its progress; how many were taken. 0: one of them is at fault."""

        def work(session: ClientSession) -> Outcome:
            return self._recorded(session, tally, decide(session, chunk))

        def moved(session: ClientSession, outcome: Outcome) -> bool:
            return self._ledger.is_at(session, tally.op, tally.position + outcome.taken)

        # Where others write the same documents, fewer at once come through sooner.
        tries = SEQ_TRIES if len(chunk) == 1 else 1
        try:
            outcome = commit_outcome(self._mongo, work, moved=moved, tries=tries, watch=watch)
        except Refused:
            return self._commit(tally, chunk, decide, naming, watch)  # the action knows now whom to leave out
        except ITS_OWN_FAULT as error:
            if len(chunk) > 1:
                return 0
            failure = Outcome(1, failed=[(naming.name_of(chunk[0]), concealed(error, self._model))])
            with mapping_errors(f"recording a failure of operation {tally.op}"):
                outcome = self._recorded(None, tally, failure)
        tally.position += outcome.taken
        for name, count in _counts(outcome).items():
            tally.counts[name] += count
        tally.failed += _problems(outcome)[: FAILURES_KEPT - len(tally.failed)]
        return outcome.taken

    def _recorded(self, session: ClientSession | None, tally: Tally, outcome: Outcome) -> Outcome:
        self._ledger.advance(
            session,
            tally.op,
            position=tally.position,
            taken=outcome.taken,
            counts=_counts(outcome) | ({"matched": outcome.taken} if tally.matched is None else {}),
            failed=_problems(outcome),
            kept=len(tally.failed),
        )
        return outcome


def _fill(waiting: list[T], items: Iterator[T], size: int, size_of: Callable[[T], int]) -> None:
    """Take items until a chunk of them waits: `size`, or as many as one transaction takes in bytes."""
    weight = sum(map(size_of, waiting))
    while len(waiting) < size and weight <= CHUNK_BYTES:
        item = next(items, _NO_MORE)
        if item is _NO_MORE:
            return
        waiting.append(item)
        weight += size_of(item)


def _require_all(tally: Tally) -> None:
    """An operation that was not stopped has decided all that was selected, or it does not say that it is done."""
    if tally.matched is not None and tally.position != tally.matched:
        raise DatabaseError(
            f"operation {tally.op} came to an end at document {tally.position:,} of {tally.matched:,}",
            why="there were no more ids, or inputs",
            next=f"look at it with datactl ops show {tally.op}",
        )


def _counts(outcome: Outcome) -> dict[str, int]:
    unchanged = len(outcome.unchanged) + len(outcome.missed)
    return {"changed": len(outcome.changes), "unchanged": unchanged, "failed": len(outcome.failed)}


def _problems(outcome: Outcome) -> list[Problem]:
    return [Problem(str(item), _why(error), error.code) for item, error in outcome.failed]


def _why(error: DatactlError) -> str:
    """The error in one line, with each of its problems."""
    if len(error.problems) < 2:
        return str(error)
    return f"{error.what}: " + "; ".join(f"{problem.where} {problem.what}" for problem in error.problems)
