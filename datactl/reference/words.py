"""The command table as values: every command with its usage, arguments, options, example and exit codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import click

from datactl.cli import WORDS
from datactl.commands import options
from datactl.commands.grammar import Command, Group, LeafCommand, RootGroup, SubGroup

ALIASES: Mapping[str, str] = {"indexes": "index"}
_SHARED = frozenset(flag for option in options.ALL for flag in option.flags)


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument or option as it is written (`--limit N`), and its help."""

    written: str
    help: str


@dataclass(frozen=True, slots=True)
class Described:
    """One command. `about` are paragraphs; `shared` are the options that many commands take; `words` its own words."""

    path: tuple[str, ...]
    summary: str
    about: tuple[str, ...]
    usage: tuple[str, ...]
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]
    shared: tuple[Parameter, ...]
    words: tuple[Described, ...]
    example: str
    exit_codes: tuple[int, ...]

    @property
    def name(self) -> str:
        return " ".join(("datactl", *self.path))

    def with_words(self) -> Iterator[Described]:
        """This command, then those of its words."""
        yield self
        for word in self.words:
            yield from word.with_words()


def described() -> list[Described]:
    """Every command word but the aliases, in the order of the table."""
    root = RootGroup(WORDS)
    found = []
    with click.Context(root, info_name="datactl") as ctx:
        for word in WORDS:
            command = root.get_command(ctx, word)
            if word not in ALIASES and command is not None:
                found.append(_described(command, ctx, (word,)))
    return found


def shared_options() -> list[Parameter]:
    """The options that many commands take, before or after the command's word."""
    with click.Context(click.Command("datactl"), info_name="datactl") as ctx:
        return [_parameter(option, ctx) for option in options.click_options(options.ALL)]


def _described(command: click.Command, parent: click.Context, path: tuple[str, ...]) -> Described:
    with click.Context(command, info_name=path[-1], parent=parent) as ctx:
        leaf = command.default if isinstance(command, SubGroup) else command
        declared = command.declared if isinstance(command, LeafCommand | SubGroup) else None
        assert declared is not None
        parameters = leaf.get_params(ctx) if leaf is not None else []
        arguments = [each for each in parameters if isinstance(each, click.Argument)]
        others = [each for each in parameters if isinstance(each, click.Option) and each.name != "help"]
        words = tuple(
            _described(child, ctx, (*path, word))
            for word in (command.list_commands(ctx) if isinstance(command, SubGroup) else ())
            if (child := command.get_command(ctx, word)) is not None  # type: ignore[attr-defined]
        )
        about = _paragraphs(command.help or "")
        return Described(
            path=path,
            summary=about[0].rstrip("."),
            about=about,
            usage=_usage(command, leaf, ctx),
            arguments=tuple(_parameter(each, ctx) for each in arguments),
            options=tuple(_parameter(each, ctx) for each in others if not _is_shared(each)),
            shared=tuple(_parameter(each, ctx) for each in others if _is_shared(each)),
            words=words,
            example=declared.example,
            exit_codes=_codes(declared),
        )


def _usage(command: click.Command, leaf: click.Command | None, ctx: click.Context) -> tuple[str, ...]:
    own = [" ".join((ctx.command_path, *leaf.collect_usage_pieces(ctx)))] if leaf is not None else []
    return (*own, f"{ctx.command_path} COMMAND ...") if isinstance(command, SubGroup) else tuple(own)


def _codes(declared: Command | Group) -> tuple[int, ...]:
    if isinstance(declared, Command):
        return tuple(declared.exit_codes)
    return tuple(declared.default.exit_codes) if declared.default is not None else ()


def _is_shared(option: click.Option) -> bool:
    return bool(_SHARED & set(option.opts))


def _parameter(parameter: click.Parameter, ctx: click.Context) -> Parameter:
    record = parameter.get_help_record(ctx)
    return Parameter(*record) if record is not None else Parameter(parameter.make_metavar(ctx), "")


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.strip().split("\n\n"))
