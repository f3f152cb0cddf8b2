"""The options that many commands share, declared once; they stand before or after the command's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from datactl.commands.invocation import Invocation
from datactl.render.forms import FORMS


@dataclass(frozen=True, slots=True)
class Common:
    """One shared option. `setting`: it is the flag form of the setting of its name."""

    name: str
    flags: tuple[str, ...]
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    setting: bool = True


MODELS = Common("models", ("--models",), "The file that declares the models.", "FILE")
URI = Common("uri", ("--uri",), "The MongoDB to work on; DATACTL_URI keeps it out of the process list.", "URI")
DATABASE = Common("database", ("--database",), "The database's name; else the one in the URI.", "NAME")
PROFILE = Common("profile", ("--profile",), "The settings of this name in models.yaml or config.yaml.", "NAME")
VAULT = Common("vault", ("--vault",), "Where archived documents are kept: file:PATH.", "ADDRESS")
ACTOR = Common("actor", ("--actor",), "Who makes the change; else your login name.", "NAME")
REASON = Common("reason", ("--reason",), "Why; it is kept with the change.", "TEXT", setting=False)
OUTPUT = Common(
    "output",
    ("-o", "--output"),
    "table, json, ndjson or yaml; else table on a terminal, json elsewhere.",
    "FORM",
    FORMS,
)
CANONICAL = Common("canonical", ("--canonical",), "Extended JSON with every type spelled out.", setting=False)
QUIET = Common("quiet", ("-q", "--quiet"), "No progress and no hints on stderr.", setting=False)

ALL = (URI, DATABASE, PROFILE, MODELS, VAULT, ACTOR, REASON, OUTPUT, CANONICAL, QUIET)
PLAIN = (OUTPUT, QUIET)
READS_MODELS = (PROFILE, MODELS, *PLAIN)
READS_DATABASE = (URI, DATABASE, *READS_MODELS)
READS_DOCUMENTS = (*READS_DATABASE, CANONICAL)
CHANGES_DATABASE = (*READS_DATABASE, ACTOR, REASON)
CHANGES_DOCUMENTS = (*CHANGES_DATABASE, CANONICAL)


def click_options(commons: Sequence[Common], *, hidden: bool = False) -> list[click.Parameter]:
    """The options as click takes them; what is given lands in the invocation, the later place winning."""
    return [_option(common, hidden) for common in commons]


def _option(common: Common, hidden: bool) -> click.Option:
    is_flag = common.metavar is None

    def keep(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value not in (None, False):
            ctx.ensure_object(Invocation).given[common.name] = value

    return click.Option(
        [*common.flags, common.name],
        type=click.Choice(common.choices) if common.choices else click.BOOL if is_flag else click.STRING,
        metavar=common.metavar,
        is_flag=is_flag,
        default=False if is_flag else None,
        help=common.help,
        callback=keep,
        expose_value=False,
        hidden=hidden,
    )
