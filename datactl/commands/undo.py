"""`datactl undo`: takes an operation back where nothing has changed since, and says of the rest why it stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.bulk import begun, resume
from datactl.commands.confirming import Confirm, Yes, confirm
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation, named_again, stopped
from datactl.commands.options import CHANGES_DATABASE, VAULT
from datactl.errors import PartlyDone
from datactl.render.cells import cell
from datactl.render.figures import counted
from datactl.render.tables import Column

if TYPE_CHECKING:
    from datactl.records.undoing import Fate, UndoPlan, UndoResult

UNDO = "undo"

_NAMED = 10
_PAGE = 500
_COLUMNS = (
    Column("MODEL", keep=True),
    Column("ID", keep=True),
    Column("WAS", keep=True),
    Column("FATE", keep=True),
    Column("WHY", widest=100),
)
_ORDER = ("undone", "partly", "already so", "changed since", "not possible")


def undo(
    ctx: typer.Context,
    op: Annotated[str, typer.Argument(metavar="OP", help="The operation's id, or the beginning of it.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become of each document, and change nothing.")
    ] = False,
    confirmed: Confirm = None,
    yes: Yes = False,
) -> None:
    """Take an operation back, where nothing has changed since.

    Each value that the operation changed is put back if it still is what the operation made of it; what was changed
    since stays, and is listed. A document that was created leaves by way of the vault, one that was deleted, or removed
    into the vault, comes back. An undo is an operation itself: it can be carried on (ops resume) and undone.
    """
    invocation = Invocation.of(ctx)
    undoer = invocation.workspace.undoer()
    plan = undoer.plan(op)
    if dry_run:
        _show_fates(invocation, undoer.fates(plan))
        return
    if not plan.documents:
        invocation.hint(f"operation {plan.account.op} changed nothing: there is nothing to undo")
        return
    if plan.documents > 1:
        invocation.hint(_about(plan))
        confirm(
            invocation,
            collection=plan.account.collection,
            count=plan.documents,
            act="undo that",
            given=confirmed,
            yes=yes,
        )
    with invocation.watching() as watch, begun(watch):
        result = undoer.undo(plan, reason=invocation.reason, watch=watch)
    _finish(invocation, result)
    if result.stopped:
        raise stopped(watch, "undo", result.left, next=resume(result.op))


def carry_on_undo(invocation: Invocation, op: str) -> None:
    """Carry on an undo that was stopped or killed."""
    with invocation.watching() as watch, begun(watch):
        result = invocation.workspace.undoer().resume(op, watch=watch)
    _finish(invocation, result)
    if result.stopped:
        raise stopped(watch, "undo", result.left, next=resume(result.op))


def undo_of(op: str) -> str:
    """What takes an operation back."""
    return f"datactl undo {op}{named_again()}"


def _about(plan: UndoPlan) -> str:
    """Who did it, and to how many documents of which models."""
    account = plan.account
    touched = ", ".join(f"{count.aggregate} {count.number:,} {count.event.lower()}" for count in account.touched)
    by = f" by {account.actor}" if account.actor else ""
    why = f" ({account.reason})" if account.reason else ""
    return f"{account.op}: {touched}{by}{why}"


def _show_fates(invocation: Invocation, fates: Iterator[Fate]) -> None:
    """Write them as they are found; their numbers in the end."""
    kinds: Counter[str] = Counter()

    def seen() -> Iterator[Fate]:
        for fate in fates:
            kinds[fate.kind.value] += 1
            yield fate

    source = seen()
    printer = invocation.printer
    if printer.is_table:
        while page := list(islice(source, _PAGE)):
            printer.fact_list(page, _COLUMNS, _row)
    else:
        printer.fact_list(source, _COLUMNS, _row)
    invocation.hint(f"{_told(kinds)}: nothing was changed" if kinds else "it changed nothing: there is nothing to undo")


def _row(fate: Fate) -> list[str]:
    return [cell(fate.model), cell(fate.id), fate.event.lower(), str(fate.kind), cell(fate.why)]


def _finish(invocation: Invocation, result: UndoResult) -> None:
    """Write the report; PartlyDone if a document is not as it was."""

    def table() -> None:
        invocation.printer.say(f"operation {result.undoes}: {_told(result.fates)}")
        if result.lost:
            invocation.printer.say(f"of {counted(result.lost, 'document')} more the outbox has no events any more")
        invocation.printer.say(f"op {result.op}   undo this: {undo_of(result.op)}")

    invocation.printer.facts(result, table)
    if result.stopped or not result.failures:
        return
    named = result.left_as_is[:_NAMED]
    raise PartlyDone(
        f"{counted(result.failures, 'document')} of {result.matched + result.lost:,} could not be put back whole",
        problems=named,
        next=None if len(named) == result.failures else f"datactl ops show {result.op} lists more of them",
    )


def _told(counts: Mapping[str, int]) -> str:
    """`3 undone, 1 changed since`."""
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in _ORDER if counts.get(kind)) or "0 undone"


COMMAND = Command(
    undo,
    example="datactl undo 01KB --dry-run",
    options=(*CHANGES_DATABASE, VAULT),
    exits=(3, 6, 11, 12),
)
