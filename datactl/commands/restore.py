"""`datactl restore`: bring documents back from wherever they are: marked in MongoDB, or in the vault."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datactl.commands.along import along_lines, emptied_line
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation, stopped
from datactl.commands.options import CHANGES_DOCUMENTS, VAULT
from datactl.commands.update import assignments
from datactl.render import figures
from datactl.render.cells import cell

if TYPE_CHECKING:
    from datactl.archive import RestoreReport

_NAMED = 5
_PLACES = {"archived": "from the vault", "marked": "marked here"}


def restore(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The documents' ids.")],
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Give a field this value on the way; may be repeated."),
    ] = None,
    as_archived: Annotated[
        bool, typer.Option("--as-archived", help="Byte for byte as it was archived, its mark included.")
    ] = False,
    from_segment: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="SEGMENT", help="The copy in this segment, even one that was brought back before."
        ),
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="These alone, not what was deleted along with them.")] = False,
) -> None:
    """Bring documents back from wherever they are.

    A marked document loses its mark; an archived one is read from the vault, checked and inserted, never over another
    one. Unique keys, references and today's schema are looked at first: a conflict changes nothing (exit 7).

    What was deleted along with a document (onDelete: cascade) comes back with it, unless --only is given. References
    that the deletion emptied (nullify) stay empty: undo of the deletion puts them back.
    """
    invocation = Invocation.of(ctx)
    workspace = invocation.workspace
    known = workspace.registry.model(model)
    with invocation.watching() as watch:
        report = workspace.restorer().restore(
            known.name,
            ids,
            as_archived=as_archived,
            set=assignments(known, assign) if assign else None,
            from_segment=from_segment,
            only=only,
            reason=invocation.reason,
            watch=watch,
        )
    if len(ids) == 1:
        report.raise_failures()  # the error says it all
    invocation.printer.facts(_facts(report), lambda: _write(invocation, report))
    if report.stopped:
        raise stopped(watch, "restore", report.left)
    report.raise_failures()


def _facts(report: RestoreReport) -> dict[str, Any]:
    return {
        "op": report.op,
        "model": report.model,
        "restored": report.restored,
        "unchanged": report.unchanged,
        "failed": [{"id": each.id, **each.error.as_dict()} for each in report.failed],
        "along": report.along,
        "deletedBy": report.deleted_by,
        "emptied": report.emptied,
        "stopped": report.stopped,
        "left": report.left,
    }


def _write(invocation: Invocation, report: RestoreReport) -> None:
    by_place = Counter(str(each.came_from) for each in report.restored)
    named = len(report.restored) <= _NAMED
    for each in report.restored if named else ():
        where = f"segment {each.copy.segment}" if each.copy else "its mark taken away"
        invocation.printer.say(f"restored {report.model} {cell(each.id)}   {where}")
    if not named:
        places = ", ".join(f"{number:,} {_PLACES.get(place, place)}" for place, number in by_place.items())
        invocation.printer.say(f"restored {figures.counted(len(report.restored), 'document')}: {places}")
    if report.unchanged:
        invocation.printer.say(f"{figures.counted(len(report.unchanged), 'document')} live already")
    for line in along_lines(report.along):
        invocation.printer.say(line)
    if report.restored or report.along:
        invocation.printer.say(f"op {report.op}")
    empty = emptied_line(report.emptied, report.deleted_by)
    if empty is not None:
        invocation.printer.say(empty)


COMMAND = Command(
    restore,
    example="datactl restore Post 60f1b2c3d4e5f6789abcdef0 --reason 'deleted by mistake'",
    options=(*CHANGES_DOCUMENTS, VAULT),
    exits=(3, 6, 7),
)
