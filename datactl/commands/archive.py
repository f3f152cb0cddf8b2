"""`datactl archive`: move what was deleted long enough ago into the vault; plan, list, find and verify."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.archive_adopt import adopt_vault
from datactl.commands.archive_vault import find, list_segments, verify
from datactl.commands.durations import seconds
from datactl.commands.grammar import Command, Group
from datactl.commands.invocation import Invocation, stopped
from datactl.commands.options import CHANGES_DATABASE, READS_DATABASE, READS_DOCUMENTS, READS_MODELS, VAULT
from datactl.errors import PartlyDone, UsageError
from datactl.render import figures
from datactl.render.cells import cell
from datactl.render.tables import Column

if TYPE_CHECKING:
    from datactl.archive import ArchivePlan, ArchiveReport

Model = Annotated[
    str | None, typer.Argument(metavar="[MODEL]", help="This model; else every model.", show_default=False)
]
Days = Annotated[
    str | None,
    typer.Argument(
        metavar="[DAYS]", help="Age of the mark; else archive.after, ARCHIVE_RETENTION_DAYS, 90.", show_default=False
    ),
]

_PLAN = (
    Column("MODEL", keep=True),
    Column("DUE", right=True, keep=True),
    Column("SIZE", right=True),
    Column("MARKED BEFORE"),
    Column("HELD", right=True),
    Column("UNDATED", right=True),
    Column("UNSETTLED", right=True),
)


def archive(
    ctx: typer.Context,
    model: Model = None,
    days: Days = None,
    wait: Annotated[
        str, typer.Option("--wait", metavar="TIME", help="How long to wait for another run to end: 90s, 10m.")
    ] = "0s",
) -> None:
    """Move documents that were deleted long enough ago into the vault.

    Each leaves MongoDB only when a byte-identical copy was written, read back and committed. Running it again
    finishes what an earlier run left.
    """
    invocation = Invocation.of(ctx)
    patience = seconds(wait, "--wait")
    archiver = invocation.workspace.archiver()
    reports: list[ArchiveReport] = []
    for name in names(invocation, model):
        plan = archiver.plan(name, whole_days(days))
        if plan.documents or plan.unsettled or model is not None:
            _tell_plan(invocation, plan)
        if not plan.documents and not plan.unsettled:
            continue
        with invocation.watching() as watch:
            reports.append(archiver.run(plan, reason=invocation.reason, wait_s=patience, watch=watch))
        if reports[-1].stopped:
            invocation.printer.facts({"reports": reports}, lambda: _write(invocation, reports))
            raise stopped(watch, f"archive of {name}", reports[-1].left)
    invocation.printer.facts({"reports": reports}, lambda: _write(invocation, reports))
    damaged = [each for report in reports for each in report.settled.damaged]
    if damaged:
        raise PartlyDone(
            f"what an earlier run left could not be finished: {figures.counted(len(damaged), 'damaged object')}",
            why=damaged[0],
            next="datactl archive verify; the rest was archived",
            damaged=damaged,
        )


def plan(ctx: typer.Context, model: Model = None, days: Days = None) -> None:
    """Say what a run would take; change nothing."""
    invocation = Invocation.of(ctx)
    archiver = invocation.workspace.archiver()
    plans = [archiver.plan(name, whole_days(days)) for name in names(invocation, model)]
    invocation.printer.fact_list(plans, _PLAN, _plan_row)


def names(invocation: Invocation, model: str | None) -> list[str]:
    """The named model, or every model of which something can come due or is left to be settled."""
    if model is not None:
        return [invocation.workspace.registry.model(model).name]
    return invocation.workspace.archiver().models()


def whole_days(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise UsageError(f'"{text}" is no number of days', next="datactl archive MODEL 30")
    digits = text.lstrip("0") or "0"
    since_year_one = datetime.now(UTC).toordinal()
    if len(digits) > len(str(since_year_one)) or int(digits) >= since_year_one:
        raise UsageError(f"{text} days ago is before the calendar begins", next=f"at most {since_year_one - 1:,}")
    return int(digits)


def _tell_plan(invocation: Invocation, plan: ArchivePlan) -> None:
    if not plan.documents:
        invocation.hint(f"plan       {plan.model}  nothing marked before {figures.time(plan.cutoff)}")
        return
    held = f", {plan.held:,} held" if plan.held else ""
    undated = f", {plan.undated:,} without a date" if plan.undated else ""
    invocation.hint(
        f"plan       {plan.model}  {figures.counted(plan.documents, 'document')} marked before "
        f"{figures.time(plan.cutoff)}, {figures.size(plan.size)}{held}{undated}"
    )


def _write(invocation: Invocation, reports: list[ArchiveReport]) -> None:
    for report in reports:
        for line in _lines(report):
            invocation.printer.say(line)
    if not reports:
        invocation.printer.say("nothing was due")


def _lines(report: ArchiveReport) -> list[str]:
    lines = []
    if report.settled:
        done = report.settled
        lines.append(
            f"{report.model}: settled an earlier run: {done.segments:,} finished, {done.aborted:,} given up, "
            f"{figures.counted(done.archived, 'document')} archived"
        )
    where = f"in {figures.counted(len(report.segments), 'segment')}" if report.segments else ""
    size = f", {figures.size(report.stored)} ({figures.ratio(report.size, report.stored)})" if report.segments else ""
    kept = "".join(f"; kept {number:,} {_KEPT.get(reason, reason)}" for reason, number in report.kept_counts.items())
    named = [cell(each.id) for each in report.kept[:3]]
    lines.append(
        f"{report.model}: archived {figures.counted(report.archived, 'document')} {where}".rstrip()
        + size
        + kept
        + (f" ({', '.join(named)}{', ...' if len(report.kept) > len(named) else ''})" if named else "")
    )
    lines.append(f"op {report.op}   one back: datactl restore {report.model} ID")
    return lines


_KEPT = {
    "changed": "that changed meanwhile",
    "restored": "that were restored meanwhile",
    "deleted": "that were removed meanwhile",
    "held": "that are held",
}


def _plan_row(plan: ArchivePlan) -> list[str]:
    return [
        plan.model,
        figures.count(plan.documents),
        figures.size(plan.size),
        figures.time(plan.cutoff),
        figures.count(plan.held),
        figures.count(plan.undated),
        figures.count(plan.unsettled),
    ]


COMMAND = Group(
    "Move documents that were deleted long enough ago into the vault.\n\n"
    "Without a word: each due document of MODEL (else of every model) leaves MongoDB once a byte-identical copy was\n"
    "written, read back and committed. Running it again finishes what an earlier run left.",
    {
        "plan": Command(plan, example="datactl archive plan Post 30", options=(*READS_DATABASE, VAULT)),
        "list": Command(list_segments, example="datactl archive list Post", options=(*READS_MODELS, VAULT)),
        "find": Command(
            find,
            example="datactl archive find Post 60f1b2c3d4e5f6789abcdef0",
            options=(*READS_DOCUMENTS, VAULT),
            exits=(6,),
        ),
        "adopt": Command(
            adopt_vault,
            example="datactl archive adopt --confirm 'adopt shop'",
            options=(*READS_DATABASE, VAULT),
            exits=(7, 12),
            changes=True,
        ),
        "verify": Command(verify, example="datactl archive verify --deep", options=(*READS_MODELS, VAULT), exits=(5,)),
    },
    default=Command(archive, example="datactl archive Post 30", options=(*CHANGES_DATABASE, VAULT), exits=(3, 7, 11)),
    example="datactl archive Post 30",
)
