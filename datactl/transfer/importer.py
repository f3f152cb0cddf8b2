"""Importing: documents from files into a model, each with its event, chunk by chunk, so that it can be carried on.

What an import has decided is in its row of the ledger: the position in the input and the length of the file of rejected
documents move in the transaction that inserts the documents. The same command again carries on behind it.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from pymongo import DESCENDING

from datactl.errors import Conflict
from datactl.mongo import Document, Holder, Lease, Mongo, mapping_errors
from datactl.records.clock import ServerClock
from datactl.records.ledger import OPERATIONS, Ledger, State
from datactl.records.operations import Context, new_op
from datactl.records.writing import CHUNK_DOCUMENTS, Writer
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher
from datactl.transfer.deciding import chunks, input_of, items_of, sort_out
from datactl.transfer.formats import Format
from datactl.transfer.insertion import Insertion
from datactl.transfer.plans import ImportOptions, ImportPlan, ImportReport
from datactl.transfer.running import running
from datactl.transfer.sources import Source, find_source
from datactl.transfer.tally import Tally

KIND = "import"

_CHOOSING = "imports"  # the lease under which an import looks for an unfinished one of its input, and else opens a row
_CHOOSING_S = 5.0


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
            return Insertion(self._mongo, model, plan, context, writer, ledger, clock, watch).run(row)

    def try_out(self, model: Model, plan: ImportPlan, *, watch: Watcher = UNWATCHED) -> ImportReport:
        """Read and check every document as `run` would, and look which `_id`s are taken. Changes nothing.

        Unique keys are the server's to check: only the import itself finds out.
        """
        tally = Tally(plan.position)
        now = ServerClock(self._mongo).now()
        for chunk in chunks(items_of(model, plan, plan.position, now), CHUNK_DOCUMENTS):
            if watch.stopping():
                return tally.report(plan, None, None, stopped=True, dry_run=True)
            plan.source.require_unchanged()
            decision, fresh = sort_out(self._mongo, model, plan, chunk, None)
            decision.created = len(fresh)
            tally.add(len(chunk), decision)
            watch.progress("read", tally.position)
        return tally.report(plan, None, None, dry_run=True)

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


def _suffix(plan: ImportPlan) -> str:
    return ".csv" if plan.source.format is Format.CSV else ".ndjson"
