"""`datactl delete`: mark documents deleted, by id or by filter; restore takes the mark away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.bulk import begun, finish
from datactl.commands.confirming import Confirm, Yes, confirm
from datactl.commands.find import Filter, from_text
from datactl.commands.grammar import Command
from datactl.commands.ids import typed
from datactl.commands.invocation import Invocation, require_one
from datactl.commands.options import CHANGES_DATABASE
from datactl.errors import NotFound
from datactl.render import figures
from datactl.render.cells import cell
from datactl.render.terminal import word

if TYPE_CHECKING:
    from datactl.records import Change
    from datactl.schema import Model


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
        invocation.printer.facts(change, lambda: _write_one(invocation, repository.model, change))
        return
    if ids:
        with invocation.watching() as watch, begun(watch):
            result = repository.soft_delete_many(ids=ids, reason=invocation.reason, watch=watch)
    else:
        wanted = from_text(repository.model, filter)
        plan = repository.plan_soft_delete(wanted)
        name = repository.model.name
        if not plan.matching:
            raise NotFound(
                f"no live document of {name} matches", next=f"datactl find {name} --filter {word(filter or '')}"
            )
        invocation.hint(f"{name}: {figures.matching(plan.matching)} (of {plan.live_total:,} live)")
        confirm(
            invocation,
            collection=repository.model.collection,
            count=plan.matching,
            act="mark them deleted",
            given=confirmed,
            yes=yes,
        )
        expected = None if yes else plan.matching
        with invocation.watching() as watch, begun(watch):
            result = repository.soft_delete_many(
                filter=wanted, expected=expected, reason=invocation.reason, watch=watch
            )
    finish(invocation, watch, repository.model.name, "marked", result)
    if result.changed:
        invocation.hint(f"one back: datactl restore {repository.model.name} ID")


def _write_one(invocation: Invocation, model: Model, change: Change) -> None:
    did = "marked" if change.changed else "was marked already:"
    invocation.printer.say(f"{did} {change.model} {cell(change.id)}")
    if change.changed:
        invocation.printer.say(f"op {change.op}   back: datactl restore {change.model} {typed(model, change.id)}")


COMMAND = Command(
    delete,
    example="datactl delete Post --filter 'views<10' --reason 'spring cleaning' --confirm 'posts 1204'",
    options=CHANGES_DATABASE,
    exits=(3, 6, 7, 12),
)
