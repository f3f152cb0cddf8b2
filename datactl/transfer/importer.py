"""Importing: documents from files into a model, each with its event, chunk by chunk, so that it can be carried on.

What an import has decided is in its row of the ledger: the position in the input and the length of the file of rejected
documents move in the transaction that inserts the documents. The same command again carries on behind it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pymongo import DESCENDING
from pymongo.client_session import ClientSession

from datactl.errors import Conflict, DatactlError, Problem
from datactl.mongo import Document, Holder, Lease, Mongo, mapping_errors
from datactl.mongo.driver_errors import is_server_code
from datactl.records.bulk import ITS_OWN_FAULT
from datactl.records.clock import ServerClock
from datactl.records.committing import commit
from datactl.records.ledger import OPERATIONS, Ledger, State
from datactl.records.operations import Context, new_op
from datactl.records.results import FAILURES_KEPT
from datactl.records.writing import CHUNK_DOCUMENTS, Outcome, Writer, concealed
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher
from datactl.transfer.deciding import Decision, Item, chunks, input_of, items_of, sort_out
from datactl.transfer.formats import Format
from datactl.transfer.plans import ImportOptions, ImportPlan, ImportReport
from datactl.transfer.rejects import Rejects, reason
from datactl.transfer.running import running
from datactl.transfer.sources import Source, find_source

KIND = "import"

_CHOOSING = "imports"  # the lease under which an import looks for an unfinished one of its input, and else opens a row
_CHOOSING_S = 5.0

# The server's words for a document that it does not take: BadValue, Overflow (nested too deep), InvalidIdField,
# DollarPrefixedFieldName, InvalidDBRef, DottedFieldName, BSONObjectTooLarge (MongoDB: src/mongo/base/error_codes.yml).
_REFUSED = (2, 15, 52, 53, 54, 55, 57, 10334)


@dataclass(slots=True)
class _Tally:
    position: int = 0
    created: int = 0
    present: int = 0
    rejected: int = 0
    failed: list[Problem] = field(default_factory=list)


class Importer:
    """Imports files into models of one database. `state_dir` keeps who runs which import on this machine."""

    def __init__(
        self, mongo: Mongo, *, actor: str | None, event_key: bytes | None, state_dir: Path, rejects_dir: Path
    ) -> None:
        self._mongo = mongo
        self._actor = actor
        self._event_key = event_key
        self._locks = state_dir / "imports"
        self._rejects_dir = rejects_dir

    def plan(
        self, model: Model, path: Path, options: ImportOptions | None = None, *, watch: Watcher = UNWATCHED
    ) -> ImportPlan:
        """Look at the input: every byte is read once for its digest. Changes nothing.

        NotFound, UsageError, VaultDamaged for the input; Conflict if it was imported to its end before, unless `again`.
        """
        wanted = options or ImportOptions()
        source = find_source(model, path, wanted.format, watch)
        row = self._earlier(model, source)
        stored = wanted.as_stored or source.is_stored
        rejects = wanted.rejects.absolute() if wanted.rejects else None
        newest = row["_id"] if row else None
        plan = ImportPlan(model.name, source, stored, wanted.delimiter, rejects=rejects, newest=newest)
        if row is not None and not wanted.again:
            plan = _carried_on(plan, row, wanted)
        elif not wanted.again:
            self._require_nothing_begun(model, source)
        input_of(model, plan)  # the header is right
        return plan

    def run(
        self, model: Model, plan: ImportPlan, *, reason: str | None = None, watch: Watcher = UNWATCHED
    ) -> ImportReport:
        """Import what the plan says, or carry it on. Locked while another process runs it."""
        clock = ServerClock(self._mongo)
        writer = Writer(model, self._mongo, self._event_key)
        writer.prepare()
        context = Context(plan.op or new_op(), self._actor, reason, clock.now())
        ledger = Ledger(self._mongo)
        with contextlib.ExitStack() as held:
            if plan.op is None:
                # Chosen by one process at a time, wherever it runs: two rows for one input would insert it twice. Of
                # two that run one row, here one gets no lock, and elsewhere one finds the position moved.
                holder = Holder.here(self._actor, context.op)
                choosing = Lease.acquire(
                    self._mongo, _CHOOSING, ttl_s=_CHOOSING_S, holder=holder, wait_s=3 * _CHOOSING_S
                )
                with choosing:
                    began = self._earlier(model, plan.source)
                    if began is None or began["_id"] == plan.newest:
                        held.enter_context(running(self._locks, context.op))
                        choosing.check()
                        self._begin(ledger, context, model, plan, watch)
                    else:
                        plan = _carried_on(plan, began, ImportOptions())
            if plan.op is not None:
                held.enter_context(running(self._locks, plan.op))
                row = ledger.get(plan.op)
                context = Context(row["_id"], row["actor"], row["reason"], row["startedAt"])
                self._move_rejects(row, plan)
                ledger.resumed(context.op, clock.now(), position=row["position"])
            row = ledger.get(context.op)
            return _Run(self._mongo, model, plan, context, writer, ledger, clock, watch).run(row)

    def try_out(self, model: Model, plan: ImportPlan, *, watch: Watcher = UNWATCHED) -> ImportReport:
        """Read and check every document as `run` would, and look which `_id`s are taken. Changes nothing.

        Unique keys are the server's to check: only the import itself finds out.
        """
        tally = _Tally(plan.position)
        now = ServerClock(self._mongo).now()
        for chunk in chunks(items_of(model, plan, plan.position, now), CHUNK_DOCUMENTS):
            if watch.stopping():
                return _report(model, plan, tally, None, None, stopped=True, dry_run=True)
            plan.source.require_unchanged()
            decision, fresh = sort_out(self._mongo, model, plan, chunk, None)
            decision.created = len(fresh)
            _add(tally, len(chunk), decision)
            watch.progress("read", tally.position)
        return _report(model, plan, tally, None, None, dry_run=True)

    def _earlier(self, model: Model, source: Source) -> Document | None:
        """The newest import of the same bytes into the same model."""
        with mapping_errors(f"reading {OPERATIONS}"):
            return self._mongo.collection(OPERATIONS).find_one(
                {"kind": KIND, "model": model.name, "detail.sha256": source.sha256}, sort=[("_id", DESCENDING)]
            )

    def _require_nothing_begun(self, model: Model, source: Source) -> None:
        """Conflict if the last import of this path stopped half-way through other bytes: they would come in twice."""
        with mapping_errors(f"reading {OPERATIONS}"):
            row = self._mongo.collection(OPERATIONS).find_one(
                {"kind": KIND, "model": model.name, "detail.source": str(source.place.absolute()), "undoneBy": None},
                sort=[("_id", DESCENDING)],
            )
        if row is None or row["state"] == State.DONE or not row["position"]:
            return
        raise Conflict(
            f"{source.place} changed since operation {row['_id']} began to import it",
            why=f"{row['position']:,} documents of it were read, and then it stopped",
            next="put it back as it was to go on, or give --again to import it as it is now: "
            "what is there is left alone, what has no _id is created twice",
            op=row["_id"],
        )

    def _move_rejects(self, row: Document, plan: ImportPlan) -> None:
        """Another file for rejected documents, as long as none is in the one before."""
        wanted = str(plan.rejects)
        if plan.rejects is None or wanted == row["detail"]["rejects"]:
            return
        if row["detail"]["rejectBytes"]:
            raise Conflict(
                f"operation {row['_id']} has rejected documents in {row['detail']['rejects']}",
                next="carry it on without --rejects",
            )
        with mapping_errors(f"changing operation {row['_id']}"):
            self._mongo.collection(OPERATIONS).update_one({"_id": row["_id"]}, {"$set": {"detail.rejects": wanted}})

    def _begin(self, ledger: Ledger, context: Context, model: Model, plan: ImportPlan, watch: Watcher) -> None:
        default = self._rejects_dir / f"rejected-{model.name}-{context.op}{_suffix(plan)}"
        rejects = (plan.rejects or default).absolute()
        if rejects.exists():
            raise Conflict(f"{rejects} is there already", next="name another file with --rejects")
        detail = {
            "source": str(plan.source.place.absolute()),
            "sha256": plan.source.sha256,
            "format": plan.source.format.value,
            "stored": plan.stored,
            "delimiter": plan.delimiter,
            "rejects": str(rejects),
            "rejectBytes": 0,
        }
        with watch.around("ledger.open", op=context.op):
            ledger.open(context, kind=KIND, model=model.name, collection=model.collection, detail=detail)


class _Run:
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
        tally = _Tally(row["position"], counts["changed"], counts["unchanged"], counts["failed"], failed)
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
        return _report(self._model, self._plan, tally, self._context.op, rejects, stopped=stopped)

    @property
    def _total(self) -> int | None:
        manifest = self._plan.source.manifest
        return manifest.documents if manifest else None

    def _close(self, state: State, tally: _Tally, error: str | None = None) -> None:
        self._ledger.close(self._context.op, state, self._clock.now(), position=tally.position, error=error)

    def _decide(self, chunk: Sequence[Item], tally: _Tally, rejects: Rejects) -> None:
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
        _add(tally, len(chunk), decision)

    def _transaction(self, chunk: Sequence[Item], tally: _Tally, rejects: Rejects) -> tuple[Decision, int]:
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
        tally: _Tally,
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
            failed=_problems(decision),
            kept=len(tally.failed),
        )
        if offset != rejects.offset:
            change = {"$set": {"detail.rejectBytes": offset}}
            self._mongo.collection(OPERATIONS).update_one({"_id": op}, change, session=session)


def _carried_on(plan: ImportPlan, row: Document, wanted: ImportOptions) -> ImportPlan:
    """The plan to go on with an import that was begun: it reads the rest as it read the beginning. Conflict."""
    op, detail, source = row["_id"], row["detail"], plan.source
    if row["state"] == State.DONE:
        raise Conflict(
            f"{source.place} was imported into {plan.model} before",
            why=f"operation {op} read the same bytes to the end",
            next="--again imports it once more: what is there is left alone, what has no _id is created twice",
            op=op,
        )
    differing = [
        f"--{name}"
        for name, differs in (
            ("format", wanted.format is not None and wanted.format != detail["format"]),
            ("as-stored", wanted.as_stored and not detail.get("stored", plan.stored)),
            ("delimiter", wanted.delimiter not in (",", detail.get("delimiter", plan.delimiter))),
        )
        if differs
    ]
    if differing:
        raise Conflict(
            f"operation {op} began to import {source.place} with other options",
            why=f"{', '.join(differing)} would read the rest of it otherwise",
            next=f"go on without {', '.join(differing)}, or begin anew with --again",
            op=op,
        )
    return replace(
        plan,
        source=replace(source, format=Format(detail["format"])),
        stored=detail.get("stored", plan.stored),
        delimiter=detail.get("delimiter", plan.delimiter),
        op=op,
        position=row["position"],
    )


def _add(tally: _Tally, taken: int, decision: Decision) -> None:
    tally.position += taken
    tally.created += decision.created
    tally.present += decision.present
    tally.rejected += len(decision.rejections)
    tally.failed += _problems(decision)[: FAILURES_KEPT - len(tally.failed)]


def _problems(decision: Decision) -> list[Problem]:
    return [Problem(record.place, reason(error), error.code) for record, error in decision.rejections]


def _suffix(plan: ImportPlan) -> str:
    return ".csv" if plan.source.format is Format.CSV else ".ndjson"


def _report(
    model: Model,
    plan: ImportPlan,
    tally: _Tally,
    op: str | None,
    rejects: Rejects | None,
    *,
    stopped: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    return ImportReport(
        op=op,
        model=model.name,
        read=tally.position,
        created=tally.created,
        present=tally.present,
        rejected=tally.rejected,
        failed=tuple(tally.failed),
        rejects=rejects.path if rejects is not None and rejects.offset else None,
        stored=plan.stored,
        stopped=stopped,
        dry_run=dry_run,
    )
