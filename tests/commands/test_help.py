"""Help: every command lists its options, a runnable example and its exit codes; unknown words get a suggestion."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest

from datactl.cli import WORDS
from datactl.commands.grammar import LeafCommand, RootGroup
from datactl.errors import EXIT_CODES
from tests.commands.conftest import Run


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    with click.Context(group, info_name="datactl") as ctx:
        for word in group.list_commands(ctx):
            command = group.get_command(ctx, word)
            assert command is not None
            yield (*path, word), command
            if isinstance(command, click.Group):
                yield from commands(command, (*path, word))


ALL = dict(commands(RootGroup(WORDS)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_ends_with_example_and_exit_status(path: tuple[str, ...], run: Run) -> None:
    shown = run(*path, "--help")
    assert shown.status == 0
    assert shown.err == ""
    assert shown.out.startswith(f"Usage: datactl {' '.join(path)}")
    _, _, ending = shown.out.partition("\nEXAMPLE\n")
    example, _, table = ending.partition("\n\nEXIT STATUS\n")
    assert example.strip()
    codes = [int(line.split()[0]) for line in table.splitlines()]
    assert codes == sorted(codes)
    assert set(codes) <= set(EXIT_CODES)
    assert {0, 1, 2} <= set(codes)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_example_is_a_command_line_that_parses(path: tuple[str, ...]) -> None:
    command = ALL[path]
    declared = command.declared  # type: ignore[attr-defined]
    example = declared.example.removeprefix("source <(").removesuffix(")")
    words = shlex.split(example.partition(" && ")[0].partition(" > ")[0])
    assert words[0] == "datactl"
    group: click.Command = RootGroup(WORDS)
    rest = words[1:]
    with click.Context(group, info_name="datactl") as ctx:
        while isinstance(group, click.Group):
            default = getattr(group, "default", None)
            found = group.get_command(ctx, rest[0]) if rest else None
            group, rest = (found, rest[1:]) if found is not None else (default, rest)
        assert isinstance(group, LeafCommand)
        group.make_context("x", rest, parent=ctx)


@pytest.mark.parametrize("word", WORDS)
def test_the_table_says_what_the_command_says(word: str) -> None:
    if word == "indexes":
        return
    assert (ALL[word,].help or "").split("\n")[0] == WORDS[word].summary


def test_every_argument_has_a_help() -> None:
    for path, command in ALL.items():
        for parameter in command.params:
            assert getattr(parameter, "help", None), (path, parameter.name)


def test_the_root_help_lists_the_table(run: Run) -> None:
    shown = run("--help").out
    for word, row in WORDS.items():
        assert f"  {word} " in shown
        assert row.summary.split()[0] in shown
    for code in EXIT_CODES:
        assert f"\n  {code} " in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fnd"], 'unknown command "fnd": did you mean "find"?'),
        (["models", "shwo"], 'unknown command "shwo": did you mean "show"?'),
        (["find", "Post", "--filtr", "a=1"], "no such option"),
        (["find"], "missing argument"),
        ([], "no command was given"),
        (["find", "Post", "--limit", "-1"], "invalid value for '--limit'"),
        (["find", "Post", "-o", "xml"], "invalid value for '-o'"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_next(arguments: list[str], said: str, run: Run) -> None:
    ended = run(*arguments)
    assert ended.status == 2
    assert ended.out == ""
    assert said in ended.err
    assert "[usage]" in ended.err
    assert "\nnext: datactl" in ended.err
    assert "Traceback" not in ended.err


def test_words_of_later_changes_are_not_listed() -> None:
    assert not {"process", "worker", "serve", "tui"} & set(WORDS)
