"""`datactl ops`: the operations on many documents that were begun, and carrying on one that did not come to its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datactl.commands.bulk import begun, finish, resume
from datactl.commands.grammar import Command, Group
from datactl.commands.invocation import Invocation
from datactl.commands.options import READS_DATABASE, VAULT
from datactl.commands.undo import UNDO, carry_on_undo, undo_of
from datactl.errors import UsageError
from datactl.render import figures
from datactl.render.cells import cell
from datactl.render.tables import Column, write_pairs

if TYPE_CHECKING:
    from datactl.records.accounts import Account
    from datactl.records.ledger import LastRun

SHOWN = 20

# What a kind of operation did to a document; it can be carried on, for its ids were frozen when it began.
_DID = {
    "soft_delete": "marked",
    "update": "changed",
    "restore": "restored",
    "fix_marks": "stamped",
    "remove": "removed",
}
_COLUMNS = (
    Column("OP", keep=True),
    Column("KIND", keep=True),
    Column("MODEL", keep=True),
    Column("STATE", keep=True),
    Column("CHANGED", right=True),
    Column("OF", right=True),
    Column("STARTED"),
    Column("BY"),
    Column("REASON"),
)

Op = Annotated[str, typer.Argument(metavar="OP", help="The operation's id, or the beginning of it.")]


def list_runs(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Of this model; else of all.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="So many of them.")] = SHOWN,
) -> None:
    """List the last operations, the newest first."""
    from datactl.records.ledger import last_runs

    invocation = Invocation.of(ctx)
    name = invocation.workspace.registry.model(model).name if model else None
    invocation.printer.fact_list(last_runs(invocation.workspace.mongo, name, limit=limit), _COLUMNS, _row)


def show(ctx: typer.Context, op: Op) -> None:
    """Show one operation: who, when, why, what it did to which documents, how it goes on and how to undo it.

    Operations on one document are here too, though list has only those on many: each change names its op.
    """
    invocation = Invocation.of(ctx)
    account = _account(invocation, op)
    touched: dict[str, dict[str, int]] = {}
    for count in account.touched:
        touched.setdefault(count.aggregate, {})[count.event.lower()] = count.number
    row = account.row
    known = {key: value for key, value in row.items() if key != "_id"} if row is not None else _of_events(account)
    facts: dict[str, Any] = {"op": account.op, **known, "touched": touched}
    if row is not None and row["state"] != "done" and account.undone_by is None:
        facts["next"] = resume(account.op) if _is_resumable(row) else _otherwise(row)
    if account.may_be_undone and account.undone_by is None:
        facts["undo"] = undo_of(account.op)
    invocation.printer.facts(facts, lambda: _show(facts))


def _of_events(account: Account) -> dict[str, Any]:
    """What a ledger row would say of an operation that has none: it was done in one transaction."""
    return {
        "kind": account.kind,
        "model": account.model,
        "collection": account.collection,
        "actor": account.actor,
        "reason": account.reason,
        "startedAt": account.at,
        "state": "done",
    }


def _show(facts: Mapping[str, Any]) -> None:
    """One fact a line; what was touched in words, and nothing that is empty."""
    touched = "; ".join(
        f"{model}: {', '.join(f'{number:,} {event}' for event, number in events.items())}"
        for model, events in facts["touched"].items()
    )
    shown = {**facts, "touched": touched or "nothing"}
    write_pairs((name, cell(value)) for name, value in shown.items() if value not in (None, [], {}))


def carry_on(ctx: typer.Context, op: Op) -> None:
    """Carry on an update, delete, restore or undo that was stopped, failed or was killed.

    It begins exactly behind the last documents that were decided: none is changed twice. Its ids were frozen on the
    machine and in the project where it began; an undo goes on anywhere. One that is done is only reported.
    """
    invocation = Invocation.of(ctx)
    account = _account(invocation, op)
    row = account.row
    if row is None:
        invocation.hint(f"operation {account.op} is done already")
        return
    if row["kind"] == UNDO:
        carry_on_undo(invocation, account.op)
        return
    if not _is_resumable(row):
        if row["state"] == "done":
            invocation.hint(f"operation {row['_id']} is done already")
            return
        raise UsageError(f"operation {row['_id']} ({row['kind']}) cannot be carried on by its id", next=_otherwise(row))
    if row["state"] == "done":
        invocation.hint(f"operation {row['_id']} is done already")
    repository = invocation.workspace.repository(row["model"])
    with invocation.watching() as watch, begun(watch):
        result = repository.resume_bulk(row["_id"], watch=watch)
    finish(invocation, watch, row["model"], _DID[row["kind"]], result)


def _account(invocation: Invocation, op: str) -> Account:
    from datactl.records.accounts import account_of

    return account_of(invocation.workspace.mongo, invocation.workspace.registry, op)


def _is_resumable(row: Mapping[str, Any]) -> bool:
    return row["kind"] == UNDO or (row["kind"] in _DID and row.get("spool") is not None)


def _otherwise(row: Mapping[str, Any]) -> str:
    """How an operation goes on whose input is not kept."""
    if row["kind"] == "create":
        return (
            f"the first {row['position']:,} documents of its input were decided: leave them out, "
            f"as in tail -n +{row['position'] + 1} FILE | datactl create {row['model']} -"
        )
    if row["kind"] == "update":
        return "its frozen ids are not on this machine: datactl find tells what it has changed, nothing is guessed"
    return f"give the command again: what is done is not done twice (datactl {row['kind']} {row['model']} ...)"


def _row(run: LastRun) -> list[str]:
    return [
        cell(run.op),
        cell(run.kind),
        cell(run.model),
        str(run.state),
        figures.count(run.counts.get("changed", 0)),
        figures.count(run.counts.get("matched", 0)),
        figures.time(run.started_at),
        cell(run.actor),
        cell(run.reason),
    ]


COMMAND = Group(
    "List operations on many documents, and carry on what was stopped.",
    {
        "list": Command(list_runs, example="datactl ops list Post", options=READS_DATABASE),
        "show": Command(show, example="datactl ops show 01KB", options=READS_DATABASE, exits=(6,)),
        "resume": Command(
            carry_on,
            example="datactl ops resume 01KB",
            options=(*READS_DATABASE, VAULT),
            exits=(3, 6, 7, 11),
            changes=True,
        ),
    },
    example="datactl ops list",
)
