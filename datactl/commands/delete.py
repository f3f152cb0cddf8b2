"""`datactl delete`: mark documents deleted, or remove them into the vault, by id or by filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.along import along_lines, plan_lines
from datactl.commands.bulk import begun, finish
from datactl.commands.confirming import Confirm, Yes, confirm
from datactl.commands.find import Filter, from_text
from datactl.commands.grammar import Command
from datactl.commands.ids import typed
from datactl.commands.invocation import Invocation, named_again, require_one
from datactl.commands.options import CHANGES_DATABASE, VAULT
from datactl.errors import NotFound
from datactl.render import figures
from datactl.render.cells import cell
from datactl.render.terminal import word

if TYPE_CHECKING:
    from datactl.records import Change, Repository
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
    """Mark documents deleted; without soft delete, remove them into the vault.

    By id at once; by --filter after their number was shown and confirmed. A marked document stays: restore takes the
    mark away, and archive moves it into the vault when its mark is old enough. A document of a model without soft
    delete leaves MongoDB once a byte-identical copy was written, read back and committed: restore brings it back.

    Where references say onDelete, what refers to a document by cascade goes along, by nullify loses the reference, and
    by restrict keeps the document (exit 7 for one, 3 where others were deleted).
    """
    invocation = Invocation.of(ctx)
    require_one(("ids", ids), ("--filter", filter))
    repository = invocation.workspace.repository(model)
    if ids and invocation.settings.production:
        _ask_for_group(invocation, repository, ids, confirmed, yes)
    if ids and len(ids) == 1:
        with invocation.watching() as watch, begun(watch):
            change = repository.delete(ids[0], reason=invocation.reason, watch=watch)
        invocation.printer.facts(change, lambda: _write_one(invocation, repository.model, change))
        return
    if ids:
        with invocation.watching() as watch, begun(watch):
            result = repository.delete_many(ids=ids, reason=invocation.reason, watch=watch)
    else:
        wanted = from_text(repository.model, filter)
        plan = repository.plan_delete(wanted)
        name = repository.model.name
        if not plan.matching:
            raise NotFound(
                f"no live document of {name} matches", next=f"datactl find {name} --filter {word(filter or '')}"
            )
        invocation.hint(f"{name}: {figures.matching(plan.matching)} (of {plan.live_total:,} live)")
        for line in plan_lines(plan):
            invocation.hint(line)
        confirm(
            invocation,
            collection=repository.model.collection,
            count=plan.matching,
            act="mark them deleted" if repository.model.soft_delete else "remove them into the vault",
            given=confirmed,
            yes=yes,
        )
        expected = None if yes and not invocation.settings.production else plan.matching
        with invocation.watching() as watch, begun(watch):
            result = repository.delete_many(filter=wanted, expected=expected, reason=invocation.reason, watch=watch)
    finish(invocation, watch, repository.model.name, "marked" if repository.model.soft_delete else "removed", result)
    if result.changed:
        invocation.hint(f"one back: datactl restore {repository.model.name} ID{named_again()}")


def _ask_for_group(
    invocation: Invocation, repository: Repository, ids: list[str], given: str | None, yes: bool
) -> None:
    """In production a document that takes others along wants the number typed, as a filter does."""
    plan = repository.plan_delete(ids=ids)
    if not plan.along and not plan.emptied:
        return
    for line in plan_lines(plan):
        invocation.hint(line)
    whole = plan.matching + sum(plan.along.values())
    act = f"delete {figures.counted(whole, 'document')}"
    confirm(invocation, collection=repository.model.collection, count=whole, act=act, given=given, yes=yes)


def _write_one(invocation: Invocation, model: Model, change: Change) -> None:
    did = "was marked already:" if not change.changed else "marked" if model.soft_delete else "removed"
    where = "" if model.soft_delete else "   into the vault"
    invocation.printer.say(f"{did} {change.model} {cell(change.id)}{where}")
    for line in along_lines(change.along):
        invocation.printer.say(line)
    if not change.changed:
        return
    emptied = any(counts.get("emptied") for counts in change.along.values())
    back = f"undo {change.op}" if emptied else f"restore {change.model} {typed(model, change.id)}"
    invocation.printer.say(f"op {change.op}   back: datactl {back}{named_again()}")


COMMAND = Command(
    delete,
    example="datactl delete Post --filter 'views<10' --reason 'spring cleaning' --confirm 'posts 1204'",
    options=(*CHANGES_DATABASE, VAULT),
    exits=(3, 6, 7, 11, 12),
)
