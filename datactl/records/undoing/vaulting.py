"""Vaulting: documents that appeared leave by way of the vault, and those that were removed come back out of it."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession

from datactl.errors import Conflict, DatactlError
from datactl.events import aggregate_key
from datactl.mongo import Document, Mongo
from datactl.records.ledger import Ledger
from datactl.records.operations import Context
from datactl.records.remover import Fate as Removal
from datactl.records.remover import Removed, Remover
from datactl.records.removing import Removing
from datactl.records.undoing.fates import Fate, FateKind
from datactl.records.undoing.later import last_operation
from datactl.records.undoing.looking import Look, Looker, already, changed_meanwhile, impossible, undone
from datactl.records.undoing.past import Past, Way
from datactl.records.undoing.tallying import UndoTally
from datactl.steps import Watcher

# So many come back before the progress is written: each has a transaction of its own.
BROUGHT_BACK_AT_ONCE = 100

_WAIT_S = 120.0
"""So long it waits for the lease of the process that was killed at this very operation."""


class _Stays(Conflict):
    """A document that must not go, with its fate. It never leaves this room."""

    def __init__(self, look: Look) -> None:
        super().__init__(look.fate.why or "")
        self.look = look


class Vaulting:
    """What goes through the vault under one undo; the ledger's progress goes along."""

    def __init__(
        self,
        mongo: Mongo,
        looker: Looker,
        remover: Remover | None,
        context: Context,
        tally: UndoTally,
        ledger: Ledger,
    ) -> None:
        self._mongo = mongo
        self._looker = looker
        self._remover = remover
        self._context = context
        self._tally = tally
        self._ledger = ledger
        self._resumed_at = tally.position

    # -- away ----------------------------------------------------------------------------------------------------------

    def remove(self, chunk: Sequence[Past], watch: Watcher) -> int:
        """Let documents go that are as they came; how many were decided."""
        if self._remover is None:
            return self._told(
                [impossible(past, "it leaves by way of a vault, and none is at hand", "") for past in chunk]
            )
        model = chunk[0].known_model
        pasts = {past.key: past for past in chunk}
        taken = 0

        def allow(document: Document) -> DatactlError | None:
            look = self._looker.removal(pasts[aggregate_key(document["_id"])], document, None)
            return None if look.goes else _Stays(look)

        def refusals(session: ClientSession | None, documents: Sequence[Document]) -> Sequence[DatactlError | None]:
            going = [pasts[aggregate_key(document["_id"])] for document in documents]
            stored = {aggregate_key(document["_id"]): document for document in documents}
            against = self._looker.obstacles.against_leaving(going, stored, session)
            return [_Stays(impossible(past, *against[past.key])) if past.key in against else None for past in going]

        def inside(session: ClientSession, removed: Sequence[Removed]) -> None:
            self._tally.record(self._ledger, session, self._fates(pasts, removed))

        with Removing(self._remover, model, self._context, wait_s=_WAIT_S, watch=watch) as removing:
            ids = [past.id for past in chunk]
            for removed in removing.remove(ids, allow=allow, refusals=refusals, inside=inside):
                self._tally.add(self._fates(pasts, removed))
                taken += len(removed)
        return taken

    def _fates(self, pasts: dict[bytes, Past], removed: Sequence[Removed]) -> list[Fate]:
        return [self._fate(pasts[aggregate_key(each.id)], each).fate for each in removed]

    def _fate(self, past: Past, removed: Removed) -> Look:
        if removed.fate is Removal.REMOVED:
            return undone(past)
        if removed.fate is Removal.MISSING:
            return already(past, "it is gone already")
        if isinstance(removed.error, _Stays):
            return removed.error.look
        if removed.error is not None:
            return impossible(past, str(removed.error), removed.error.code)
        return changed_meanwhile(past)

    # -- back ----------------------------------------------------------------------------------------------------------

    def bring_back(self, chunk: Sequence[Past], watch: Watcher) -> int:
        """Let documents come back that are not there, if the vault offers what the operation took; how many."""
        model = chunk[0].known_model
        looks = self._looker.look(chunk, self._looker.read(model, chunk, None), None)
        coming = [each for each in looks if each.goes]
        reached = {each.past.key for each in looks if not each.goes}
        if coming and self._remover is not None:
            answers = self._remover.bring_back(
                model,
                [each.past.id for each in coming],
                self._context,
                as_archived=chunk[0].way is Way.BRING_BACK,  # as it was removed; else as it was before it was marked
                together=self._looker.obstacles.comes_too,
                watch=watch,
            )
            for each, answer in zip(coming, answers, strict=False):  # those that a signal kept are not answered
                reached.add(each.past.key)
                if answer.error is not None:
                    why = "; ".join(problem.what for problem in answer.error.problems) or str(answer.error)
                    code = next((problem.code for problem in answer.error.problems), answer.error.code)
                    each.fate = impossible(each.past, why, code).fate
                elif not answer.changed:
                    each.fate = changed_meanwhile(each.past).fate
        first = next((n for n, each in enumerate(looks) if each.past.key not in reached), len(looks))
        if self._tally.position == self._resumed_at:  # these may have come back before it was killed
            looks = [self._done_before(each) for each in looks]
        return self._told(looks[:first])

    def _done_before(self, look: Look) -> Look:
        mine = look.fate.kind in (FateKind.ALREADY, FateKind.CHANGED)
        if mine and last_operation(self._mongo, look.past, None) == self._context.op:
            return undone(look.past)
        return look

    def _told(self, looks: Sequence[Look]) -> int:
        fates = [each.fate for each in looks]
        self._tally.record(self._ledger, None, fates)
        self._tally.add(fates)
        return len(fates)
