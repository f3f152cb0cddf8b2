"""`datactl import`: documents from exported files, from a dump of mongodump, or from what other tools wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.bulk import begun
from datactl.commands.export import FORMATS
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation, stopped
from datactl.commands.options import CHANGES_DATABASE
from datactl.errors import PartlyDone, UsageError
from datactl.render import figures
from datactl.render.terminal import word

if TYPE_CHECKING:
    from datactl.transfer import ImportOptions, ImportReport

_NAMED = 10


def import_(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    source: Annotated[
        str, typer.Argument(metavar="PATH", help="A file, or a directory that export or mongodump made.")
    ],
    format: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="bson, ndjson or csv; else the file tells.")
    ] = None,
    as_stored: Annotated[
        bool,
        typer.Option("--as-stored", help="No defaults and time stamps, undeclared fields stay: as BSON and exports."),
    ] = False,
    delimiter: Annotated[
        str, typer.Option("--delimiter", metavar="CHAR", help="What parts the columns of a CSV; \\t is a tab.")
    ] = ",",
    rejects: Annotated[
        str | None,
        typer.Option("--rejects", metavar="FILE", help="Where rejected documents go; else rejected-MODEL-OP here."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Import once more what was imported before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, change nothing.")] = False,
) -> None:
    """Create documents from exported files, or from a dump.

    Each is checked against the model and has its event. One whose _id is taken is left alone; one that is not valid
    goes, with the reason, into a file that can be imported once it is mended. Stopped or killed, the same command goes
    on where it was.
    """
    invocation = Invocation.of(ctx)
    declared = invocation.workspace.registry.model(model)
    options = _options(format, as_stored, delimiter, rejects, again)
    importer = invocation.workspace.importer()
    with invocation.watching() as watch:
        plan = importer.plan(declared, Path(source), options, watch=watch)
        if plan.op is not None:
            invocation.hint(f"carrying on operation {plan.op} behind document {plan.position:,} of the input")
        if dry_run:
            report = importer.try_out(declared, plan, watch=watch)
        else:
            with begun(watch, lambda _: "the same command goes on where it was"):
                report = importer.run(declared, plan, reason=invocation.reason, watch=watch)
    invocation.printer.facts(report, lambda: _write(invocation, report))
    if report.stopped:
        raise stopped(
            watch, f"{report.model}: read {report.read:,},", None, next="give the same command again to go on"
        )
    if report.rejected:
        raise PartlyDone(
            f"{figures.counted(report.rejected, 'document')} of {report.read:,} "
            f"{'would be' if dry_run else 'was' if report.rejected == 1 else 'were'} rejected",
            problems=report.failed[:_NAMED],
            next=_onward(report, delimiter),
        )


def _options(format: str | None, as_stored: bool, delimiter: str, rejects: str | None, again: bool) -> ImportOptions:
    from datactl.transfer import Format, ImportOptions

    if format is not None and format not in FORMATS:
        raise UsageError(f'unknown format "{format}"', next=f"--format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    parting = "\t" if delimiter == "\\t" else delimiter
    if len(parting) != 1 or parting in '"\r\n':
        raise UsageError(f'"{delimiter}" cannot part columns', next="give one character: --delimiter ';'")
    return ImportOptions(
        format=Format(format) if format else None,
        as_stored=as_stored,
        delimiter=parting,
        again=again,
        rejects=Path(rejects) if rejects else None,
    )


def _onward(report: ImportReport, delimiter: str) -> str | None:
    if report.rejects is None:
        return None if report.dry_run else "-o json lists more of them"
    how = " --as-stored" if report.stored else ""
    if delimiter != "," and report.rejects.suffix == ".csv":
        how += f" --delimiter {word(delimiter)}"
    here = Path.cwd()
    file = word(str(report.rejects.relative_to(here) if report.rejects.is_relative_to(here) else report.rejects))
    return f"mend {file}, then: datactl import {report.model} {file}{how}"


def _write(invocation: Invocation, report: ImportReport) -> None:
    parts = [f"{'would create' if report.dry_run else 'created'} {figures.counted(report.created, 'document')}"]
    if report.present:
        parts.append(f"{report.present:,} are there already")
    if report.rejected:
        parts.append(f"{report.rejected:,} {'would be rejected' if report.dry_run else 'rejected'}")
    invocation.printer.say(f"{report.model}: " + ", ".join(parts))
    if report.op is not None:
        invocation.printer.say(f"op {report.op}")


COMMAND = Command(
    import_,
    example="datactl import Post backups/today --dry-run",
    options=CHANGES_DATABASE,
    exits=(3, 6, 7, 11),
)
