"""`datactl demo`: make a demonstration project with real data and tell its story."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation


def demo(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="The project's directory.")] = Path("demo"),
    everything: Annotated[bool, typer.Option("--all", help="All 234,908 places instead of 34,000.")] = False,
) -> None:
    """Make a demonstration project with real data and tell its story.

    The directory is cleared first if an earlier demonstration made it. The commands of the story are shown and run as
    you would type them; the project stays, to go on exploring.
    """
    from datactl.demo import tell

    Invocation.of(ctx).settings.refuse_production("the demonstration")
    tell(directory, everything=everything, say=typer.echo)


COMMAND = Command(demo, example="datactl demo --dir places", exits=(7,))
