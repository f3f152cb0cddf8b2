"""Removal as an operation: of one document, or of many, with the ledger's progress in each removing transaction."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pymongo.client_session import ClientSession

from datactl.errors import DatabaseError, DatactlError, LeaseLost, Locked, Problem
from datactl.mongo import Document, Mongo
from datactl.records.bulk import Tally
from datactl.records.clock import ServerClock
from datactl.records.deleting import DETAIL, Deletion
from datactl.records.faults import not_found
from datactl.records.freezing import freeze
from datactl.records.ledger import Ledger, State
from datactl.records.operations import Context
from datactl.records.remover import Fate, Inside, Refusals, Removed, Remover
from datactl.records.removing import TRIES, Removing
from datactl.records.results import FAILURES_KEPT, BulkResult
from datactl.records.spool import Spool
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher

KIND = "remove"

# Documents that changed meanwhile and are tried again at the end; of more, the rest is kept and told.
_AGAIN = 1000

# A resumed operation waits so long for the lease of the process that was killed: it runs out in less.
_WAIT_S = 40.0


class Removals:
    """Removes documents of one model by way of the vault."""

    def __init__(self, model: Model, mongo: Mongo, remover: Remover, clock: ServerClock, spool_dir: Path) -> None:
        self._model = model
        self._mongo = mongo
        self._remover = remover
        self._clock = clock
        self._spool_dir = spool_dir
        self._ledger = Ledger(mongo)

    def one(
        self, id: Any, context: Context, *, if_match: str | None = None, refusals: Refusals | None = None
    ) -> Removed:
        """Remove one document. NotFound, PreconditionFailed, WriteConflict if it changes all the time."""
        with Removing(self._remover, self._model, context) as removing:
            fate = removing.one(id, if_match=if_match, refusals=refusals)
        if fate.fate is Fate.REMOVED:
            return fate
        raise fate.error or not_found(self._model, id)

    def many(
        self,
        context: Context,
        *,
        selection: Mapping[str, Any] | None = None,
        ids: Iterable[Any] | None = None,
        expected: int | None = None,
        if_match: str | None = None,
        deletion: Deletion | None = None,
        watch: Watcher = UNWATCHED,
    ) -> BulkResult:
        """Freeze what the selection matches (or these ids), then remove each. Declined if more than `expected`.

        A vault that cannot be used is told before anything is begun.
        """
        directory = self._spool_dir / context.op
        spool, matched = freeze(
            self._mongo,
            self._model,
            directory,
            context.op,
            selection=selection,
            ids=ids,
            order={"kind": KIND, "if_match": if_match},
            expected=expected,
            watch=watch,
        )
        with contextlib.ExitStack() as stack:
            try:
                removing = stack.enter_context(Removing(self._remover, self._model, context, watch=watch))
                if deletion is not None:
                    deletion.before(spool.ids(), watch)
                with watch.around("ledger.open", op=context.op):
                    self._ledger.open(
                        context,
                        kind=KIND,
                        model=self._model.name,
                        collection=self._model.collection,
                        matched=matched,
                        spool=str(directory),
                        detail=None if deletion is None else DETAIL,
                    )
            except DatactlError:
                spool.remove()
                raise
            work = _Work(self._model, self._ledger, self._clock, removing, spool.order, deletion, watch)
            return work.go(Tally(context.op, KIND, matched), spool)

    def resume(
        self, row: Document, spool: Spool, *, deletion: Deletion | None = None, watch: Watcher = UNWATCHED
    ) -> BulkResult:
        """Carry on a removal that was stopped or killed. Locked while another process is at it."""
        context = Context(row["_id"], row["actor"], row["reason"], row["startedAt"])
        with Removing(self._remover, self._model, context, wait_s=_WAIT_S, watch=watch) as removing:
            tally = Tally.of(self._ledger.get(context.op))  # as it is now that the lease is ours
            with watch.around("ledger.resumed", op=context.op):
                self._ledger.resumed(context.op, self._clock.now(), position=tally.position)
            if deletion is not None:
                deletion.before(spool.ids(tally.position), watch, resumed=True, removing=removing)
            work = _Work(self._model, self._ledger, self._clock, removing, spool.order, deletion, watch)
            return work.go(tally, spool)


class _Work:
    """One removal of many, under its lease. Without a selection an id that is not there has failed."""

    def __init__(
        self,
        model: Model,
        ledger: Ledger,
        clock: ServerClock,
        removing: Removing,
        order: Mapping[str, Any],
        deletion: Deletion | None,
        watch: Watcher,
    ) -> None:
        self._model = model
        self._ledger = ledger
        self._clock = clock
        self._removing = removing
        self._selection: Mapping[str, Any] | None = order["selection"]
        self._if_match: str | None = order.get("if_match")
        self._deletion = deletion
        self._watch = watch

    def go(self, tally: Tally, spool: Spool) -> BulkResult:
        try:
            changed = self._decide(tally, spool.ids(tally.position))
            stopped = tally.position != tally.matched
            if stopped and not self._watch.stopping():
                raise DatabaseError(
                    f"operation {tally.op} came to an end at document {tally.position:,} of {tally.matched:,}",
                    why="there were no more ids",
                    next=f"look at it with datactl ops show {tally.op}",
                )
            if not stopped:
                self._try_again(tally, changed)
                if self._deletion is not None:
                    stopped = not self._deletion.after(self._watch, self._removing)
        except (Locked, LeaseLost):
            raise  # another process carries it on, and says how it ends
        except DatactlError as error:
            with contextlib.suppress(DatactlError):  # the error that is raised is the one that matters
                now = self._clock.now()
                self._ledger.close(tally.op, State.FAILED, now, position=tally.position, error=str(error))
            raise
        with self._watch.around("ledger.close", op=tally.op):
            state = State.STOPPED if stopped else State.DONE
            self._ledger.close(tally.op, state, self._clock.now(), position=tally.position)
        if not stopped:
            spool.remove()
        if self._deletion is not None:
            tally = Tally.of(self._ledger.get(tally.op))  # with what went along, and what was taken back
        return tally.result(stopped=stopped)

    def _decide(self, tally: Tally, ids: Iterable[Any]) -> list[Any]:
        """Every id, from the first that is not decided on; those that changed meanwhile, a thousand at most."""
        changed: list[Any] = []

        def note(session: ClientSession, fates: Sequence[Removed]) -> None:
            self._advance(session, tally, fates, taken=len(fates), counts=_counted(fates, self._outcome))

        for fates in self._remove(ids, note):
            self._add(tally, fates, taken=len(fates), counts=_counted(fates, self._outcome))
            changed += [each.id for each in fates if each.fate is Fate.CHANGED][: _AGAIN - len(changed)]
        return changed

    def _try_again(self, tally: Tally, waiting: Sequence[Any]) -> None:
        """Those that changed between their copy and their removal: they are decided already, as kept."""

        def settled(fates: Sequence[Removed]) -> list[Removed]:
            return [each for each in fates if each.fate is not Fate.CHANGED]

        def counts(fates: Sequence[Removed]) -> Counter[str]:
            decided = settled(fates)
            found = _counted(decided, self._outcome)
            found["kept"] -= len(decided)
            return found

        def note(session: ClientSession, fates: Sequence[Removed]) -> None:
            self._advance(session, tally, settled(fates), taken=0, counts=counts(fates))

        for _ in range(TRIES - 1):
            if not waiting or self._watch.stopping():
                return
            left: list[Any] = []
            for fates in self._remove(waiting, note):
                self._add(tally, settled(fates), taken=0, counts=counts(fates))
                left += [each.id for each in fates if each.fate is Fate.CHANGED]
            waiting = left

    def _remove(self, ids: Iterable[Any], note: Inside) -> Iterable[Sequence[Removed]]:
        refusals = None if self._deletion is None else self._deletion.guard
        return self._removing.remove(
            ids, selection=self._selection, if_match=self._if_match, refusals=refusals, inside=note
        )

    def _advance(
        self, session: ClientSession, tally: Tally, fates: Sequence[Removed], *, taken: int, counts: Mapping[str, int]
    ) -> None:
        self._ledger.advance(
            session,
            tally.op,
            position=tally.position,
            taken=taken,
            counts=counts,
            failed=self._problems(fates),
            kept=len(tally.failed),
        )

    def _add(self, tally: Tally, fates: Sequence[Removed], *, taken: int, counts: Mapping[str, int]) -> None:
        tally.position += taken
        for name, count in counts.items():
            tally.counts[name] = tally.counts.get(name, 0) + count
        tally.failed += self._problems(fates)[: FAILURES_KEPT - len(tally.failed)]
        self._watch.progress(KIND, tally.position, tally.matched, op=tally.op)

    def _outcome(self, each: Removed) -> str:
        """What the ledger counts it as."""
        if each.fate is Fate.MISSING and self._selection is not None:
            return "unchanged"  # it does not match any more
        counted = {Fate.REMOVED: "changed", Fate.CHANGED: "kept", Fate.MISSING: "failed", Fate.REFUSED: "failed"}
        return counted[each.fate]

    def _problems(self, fates: Sequence[Removed]) -> list[Problem]:
        failed = [each for each in fates if self._outcome(each) == "failed"]
        errors = [(each.id, each.error or not_found(self._model, each.id)) for each in failed]
        return [Problem(str(wanted), str(error), error.code) for wanted, error in errors]


def _counted(fates: Iterable[Removed], outcome: Callable[[Removed], str]) -> Counter[str]:
    return Counter(outcome(each) for each in fates)
