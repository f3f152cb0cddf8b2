"""The typed confirmation of what no command takes back: asked on a terminal, given as an option off one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from datactl.commands.invocation import Invocation
from datactl.errors import Declined, Interrupted
from datactl.render.figures import counted

Confirm = Annotated[
    str | None,
    typer.Option("--confirm", metavar="TEXT", help='The typed confirmation, given beforehand: "posts 1204".'),
]
Yes = Annotated[bool, typer.Option("--yes", help="Go ahead, whatever the count is; not enough in production.")]


def confirm(invocation: Invocation, *, collection: str, count: int, act: str, given: str | None, yes: bool) -> None:
    """Return when `collection count` was typed or given, or `--yes`; Declined otherwise. Never asks off a terminal."""
    confirm_phrase(
        invocation,
        f"{collection} {count}",
        about=f"this changes {counted(count, 'document')} of {collection}",
        act=act,
        given=given,
        yes=yes,
    )


def confirm_phrase(invocation: Invocation, phrase: str, *, about: str, act: str, given: str | None, yes: bool) -> None:
    """As `confirm`, for what is not a number of documents: `phrase` is what is typed, `about` what would be done.

    On a production database `--yes` alone confirms nothing: whoever works there has read what is confirmed.
    """
    if given is not None:
        if given.replace(",", "") == phrase:
            return
        raise Declined(
            "nothing was changed", why=f'"{given}" is not "{phrase}"', next=f'look again, then --confirm "{phrase}"'
        )
    production = yes and invocation.settings.production
    if yes and not production:
        return
    if not invocation.is_interactive():
        raise Declined(
            "nothing was changed",
            why=f"{about} and wants a confirmation{', which --yes alone is not in production' if production else ''}",
            next=f'the same command with --confirm "{phrase}"{"" if production else ", or with --yes"}',
        )
    sys.stderr.write(f"Type {phrase} to {act}: ")
    sys.stderr.flush()
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise Interrupted("nothing was changed") from None
    if not answer.endswith("\n"):  # the end of input, not a line: the cursor stands behind the question still
        sys.stderr.write("\n")
    if answer.strip().replace(",", "") != phrase:
        raise Declined("nothing was changed", why="the confirmation was not typed")
