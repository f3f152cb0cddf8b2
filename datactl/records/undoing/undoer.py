"""Undoing an operation: chunk after chunk with events and progress; itself an operation, which can be undone too.

A chunk is a run of changes of one model that are taken back in one way: in one transaction at most 500 documents, or
8 MB; what goes through the vault in parts of its own. What a deletion did is taken back in the order in which it was
done (parents before what refers to them), and so is what a restore of a group did; everything else newest first.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from itertools import chain

from bson import ObjectId
from pymongo.client_session import ClientSession

from datactl.errors import DatactlError, Locked, NotFound, UsageError
from datactl.events import ensure_outbox_indexes, operation_rows
from datactl.mongo import Mongo
from datactl.records.accounts import ARCHIVED, Account, account_of
from datactl.records.clock import ServerClock
from datactl.records.committing import commit
from datactl.records.faults import ITS_OWN_FAULT, concealed, seq_was_taken
from datactl.records.ledger import Ledger, State
from datactl.records.operations import Context, new_op
from datactl.records.remover import Remover
from datactl.records.undoing.companions import Companions
from datactl.records.undoing.fates import Fate, UndoPlan, UndoResult
from datactl.records.undoing.looking import Look, Looker, impossible
from datactl.records.undoing.past import Past, PastReader, Way
from datactl.records.undoing.putting_back import PuttingBack, Vanished
from datactl.records.undoing.tallying import UndoTally
from datactl.records.undoing.vaulting import BROUGHT_BACK_AT_ONCE, Vaulting
from datactl.records.writing import CHUNK_BYTES, CHUNK_DOCUMENTS
from datactl.schema import Registry
from datactl.steps import UNWATCHED, Watcher

KIND = "undo"

# What a removal takes at once: its own transactions are smaller, a segment of the vault should not be.
_REMOVED_AT_ONCE = 10_000
# Kinds that marked or removed: the only ones taken back in the order in which they were done.
_DELETIONS = ("soft_delete", "remove")
_DELETED, _RESTORED = "Deleted", "Restored"


class Undoer:
    """Undoes operations. `remover`: None where no vault is at hand; what only it can do is then not possible."""

    def __init__(
        self,
        mongo: Mongo,
        registry: Registry,
        *,
        actor: str | None = None,
        event_key: bytes | None = None,
        remover: Remover | None = None,
    ) -> None:
        self._mongo = mongo
        self._registry = registry
        self._actor = actor
        self._event_key = event_key
        self._remover = remover
        self._ledger = Ledger(mongo)
        self._clock = ServerClock(mongo)
        self._reader = PastReader(mongo, registry, event_key)

    # -- deciding ------------------------------------------------------------------------------------------------------

    def plan(self, op: str) -> UndoPlan:
        """What undoing the operation whose id begins so is about. Changes nothing.

        NotFound; UsageError for several operations, and for one of the archive, which restore takes back.
        """
        account = account_of(self._mongo, self._registry, op)
        if any(count.event == ARCHIVED for count in account.touched) or account.kind == "archive":
            raise UsageError(
                f"operation {account.op} archived documents, and that is not undone",
                why="they were deleted before; the vault has them",
                next=f"datactl restore {account.model} ID brings one back",
            )
        changed = ((account.row or {}).get("counts") or {}).get("changed", 0)
        lost = max(0, changed - account.events) if account.kind != KIND else 0
        if lost and not account.events:
            raise NotFound(
                f"the events of operation {account.op} are no longer there",
                why=f"it changed {changed:,} documents, and the outbox has no row of them",
                next="what cannot be told from events cannot be undone: look into a backup",
            )
        return UndoPlan(account, _events(account), lost)

    def fates(self, plan: UndoPlan) -> Iterator[Fate]:
        """What would become of each document, as it stands now. Changes nothing."""
        account = plan.account
        companions = Companions(self._mongo, account.op, forward=_is_forward(account), dry=True)
        looker = Looker(self._mongo, self._registry, self._remover, companions)
        waiting: list[Past] = []
        pasts = self._pasts(account, 0)
        while _fill(waiting, pasts):
            chunk = _first_run(waiting, BROUGHT_BACK_AT_ONCE if waiting[0].way is Way.BRING_BACK else CHUNK_DOCUMENTS)
            chunk = looker.fitting(chunk, None)
            documents = looker.read(chunk[0].model, chunk, None) if chunk[0].model else {}
            yield from (look.fate for look in looker.look(chunk, documents, None))
            del waiting[: len(chunk)]

    # -- acting --------------------------------------------------------------------------------------------------------

    def undo(
        self, plan: UndoPlan, *, actor: str | None = None, reason: str | None = None, watch: Watcher = UNWATCHED
    ) -> UndoResult:
        """Undo what is as the operation left it, and say of the rest why it stays.

        From its beginning on the operation can be carried on no more. Doing it again does nothing twice.
        NoTransactions, WeakDurability; Locked while a process of this machine is still at work on the operation.
        """
        account = plan.account
        _require_ended(account)
        self._prepare()
        context = Context(new_op(), self._actor if actor is None else actor, reason, self._clock.now())
        with watch.around("ledger.open", op=context.op):
            self._ledger.open(
                context,
                kind=KIND,
                model=account.model,
                collection=account.collection,
                matched=plan.documents,
                detail={"undoes": account.op, "lost": plan.lost},
            )
        return self._run(context, account, UndoTally(context.op, account.op, plan.documents, plan.lost), watch)

    def resume(self, op: str, *, watch: Watcher = UNWATCHED) -> UndoResult:
        """Carry on an undo that was stopped or killed, where it was; one that is done is only told."""
        row = self._ledger.get(op)
        if row["kind"] != KIND:
            raise UsageError(f"operation {op} is no undo", why=f"it is a {row['kind']}")
        tally = UndoTally.of(row)
        if row["state"] == State.DONE:
            return tally.result(stopped=False)
        self._prepare()
        context = Context(row["_id"], row["actor"], row["reason"], row["startedAt"])
        self._ledger.resumed(op, self._clock.now(), position=tally.position)
        return self._run(context, account_of(self._mongo, self._registry, tally.undoes), tally, watch)

    def _prepare(self) -> None:
        self._mongo.require_transactions()
        ensure_outbox_indexes(self._mongo)

    def _run(self, context: Context, account: Account, tally: UndoTally, watch: Watcher) -> UndoResult:
        self._ledger.undone(account.op, by=context.op, undoes=account.undoes, at=context.at)
        if (account.row or {}).get("state") == State.RUNNING:  # it may have gone on until now
            account = account_of(self._mongo, self._registry, account.op)
            tally.matched = _events(account)
            self._ledger.rematch(context.op, tally.matched)
        work = _Work(self, context, account, tally, watch)
        try:
            stopped = work.run()
        except Locked:
            raise  # another process carries it on, and says how it ends
        except DatactlError as error:
            with contextlib.suppress(DatactlError):  # the error that is raised is the one that matters
                now = self._clock.now()
                self._ledger.close(context.op, State.FAILED, now, position=tally.position, error=str(error))
            raise
        with watch.around("ledger.close", op=context.op):
            state = State.STOPPED if stopped else State.DONE
            self._ledger.close(context.op, state, self._clock.now(), position=tally.position)
        return tally.result(stopped=stopped)

    def _pasts(self, account: Account, position: int) -> Iterator[Past]:
        """The changes of an operation in the order in which they are taken back, from number `position` on."""
        if not _is_deletion(account):
            rows = operation_rows(self._mongo, account.op, newest_first=not _is_forward(account), skip=position)
            return map(self._reader.read, rows)
        # A cascade that took a mark back (because something came to refer to the document) left nothing to undo there.
        types = {count.event_type: count for count in account.touched if count.event != _RESTORED}
        gone = [name for name, count in types.items() if count.event == _DELETED]
        others = [name for name in types if name not in gone]
        first = sum(count.number for count in account.touched if count.event == _DELETED)
        deleted = operation_rows(self._mongo, account.op, event_types=gone, skip=position) if position < first else ()
        rest = operation_rows(
            self._mongo, account.op, event_types=others, newest_first=True, skip=max(0, position - first)
        )
        return map(self._reader.read, chain(deleted, rest))


class _Work:
    """One undo under way."""

    def __init__(self, undoer: Undoer, context: Context, account: Account, tally: UndoTally, watch: Watcher) -> None:
        self._mongo = undoer._mongo
        self._context = context
        self._tally = tally
        self._watch = watch
        self._pasts = undoer._pasts(account, tally.position)
        companions = Companions(undoer._mongo, account.op, forward=_is_forward(account), dry=False)
        self._looker = Looker(undoer._mongo, undoer._registry, undoer._remover, companions)
        self._putting_back = PuttingBack(undoer._mongo, self._looker, context, undoer._event_key)
        self._vaulting = Vaulting(undoer._mongo, self._looker, undoer._remover, context, tally, undoer._ledger)
        self._ledger = undoer._ledger
        self._size = CHUNK_DOCUMENTS

    def run(self) -> bool:
        """Until there is no more, or the watcher wants to stop; whether it stopped."""
        waiting: list[Past] = []
        while _fill(waiting, self._pasts):
            if self._watch.stopping():
                return True
            with self._watch.around("chunk", self._tally.position, self._tally.matched, op=self._context.op):
                taken = self._take(waiting)
            del waiting[:taken]
            if taken:
                self._watch.progress(KIND, self._tally.position, self._tally.matched, op=self._context.op)
        return False

    def _take(self, waiting: Sequence[Past]) -> int:
        """Take back some of the first changes; how many. 0: one of them is at fault, and fewer are tried next."""
        way = waiting[0].way
        if way is Way.REMOVE:
            return self._vaulting.remove(_first_run(waiting, _REMOVED_AT_ONCE), self._watch)
        if way is Way.BRING_BACK:
            return self._vaulting.bring_back(_first_run(waiting, BROUGHT_BACK_AT_ONCE), self._watch)
        chunk = _first_run(waiting, self._size)
        if way is Way.UNMARK:
            chunk, there = self._looker.alike_in_place(chunk)
            if not there:
                return self._vaulting.bring_back(chunk[:BROUGHT_BACK_AT_ONCE], self._watch)
        return self._commit(chunk)

    def _commit(self, chunk: Sequence[Past]) -> int:
        def work(session: ClientSession) -> tuple[list[Look], ObjectId | None]:
            looks, event = self._putting_back.take(session, chunk)
            self._record(session, looks)
            return looks, event

        def moved(session: ClientSession, done: tuple[list[Look], ObjectId | None]) -> bool:
            return self._ledger.is_at(session, self._context.op, self._tally.position + len(done[0]))

        try:
            looks, _ = commit(self._mongo, work, event_of=lambda done: done[1], moved=moved, watch=self._watch)
        except Vanished:
            return 0  # one was archived at this moment: it is looked for again
        except ITS_OWN_FAULT as error:
            if len(chunk) > 1:
                self._size = max(1, len(chunk) // 2)
                return 0
            if seq_was_taken(error):
                raise
            hidden = concealed(error, chunk[0].known_model)
            looks = [impossible(chunk[0], str(hidden), hidden.code)]
            self._record(None, looks)
        else:
            self._size = min(CHUNK_DOCUMENTS, self._size * 2)
        self._tally.add([look.fate for look in looks])
        return len(looks)

    def _record(self, session: ClientSession | None, looks: Sequence[Look]) -> None:
        self._tally.record(self._ledger, session, [look.fate for look in looks])


def _fill(waiting: list[Past], pasts: Iterator[Past]) -> bool:
    """Let so many wait as are taken back at once, in number and in bytes; whether there are any."""
    at_once = _REMOVED_AT_ONCE if waiting and waiting[0].way is Way.REMOVE else CHUNK_DOCUMENTS
    weight = sum(past.size for past in waiting)
    while len(waiting) < at_once and weight <= CHUNK_BYTES:
        past = next(pasts, None)
        if past is None:
            break
        if past.way is Way.REMOVE and not waiting:
            at_once = _REMOVED_AT_ONCE
        waiting.append(past)
        weight += past.size
    return bool(waiting)


def _first_run(waiting: Sequence[Past], size: int) -> list[Past]:
    """The first changes of one model that are taken back in one way, each document once."""
    first = waiting[0]
    run: list[Past] = []
    seen: set[bytes] = set()
    weight = 0
    for past in waiting[:size]:
        weight += past.size
        other = past.way is not first.way or past.aggregate != first.aggregate
        if other or past.key in seen or (run and weight > CHUNK_BYTES):
            break
        run.append(past)
        seen.add(past.key)
    return run


def _is_deletion(account: Account) -> bool:
    return account.kind in _DELETIONS


def _is_forward(account: Account) -> bool:
    """Whether parents have their turn before their children: in a deletion, and where a group was restored."""
    return _is_deletion(account) or bool(((account.row or {}).get("detail") or {}).get("group"))


def _events(account: Account) -> int:
    """How many changes there are to take back."""
    left_out = _RESTORED if _is_deletion(account) else None
    return sum(count.number for count in account.touched if count.event != left_out)


def _require_ended(account: Account) -> None:
    row = account.row or {}
    if row.get("state") != State.RUNNING or row.get("host") != socket.gethostname() or row.get("pid") == os.getpid():
        return
    with contextlib.suppress(ProcessLookupError):
        with contextlib.suppress(PermissionError):  # it is there, and somebody else's
            os.kill(row["pid"], 0)
        raise Locked(
            f"operation {account.op} is still running",
            why=f"process {row['pid']} of this machine is at work on it",
            next="wait for it, or stop it first: what it has done by then can be undone",
        )
