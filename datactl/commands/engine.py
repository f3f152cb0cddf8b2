"""`datactl engine`: start, stop and look at the local database engine of this project."""

from __future__ import annotations

import typer

from datactl.commands.grammar import Command, Group
from datactl.commands.invocation import Invocation
from datactl.commands.options import READS_MODELS
from datactl.errors import NotInitialised


def start(ctx: typer.Context) -> None:
    """Start the engine, or find it running.

    Other commands start it by themselves; it stops when nothing uses it for a while.
    """
    invocation = _with_own_engine(ctx)
    invocation.workspace.engine.ensure()
    invocation.printer.facts(invocation.workspace.engine.status())


def stop(ctx: typer.Context) -> None:
    """Stop the engine; its data stays."""
    invocation = _with_own_engine(ctx)
    invocation.workspace.engine.stop()
    invocation.printer.facts(invocation.workspace.engine.status())


def status(ctx: typer.Context) -> None:
    """Say whether the engine runs, which it is and where."""
    invocation = _with_own_engine(ctx)
    invocation.printer.facts(invocation.workspace.engine.status())


def uri(ctx: typer.Context) -> None:
    """Print the engine's connection string, with its password, for another program.

    The engine is started where it does not run. Whoever reads this string may do everything there.
    """
    invocation = _with_own_engine(ctx)
    invocation.printer.text(invocation.workspace.local_uri())


def _with_own_engine(ctx: typer.Context) -> Invocation:
    invocation = Invocation.of(ctx)
    invocation.settings.refuse_production("an engine of the project's own")
    if invocation.settings.engine != "local":
        raise NotInitialised(
            "this project has no engine of its own",
            why="it does not say engine: local",
            next="write `engine: local` under `settings:` in models.yaml; datactl init --local does in a new one",
        )
    return invocation


_STATUS = Command(status, example="datactl engine status", options=READS_MODELS)

COMMAND = Group(
    "Start, stop and look at the local database engine of this project.",
    {
        "start": Command(start, example="datactl engine start", options=READS_MODELS),
        "stop": Command(stop, example="datactl engine stop", options=READS_MODELS),
        "status": _STATUS,
        "uri": Command(uri, example="datactl engine uri", options=READS_MODELS),
    },
    default=_STATUS,
    example="datactl engine status",
)
