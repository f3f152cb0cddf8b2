"""The words of the command line: lazily loaded commands, plain help with examples and exit codes, did-you-mean."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import click
import typer
from typer.core import TyperCommand, TyperGroup

from datactl import __version__
from datactl.commands import options
from datactl.commands.invocation import Invocation
from datactl.commands.options import Common, click_options
from datactl.errors import EXIT_CODES, UsageError

ROOT_EXAMPLE = "datactl init --local && datactl models list"
_COLUMNS = 100
_ALWAYS = (0, 1, 2, 130)


@dataclass(frozen=True)
class Command:
    """A command as its module declares it.

    `run` is a Typer function whose docstring is the help; `exits` are the exit codes beside those that follow from
    the options (0, 1, 2, 130; 4 and 10 with a database, 10 with a models file). `changes` says whether it changes a
    database; None: it does if it can be told who makes the change.
    """

    run: Callable[..., None]
    example: str
    options: tuple[Common, ...] = options.PLAIN
    exits: tuple[int, ...] = ()
    changes: bool | None = None

    @property
    def changes_data(self) -> bool:
        """Whether it changes a database, and says so where that is a production one."""
        return options.ACTOR in self.options if self.changes is None else self.changes

    @property
    def exit_codes(self) -> list[int]:
        codes = {*_ALWAYS, *self.exits}
        if options.MODELS in self.options:
            codes.add(10)
        if options.URI in self.options:
            codes |= {4, 10}
        return sorted(codes)


@dataclass(frozen=True)
class Group:
    """A word with words of its own. `default` runs when none of them follows."""

    about: str
    words: Mapping[str, Command]
    default: Command | None = None
    example: str = field(default="", kw_only=True)


class Named(Protocol):
    """A row of the command table: the module that declares the word, and its line in the help."""

    @property
    def module(self) -> str: ...
    @property
    def summary(self) -> str: ...


def run_words(words: Mapping[str, Named], arguments: Sequence[str]) -> int:
    """Run one command line; what click finds wrong with it is a UsageError."""
    root = RootGroup(words)
    try:
        with root.make_context("datactl", list(arguments), obj=Invocation()) as context:
            root.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        at = getattr(error, "ctx", None)
        path = at.command_path if at else "datactl"
        raise UsageError(_decapitalised(error.format_message()), next=f"{path} --help") from None
    return 0


class LeafCommand(TyperCommand):
    """A command whose help ends with a runnable example and its exit codes."""

    declared: Command

    def invoke(self, ctx: click.Context) -> Any:
        if self.declared.changes_data:
            Invocation.of(ctx).tell_production()
        return super().invoke(ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        write_parameters(self, ctx, formatter)
        write_ending(self.declared.example, self.declared.exit_codes, formatter)


class WordGroup(TyperGroup):
    """Words that are built when they are called; help and suggestions come from their names alone."""

    def __init__(self, name: str, summaries: Mapping[str, str], **attrs: Any) -> None:
        super().__init__(name=name, rich_markup_mode=None, invoke_without_command=True, **attrs)
        self.summaries = summaries
        self.params.extend(click_options(options.ALL, hidden=True))
        self.context_settings.setdefault("max_content_width", _COLUMNS)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(self.summaries)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None:
            close = difflib.get_close_matches(args[0], self.summaries, n=1)
            raise UsageError(
                f'unknown command "{args[0]}"' + (f': did you mean "{close[0]}"?' if close else ""),
                next=f"{ctx.command_path} --help",
            )
        return args[0], command, args[1:]

    def write_words(self, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))


class RootGroup(WordGroup):
    """`datactl` itself: the static table."""

    def __init__(self, words: Mapping[str, Named]) -> None:
        super().__init__(
            "datactl",
            {word: row.summary for word, row in words.items()},
            help="Data administration for MongoDB: soft delete with who, when and why, verified archives, restore.",
            callback=_require_word,
            params=[_version_option()],
        )
        self._words = words

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        row = self._words.get(cmd_name)
        if row is None:
            return None
        declared = importlib.import_module(f"datactl.commands.{row.module}").COMMAND
        return build(cmd_name, declared)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage("datactl", "[OPTIONS] COMMAND [ARGUMENTS]...")
        self.format_help_text(ctx, formatter)
        self.write_words(formatter)
        with formatter.section("Options, before or after the command"):
            formatter.write_dl(_records(click_options(options.ALL), ctx) + _records(self.get_params(ctx), ctx))
        write_ending(ROOT_EXAMPLE, list(EXIT_CODES), formatter)


class SubGroup(WordGroup):
    """A command word with words of its own, and perhaps a meaning when none of them follows."""

    def __init__(self, name: str, declared: Group) -> None:
        summaries = {word: _summary(command) for word, command in declared.words.items()}
        super().__init__(name, summaries, help=declared.about, callback=self._run_default)
        self.declared = declared
        self.default = build(name, declared.default) if declared.default else None
        self._takes_arguments = (
            any(isinstance(p, click.Argument) for p in self.default.params) if self.default else False
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        declared = self.declared.words.get(cmd_name)
        return build(cmd_name, declared) if declared else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self._takes_arguments and args[0] not in self.declared.words:
            return "", self.default, args
        return super().resolve_command(ctx, args)

    def _run_default(self) -> None:
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is not None:
            return
        if self.default is None:
            words = ", ".join(self.declared.words)
            raise UsageError(
                f"{ctx.command_path} needs a word", why=f"one of {words}", next=f"{ctx.command_path} --help"
            )
        with self.default.make_context("", [], parent=ctx) as inner:
            self.default.invoke(inner)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        codes = {code for command in self.declared.words.values() for code in command.exit_codes}
        if self.default is not None:
            pieces = self.default.collect_usage_pieces(ctx)
            formatter.write_usage(ctx.command_path, " ".join(pieces))
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS] [ARGUMENTS]...")
        self.format_help_text(ctx, formatter)
        self.write_words(formatter)
        if self.default is not None:
            write_parameters(self.default, ctx, formatter)
            codes |= set(self.declared.default.exit_codes) if self.declared.default else set()
        write_ending(self.declared.example, sorted(codes), formatter)


def build(name: str, declared: Command | Group) -> click.Command:
    """The click command of a declaration."""
    if isinstance(declared, Group):
        return SubGroup(name, declared)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name, cls=LeafCommand, context_settings={"max_content_width": _COLUMNS})(declared.run)
    command = typer.main.get_command(app)
    assert isinstance(command, LeafCommand)
    command.declared = declared
    command.params.extend(click_options(declared.options))
    return command


def write_parameters(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """The sections Arguments, Options and Common options."""
    common = {flag for option in options.ALL for flag in option.flags}
    sections: dict[str, list[click.Parameter]] = {"Arguments": [], "Options": [], "Common options": []}
    for parameter in command.get_params(ctx):
        if isinstance(parameter, click.Argument):
            sections["Arguments"].append(parameter)
        else:
            sections["Common options" if common & set(parameter.opts) else "Options"].append(parameter)
    for title, parameters in sections.items():
        if records := _records(parameters, ctx):
            with formatter.section(title):
                formatter.write_dl(records)


def write_ending(example: str, codes: Iterable[int], formatter: click.HelpFormatter) -> None:
    """The sections EXAMPLE and EXIT STATUS."""
    formatter.write(f"\nEXAMPLE\n  {example}\n\nEXIT STATUS\n")
    formatter.write("".join(f"  {code:<4} {EXIT_CODES[code]}\n" for code in codes))


def _records(parameters: Iterable[click.Parameter], ctx: click.Context) -> list[tuple[str, str]]:
    return [record for parameter in parameters if (record := parameter.get_help_record(ctx)) is not None]


def _summary(command: Command) -> str:
    return (command.run.__doc__ or "").strip().split("\n")[0]


def _decapitalised(message: str) -> str:
    """Click begins its messages with a capital; ours follow `error: `."""
    return message[:1].lower() + message[1:].rstrip(".")


def _version_option() -> click.Option:
    def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            click.echo(f"datactl {__version__}")
            ctx.exit()

    return click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Show the version."
    )


def _require_word() -> None:
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        raise UsageError("no command was given", next="datactl --help lists them")
