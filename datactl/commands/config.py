"""`datactl config`: the settings in force, and where each came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.grammar import Command, Group
from datactl.commands.invocation import Invocation
from datactl.commands.options import ACTOR, DATABASE, MODELS, PLAIN, PROFILE, URI, VAULT
from datactl.render.cells import cell
from datactl.render.tables import Column

if TYPE_CHECKING:
    from datactl.settings import ShownSetting


def show(
    ctx: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Say which place each value came from.")] = False,
) -> None:
    """Show the settings in force; secrets are masked.

    Precedence: flag, environment, .env, project file (settings: in models.yaml), user file, default. A profile
    stands right behind the place that named it: --profile wins over the environment, DATACTL_PROFILE does not.
    """
    invocation = Invocation.of(ctx)
    headings = [Column("SETTING", keep=True), Column("VALUE", keep=True, widest=60)]
    headings += [Column("FROM", keep=True)] if origin else []
    headings += [Column("ENVIRONMENT"), Column("WHAT IT IS", widest=60)]

    def row(setting: ShownSetting) -> list[str]:
        value = "-" if setting.value is None else cell(setting.value)
        return [setting.name, value, *([setting.origin] if origin else []), ", ".join(setting.env), setting.about]

    invocation.printer.fact_list(invocation.settings.shown(), headings, row)


_SHOW = Command(
    show,
    example="datactl config show --origin",
    options=(URI, DATABASE, PROFILE, MODELS, VAULT, ACTOR, *PLAIN),
    changes=False,
)

COMMAND = Group("Show the settings and where each came from.", {"show": _SHOW}, _SHOW, example="datactl config show")
