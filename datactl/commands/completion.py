"""`datactl completion`: print the completion script of a shell, or put it where that shell looks."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from datactl.commands.grammar import Command, Group
from datactl.commands.invocation import Invocation
from datactl.commands.options import PLAIN, QUIET
from datactl.errors import DatactlError, UsageError

FILES = {"bash": "datactl.bash", "zsh": "_datactl", "fish": "datactl.fish"}


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def show(
    ctx: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)],
) -> None:
    """Print the completion script of a shell."""
    Invocation.of(ctx)
    sys.stdout.write(_script(shell))


def install(
    ctx: typer.Context,
    shell: Annotated[
        Shell | None, typer.Argument(metavar="[SHELL]", help="bash, zsh or fish; else yours.", show_default=False)
    ] = None,
) -> None:
    """Put the completion script where the shell looks for it.

    An older script of datactl's there is replaced.
    """
    invocation = Invocation.of(ctx)
    chosen = shell or _own_shell()
    path = install_path(chosen, os.environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_script(chosen), encoding="utf-8")
    except OSError as error:
        raise DatactlError(f"cannot write {path}", why=error.strerror) from None
    invocation.printer.facts(
        {"shell": str(chosen), "written": str(path)}, lambda: invocation.printer.say(f"wrote {path}")
    )
    if chosen is Shell.ZSH:
        invocation.hint(f"next: in ~/.zshrc, before compinit: fpath=({path.parent} $fpath)")
    else:
        invocation.hint("next: open a new shell")


def install_path(shell: Shell, env: Mapping[str, str]) -> Path:
    """Where the shell looks for a user's completions (bash-completion 2, zsh's fpath, fish 3)."""
    home = Path(env.get("HOME") or Path.home())
    data = Path(env.get("XDG_DATA_HOME") or home / ".local/share")
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        Shell.BASH: Path(env.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion") / "completions" / "datactl",
        Shell.ZSH: data / "zsh" / "site-functions" / "_datactl",
        Shell.FISH: config / "fish" / "completions" / "datactl.fish",
    }[shell]


def _own_shell() -> Shell:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in FILES:
        raise UsageError(
            "which shell is meant", why=f"SHELL is {name or 'not set'}", next="datactl completion install bash"
        )
    return Shell(name)


def generated(shell: str) -> Path:
    """The script of a shell, as `commands.shells` wrote it: made beforehand, for a shell asks at every start."""
    return Path(__file__).parents[1] / "completions" / FILES[shell]


def _script(shell: Shell) -> str:
    return generated(shell).read_text(encoding="utf-8")


COMMAND = Group(
    "Print or install the completion script of a shell.",
    {
        "show": Command(show, example="source <(datactl completion show bash)", options=(QUIET,)),
        "install": Command(install, example="datactl completion install zsh", options=PLAIN),
    },
    example="datactl completion install",
)
