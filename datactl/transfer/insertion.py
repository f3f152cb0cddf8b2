"""One run of an import: its documents inserted chunk by chunk, from where its row in the ledger is.

The position in the input and the length of the file of rejected documents move in the transaction that inserts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pymongo.client_session import ClientSession

from datactl.errors import DatactlError, Problem
from datactl.mongo import Mongo
from datactl.mongo.driver_errors import is_server_code
from datactl.records.clock import ServerClock
from datactl.records.committing import commit
from datactl.records.faults import ITS_OWN_FAULT, concealed
from datactl.records.ledger import OPERATIONS, Ledger, State
from datactl.records.operations import Context
from datactl.records.writing import CHUNK_DOCUMENTS, Outcome, Writer
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.transfer.deciding import Decision, Item, chunks, input_of, items_of, sort_out
from datactl.transfer.plans import ImportPlan, ImportReport
from datactl.transfer.rejects import Rejects
from datactl.transfer.tally import Tally, problems_of

# The server's words for a document that it does not take: BadValue, Overflow (nested too deep), InvalidIdField,
# DollarPrefixedFieldName, InvalidDBRef, DottedFieldName, BSONObjectTooLarge (MongoDB: src/mongo/base/error_codes.yml).
_REFUSED = (2, 15, 52, 53, 54, 55, 57, 10334)


class Insertion:
    """One run of an import, from where its row in the ledger is."""

    def __init__(
        self,
        mongo: Mongo,
        model: Model,
        plan: ImportPlan,
        context: Context,
        writer: Writer,
        ledger: Ledger,
        clock: ServerClock,
        watch: Watcher,
    ) -> None:
        self._mongo, self._model, self._plan, self._context = mongo, model, plan, context
        self._writer, self._ledger, self._clock, self._watch = writer, ledger, clock, watch

    def run(self, row: Mapping[str, Any]) -> ImportReport:
        counts = row["counts"]
        failed = [Problem(each["where"], each["what"], each["code"]) for each in row["failed"]]
        tally = Tally(row["position"], counts["changed"], counts["unchanged"], counts["failed"], failed)
        source, detail = self._plan.source, row["detail"]
        header = input_of(self._model, self._plan).header
        rejects = Rejects(
            Path(detail["rejects"]),
            self._context.op,
            source.format,
            header,
            self._plan.delimiter,
            offset=detail["rejectBytes"],
        )
        items = items_of(self._model, self._plan, tally.position, self._context.at)
        stopped = False
        try:
            with contextlib.closing(rejects):
                if self._plan.rejects is not None:  # a name that others may have been given as well: taken at once
                    rejects.open()
                for chunk in chunks(items, CHUNK_DOCUMENTS):
                    if self._watch.stopping():
                        stopped = True
                        break
                    source.require_unchanged()  # so that these were read from the bytes of its digest
                    self._decide(chunk, tally, rejects)
                    self._watch.progress("import", tally.position, self._total, op=self._context.op)
                if not stopped:
                    source.require_unchanged()
        except DatactlError as error:
            with contextlib.suppress(DatactlError):  # the error that is raised is the one that matters
                self._close(State.FAILED, tally, error=str(error))
            raise
        with self._watch.around("ledger.close", op=self._context.op):
            self._close(State.STOPPED if stopped else State.DONE, tally)
        if not stopped:
            rejects.release()
        kept = rejects.path if rejects.offset else None
        return tally.report(self._plan, self._context.op, kept, stopped=stopped)

    @property
    def _total(self) -> int | None:
        manifest = self._plan.source.manifest
        return manifest.documents if manifest else None

    def _close(self, state: State, tally: Tally, error: str | None = None) -> None:
        self._ledger.close(self._context.op, state, self._clock.now(), position=tally.position, error=error)

    def _decide(self, chunk: Sequence[Item], tally: Tally, rejects: Rejects) -> None:
        """Decide these in one transaction, or in several smaller ones if one of them is at fault."""
        try:
            with self._watch.around("chunk", tally.position, self._total, op=self._context.op):
                decision, offset = self._transaction(chunk, tally, rejects)
        except DatactlError as error:
            if not isinstance(error, ITS_OWN_FAULT) and not is_server_code(error, *_REFUSED):
                raise
            if len(chunk) == 1:
                at_fault = [Item(chunk[0].record, None, concealed(error, self._model))]
                self._decide(at_fault, tally, rejects)
                return
            half = len(chunk) // 2
            self._decide(chunk[:half], tally, rejects)
            self._decide(chunk[half:], tally, rejects)
            return
        rejects.offset = offset
        tally.add(len(chunk), decision)

    def _transaction(self, chunk: Sequence[Item], tally: Tally, rejects: Rejects) -> tuple[Decision, int]:
        def work(session: ClientSession) -> tuple[Decision, int]:
            decision, fresh = sort_out(self._mongo, self._model, self._plan, chunk, session)
            done = Outcome()
            if fresh:
                done = self._writer.create(session, [each.document for each in fresh], self._context)
            assert done.taken == len(fresh), "a chunk fits a transaction"
            decision.created, decision.event = done.taken, done.event
            offset = rejects.add(decision.rejections)
            self._record(session, chunk, tally, decision, rejects, offset)
            return decision, offset

        def moved(session: ClientSession, _: tuple[Decision, int]) -> bool:
            return self._ledger.is_at(session, self._context.op, tally.position + len(chunk))

        return commit(self._mongo, work, event_of=lambda done: done[0].event, moved=moved, watch=self._watch)

    def _record(
        self,
        session: ClientSession,
        chunk: Sequence[Item],
        tally: Tally,
        decision: Decision,
        rejects: Rejects,
        offset: int,
    ) -> None:
        op = self._context.op
        self._ledger.advance(
            session,
            op,
            position=tally.position,
            taken=len(chunk),
            counts={
                "matched": len(chunk),
                "changed": decision.created,
                "unchanged": decision.present,
                "failed": len(decision.rejections),
            },
            failed=problems_of(decision),
            kept=len(tally.failed),
        )
        if offset != rejects.offset:
            change = {"$set": {"detail.rejectBytes": offset}}
            self._mongo.collection(OPERATIONS).update_one({"_id": op}, change, session=session)
