"""`datactl delete`: mark documents deleted, by id or by filter; restore takes the mark away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.bulk import finish
from datactl.commands.confirming import Confirm, Yes, confirm
from datactl.commands.find import Filter, from_text
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation, require_one
from datactl.commands.options import CHANGES_DATABASE
from datactl.errors import NotFound
from datactl.render import figures

if TYPE_CHECKING:
    from datactl.records import Change


def delete(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="The documents' ids.", show_default=False)
    ] = None,
    filter: Filter = None,
    confirmed: Confirm = None,
    yes: Yes = False,
) -> None:
    """Mark documents deleted.

    By id at once; by --filter after their number was shown and confirmed. Nothing is removed: restore takes the
    mark away, and archive moves documents into the vault when their mark is old enough.
    """
    invocation = Invocation.of(ctx)
    require_one(("ids", ids), ("--filter", filter))
    repository = invocation.workspace.repository(model)
    if ids and len(ids) == 1:
        change = repository.soft_delete(ids[0], reason=invocation.reason)
        invocation.printer.facts(change, lambda: _write_one(invocation, change))
        return
    if ids:
        with invocation.watching() as watch:
            result = repository.soft_delete_many(ids=ids, reason=invocation.reason, watch=watch)
    else:
        wanted = from_text(repository.model, filter)
        plan = repository.plan_soft_delete(wanted)
        name = repository.model.name
        if not plan.matching:
            raise NotFound(f"no live document of {name} matches", next=f"datactl find {name} --filter '{filter}'")
        invocation.hint(f"{name}: {figures.matching(plan.matching)} (of {plan.live_total:,} live)")
        confirm(
            invocation,
            collection=repository.model.collection,
            count=plan.matching,
            act="mark them deleted",
            given=confirmed,
            yes=yes,
        )
        with invocation.watching() as watch:
            result = repository.soft_delete_many(filter=wanted, reason=invocation.reason, watch=watch)
    finish(invocation, watch, repository.model.name, "marked", result)
    if result.changed:
        invocation.hint(f"one back: datactl restore {repository.model.name} ID")


def _write_one(invocation: Invocation, change: Change) -> None:
    did = "marked" if change.changed else "was marked already:"
    invocation.printer.text(f"{did} {change.model} {change.id}")
    if change.changed:
        invocation.printer.text(f"op {change.op}   back: datactl restore {change.model} {change.id}")


COMMAND = Command(
    delete,
    example="datactl delete Post --filter 'views<10' --reason 'spring cleaning' --confirm 'posts 1204'",
    options=CHANGES_DATABASE,
    exits=(3, 6, 7, 12),
)
