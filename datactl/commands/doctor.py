"""`datactl doctor`: what this project needs to run safely, the checklist for production, the least roles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation
from datactl.commands.options import READS_DATABASE, VAULT
from datactl.errors import FindingsError, UsageError
from datactl.render.figures import counted

if TYPE_CHECKING:
    from datactl.inspect.doctor import Line
    from datactl.inspect.doctor.grants import Grant, Grants

_WIDTHS = (4, 14)


def doctor(
    ctx: typer.Context,
    production: Annotated[
        bool, typer.Option("--production", help="The checklist before going live as well, box by box.")
    ] = False,
    grants: Annotated[
        bool, typer.Option("--grants", help="The least MongoDB role for each group of commands, instead.")
    ] = False,
) -> None:
    """Check what this project needs to run safely, and say how to mend it.

    Looks at the models, settings, files with secrets, the server, the vault (a probe object is put under probe/,
    read and removed) and the last runs. Nothing is changed. Each line is ok, warn or fail, with what mends it.
    Exit 5 when something fails; 0 with warnings alone. --grants prints createRole commands for mongosh, and exits 5
    when the connected user lacks something of a role.
    """
    invocation = Invocation.of(ctx)
    if grants:
        if production:
            raise UsageError("--grants and --production are two answers", next="give one of them")
        _grants(invocation)
        return
    seen: list[Line] = []

    def lines() -> Iterator[Line]:
        for line in invocation.workspace.doctor().lines(production=production):
            seen.append(line)
            yield line

    if invocation.printer.is_table:
        _write(invocation, lines())
    else:
        invocation.printer.fact_list((line.row() for line in lines()), (), lambda _: ())
    failed = [line for line in seen if line.level == "fail"]
    if failed:
        raise FindingsError(
            f"{counted(len(failed), 'check')} failed: {', '.join(dict.fromkeys(line.check for line in failed))}",
            why=failed[0].what if len(failed) == 1 else None,
            next=failed[0].next,
        )
    warned = sum(line.level == "warn" for line in seen)
    invocation.hint(f"nothing failed, {counted(warned, 'warning')}" if warned else f"{counted(len(seen), 'check')} ok")


def _write(invocation: Invocation, lines: Iterable[Line]) -> None:
    """A line for each, as it is looked at; what mends it below, whole, to be copied."""
    level, check = _WIDTHS
    for line in lines:
        invocation.printer.say(f"{line.level:<{level}}  {line.check:<{check}}  {line.what}")
        if line.next:
            invocation.printer.say(f"{'':<{level}}  {'':<{check}}  next: {line.next}")


def _grants(invocation: Invocation) -> None:
    found, error = invocation.workspace.doctor().grants()
    invocation.printer.facts(_facts(found), lambda: _write_grants(invocation, found))
    if error is not None:
        invocation.hint("the roles are as they should be; what a user lacks could not be found out")
        raise error
    if found.user is None:
        invocation.hint("nobody is logged in on this connection: the server asks for no user, and refuses nothing")
    if found.sharded:
        invocation.hint(
            "on this sharded cluster archive plan and archive also read how a collection is sharded: "
            "grant them find on config.collections, by a role made in admin"
        )
    if any(grant.unknown for grant in found.grants):
        invocation.hint("this server does not tell all privileges: those named under unknown could not be found out")
    if found.missing and found.user is not None:
        first = next(grant for grant in found.grants if grant.missing)
        need = first.missing[0]
        raise FindingsError(
            f"{found.user.name} lacks privileges of {', '.join(found.missing)}",
            why=f"{first.role} needs {', '.join(need.actions)} on {need.collection or found.database}",
            next="make the role of the commands that this user is for, and grant it: "
            f'db.grantRolesToUser("{found.user.name.rpartition("@")[0]}", ["{first.role}"])',
        )


def _facts(found: Grants) -> dict[str, Any]:
    user = found.user
    return {
        "database": found.database,
        "user": None if user is None else {"name": user.name, "roles": list(user.roles)},
        "grants": [
            {
                "role": grant.role,
                "about": grant.about,
                "commands": list(grant.commands),
                "command": grant.command,
                "missing": [{"collection": need.collection, "actions": need.actions} for need in grant.missing],
                "unknown": [{"collection": need.collection, "actions": need.actions} for need in grant.unknown],
            }
            for grant in found.grants
        ],
    }


def _write_grants(invocation: Invocation, found: Grants) -> None:
    """As a script for mongosh: comments, and commands to be copied."""
    printer = invocation.printer
    who = f"{found.user.name} ({', '.join(found.user.roles)})" if found.user else "nobody"
    printer.say(f"// database {found.database}; logged in: {who}")
    for grant in found.grants:
        printer.say("")
        printer.say(f"// {grant.role}: {grant.about}")
        printer.say(f"//   {', '.join(grant.commands)}")
        for word, needs in (("lacks", grant.missing), ("unknown", grant.unknown)):
            for need in needs:
                printer.say(f"//   {word}: {', '.join(need.actions)} on {need.collection or found.database}")
        for line in _mongosh(grant, found.database).splitlines():
            printer.say(line)


def _mongosh(grant: Grant, database: str) -> str:
    """The command as mongosh takes it, a privilege a line."""
    privileges = ",\n".join(f"    {json.dumps(each)}" for each in grant.command["privileges"])
    name, roles = json.dumps(grant.role), json.dumps(grant.command["roles"])
    return (
        f"db.getSiblingDB({json.dumps(database)}).runCommand({{\n"
        f"  createRole: {name},\n  privileges: [\n{privileges}\n  ],\n  roles: {roles}\n}})"
    )


COMMAND = Command(doctor, example="datactl doctor --production", options=(*READS_DATABASE, VAULT), exits=(5,))
