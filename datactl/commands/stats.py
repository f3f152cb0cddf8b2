"""`datactl stats`: what each model holds: live, deleted, due, archived, the outbox and the last runs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation
from datactl.commands.options import READS_DATABASE, VAULT
from datactl.render import figures
from datactl.render.tables import Column, write_pairs, write_table
from datactl.render.terminal import safe

if TYPE_CHECKING:
    from datactl.inspect import ModelStats, StatsReport
    from datactl.records.ledger import LastRun

_COLUMNS = (
    Column("MODEL", keep=True),
    Column("LIVE", right=True, keep=True),
    Column("DELETED", right=True, keep=True),
    Column("DUE", right=True, keep=True),
    Column("ARCHIVED", right=True, keep=True),
    Column("OLDEST MARK", right=True),
    Column("OUTBOX"),
    Column("SIZE", right=True),
    Column("INDEXES", right=True),
)


def stats(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="This model, in detail; else all.", show_default=False)
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="Keep the figures: one row per model and day.")] = False,
) -> None:
    """Count what is live, deleted, due, archived and pending."""
    invocation = Invocation.of(ctx)
    statistician = invocation.workspace.statistician()
    report = statistician.report([model] if model else None)
    invocation.printer.facts(report, lambda: _write(invocation, report, detailed=model is not None))
    if record:
        rows = statistician.record(report)
        invocation.hint(f"recorded {figures.counted(rows, 'row')} for {report.taken_at.date().isoformat()}")


def _write(invocation: Invocation, report: StatsReport, *, detailed: bool) -> None:
    write_table(_COLUMNS, [_row(each, report) for each in report.models])
    if detailed:
        for each in report.models:
            invocation.printer.say("")
            write_pairs(_details(each))
    else:
        invocation.printer.say(f"database {report.database}   vault {report.vault}")


def _row(stats: ModelStats, report: StatsReport) -> list[str]:
    held = stats.archived
    dead = f", {stats.outbox.dead:,} dead" if stats.outbox.dead else ""
    return [
        stats.model,
        figures.count(stats.live),
        figures.count(stats.deleted),
        figures.count(stats.due),
        f"{held.documents:,} ({figures.size(held.stored_bytes)})" if held.documents else "-",
        _oldest(stats, report),
        f"{stats.outbox.pending:,} pending{dead}",
        figures.size(stats.storage_bytes),
        figures.size(stats.index_bytes),
    ]


def _oldest(stats: ModelStats, report: StatsReport) -> str:
    """The age of the oldest mark; one outside the years 1 to 9999 has none, and is shown as it is stored."""
    oldest = stats.oldest_mark
    if oldest is None:
        return "-"
    return figures.age(report.taken_at - oldest) if isinstance(oldest, datetime) else f"{int(oldest)} ms"


def _details(stats: ModelStats) -> list[tuple[str, str]]:
    held = stats.archived
    rows = [("collection", stats.collection)]
    rows += [(f"deleted: {safe(reason)}", figures.count(number)) for reason, number in stats.by_reason.items()]
    if stats.undated:
        rows.append(("deleted without a date", f"{stats.undated:,} (never due)"))
    rows += [
        ("due after", figures.counted(stats.retention_days, "day")),
        ("due", f"{stats.due:,} ({figures.size(stats.due_bytes)})"),
        (
            "archived",
            f"{stats.archived.documents:,} in {figures.counted(held.segments, 'segment')}, "
            f"{figures.size(held.stored_bytes)} ({figures.ratio(held.raw_bytes, held.stored_bytes)})"
            if held.documents
            else "-",
        ),
    ]
    rows += [(f"last {run.kind}", _run(run)) for run in stats.last_runs]
    return rows


def _run(run: LastRun) -> str:
    return f"{figures.time(run.started_at)}  {run.state}  op {run.op}"


COMMAND = Command(stats, example="datactl stats Post -o json", options=(*READS_DATABASE, VAULT))
