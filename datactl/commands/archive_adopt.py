"""`datactl archive adopt`: the operator's word that this vault is that of this database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from datactl.commands.confirming import Confirm, Yes, confirm_phrase
from datactl.commands.invocation import Invocation
from datactl.render import figures

if TYPE_CHECKING:
    from datactl.archive import Adoption


def adopt_vault(ctx: typer.Context, confirmed: Confirm = None, yes: Yes = False) -> None:
    """Make this vault that of this database, whatever they were before.

    For a database that was restored, renamed or cloned on purpose, and a vault that was replaced. Both sides are
    shown and a confirmation is typed. From then on the vault's copies count as this database's: no other database may
    archive into it any more.
    """
    from datactl.archive import adopt, plan_adoption

    invocation = Invocation.of(ctx)
    workspace = invocation.workspace
    plan = plan_adoption(workspace.mongo, workspace.vault)
    name = plan.sides.name
    for line in _lines(plan):
        invocation.hint(line)
    if plan.needed:
        confirm_phrase(
            invocation,
            f"adopt {name}",
            about=f"this makes {plan.sides.url} the vault of {name}",
            act="make this the vault of this database",
            given=confirmed,
            yes=yes,
        )
        adopt(workspace.mongo, workspace.vault, plan)
    facts = {
        "database": name,
        "vault": plan.sides.url,
        "adopted": plan.needed,
        "was": plan.mismatch.as_dict() if plan.mismatch else None,
        "behind": dict(plan.behind),
    }
    done = f"{plan.sides.url} is the vault of {name}" + ("" if plan.needed else " already")
    invocation.printer.facts(facts, lambda: invocation.printer.say(done))


def _lines(plan: Adoption) -> list[str]:
    sides = plan.sides
    lines = [f"database   {sides.name}: {_database(plan)}", f"vault      {sides.url}: {_vault(plan)}"]
    if plan.mismatch is not None:
        lines.append(f"refused    {plan.mismatch}")
    lines += [f"behind     {model}: the database saw epoch {epoch:,}" for model, epoch in plan.behind.items()]
    return lines


def _database(plan: Adoption) -> str:
    record = plan.sides.record
    if record is None:
        return "it has no vault yet"
    names = f"id {record.database}, known as {', '.join(record.names)}"
    return names if record.vault is None else f"{names}, with the vault {record.vault} last seen at {record.url}"


def _vault(plan: Adoption) -> str:
    segments = ", ".join(f"{figures.counted(number, 'segment')} of {model}" for model, number in plan.segments.items())
    identity = plan.sides.identity
    if identity is None:
        return f"no identity, {segments}" if segments else "empty"
    made = f"{figures.time(identity.created_at)} for {identity.name}, database id {identity.database}"
    return f"vault {identity.vault}, made {made}; {segments or 'no segments'}"
