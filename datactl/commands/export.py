"""`datactl export`: a model's documents into files that other programs read, and that import reads back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.find import Filter, from_text
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation, stopped
from datactl.commands.options import ACTOR, READS_DATABASE
from datactl.errors import UsageError
from datactl.render import figures
from datactl.render.terminal import word

if TYPE_CHECKING:
    from datactl.transfer import ExportReport

FORMATS = ("bson", "ndjson", "csv")


def export(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The files go into the folder MODEL in it.")],
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="bson, ndjson or csv.")] = "bson",
    filter: Filter = None,
    include_deleted: Annotated[
        bool, typer.Option("--include-deleted", help="Also documents that are marked deleted.")
    ] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="With secret fields: keep the files as secret.")] = False,
    withhold: Annotated[bool, typer.Option("--withhold", help="Without secret fields, in bson as well.")] = False,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="Everything as it was at one moment, while the server keeps that.")
    ] = False,
) -> None:
    """Write a model's documents to files: BSON, NDJSON or CSV.

    Into DIR/MODEL, which appears whole, read back and with a manifest, or not at all; one that is there is never
    overwritten. BSON files are restored by mongorestore, too.
    """
    from datactl.transfer import Format

    invocation = Invocation.of(ctx)
    if format not in FORMATS:
        raise UsageError(f'unknown format "{format}"', next=f"--format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if reveal and withhold:
        raise UsageError("give only one of --reveal and --withhold")
    declared = invocation.workspace.registry.model(model)
    exporter = invocation.workspace.exporter()
    plan = exporter.plan(
        declared,
        Path(directory),
        Format(format),
        filter=from_text(declared, filter),
        include_deleted=include_deleted,
        reveal=True if reveal else False if withhold else None,
        snapshot=snapshot,
    )
    with invocation.watching() as watch:
        report = exporter.run(declared, plan, watch=watch)
    if report is None:
        raise stopped(watch, f"export of {declared.name}", None, next="run it again: nothing of it was kept")
    invocation.printer.facts(report, lambda: _write(invocation, report))
    if report.withheld:
        invocation.hint(f"left out, for they are secret: {', '.join(report.withheld)} (--reveal writes them)")
    if report.whole:
        invocation.hint(
            f"{figures.counted(report.whole, 'document')} cannot be told in Extended JSON: written as "
            '{"$bson": ...}, which import reads'
        )


def _write(invocation: Invocation, report: ExportReport) -> None:
    say = invocation.printer.say
    say(
        f"{report.model}: exported {figures.counted(report.documents, 'document')}, {figures.size(report.bytes)}, "
        f"to {report.path} (read back: right)"
    )
    say(f"back: datactl import {report.model} {word(str(report.path))}")


COMMAND = Command(
    export,
    example="datactl export Post backups/today",
    options=(*READS_DATABASE, ACTOR),
    exits=(6, 7),
    changes=False,
)
