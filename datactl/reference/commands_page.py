"""docs/commands.md: every command as its help has it."""

from __future__ import annotations

from collections.abc import Iterator

from datactl.cli import WORDS
from datactl.errors import EXIT_CODES
from datactl.reference.markdown import MADE, anchor, code, exit_codes, table
from datactl.reference.words import ALIASES, Described, Parameter, described, shared_options

_INTRODUCTION = """\
# Commands

`datactl --help` lists the words, `datactl WORD --help` shows what stands here. `man datactl-WORD` is the same as a
manual page. Data goes to stdout, everything else to stderr.
"""


def page() -> str:
    """The whole page."""
    words = described()
    return "\n".join(
        [
            MADE + _INTRODUCTION,
            table(("command", "what it does"), _rows(words)),
            "## Shared options\n",
            "They stand before or after the command's word; a command takes those that its help lists.\n",
            _parameters("option", shared_options()),
            "## Exit codes\n",
            exit_codes(),
            *(part for word in words for each in word.with_words() for part in _command(each)),
        ]
    )


def _rows(words: list[Described]) -> Iterator[tuple[str, str]]:
    for word in words:
        names = [
            f"[{word.path[0]}](#{anchor(word.name)})",
            *(f"`{a}`" for a, of in ALIASES.items() if of == word.path[0]),
        ]
        yield ", ".join(names), WORDS[word.path[0]].summary


def _command(word: Described) -> Iterator[str]:
    yield f"{'#' * (len(word.path) + 1)} {word.name}\n"
    yield from (f"{paragraph}\n" for paragraph in word.about)
    if word.usage:
        yield code("\n".join(word.usage))
    if word.words:
        yield table(
            ("word", "what it does"),
            ((f"[{each.path[-1]}](#{anchor(each.name)})", f"{each.summary}.") for each in word.words),
        )
    if word.arguments:
        yield _parameters("argument", word.arguments)
    if word.options:
        yield _parameters("option", word.options)
    if word.shared:
        names = [each.written.split()[0].rstrip(",") for each in word.shared]
        yield f"Shared options: {', '.join(f'`{name}`' for name in names)}.\n"
    yield code(word.example, "sh")
    if word.exit_codes:
        yield f"Exit codes: {', '.join(f'{number} ({_short(number)})' for number in word.exit_codes)}.\n"


def _short(number: int) -> str:
    return EXIT_CODES[number].partition(":")[0].partition(" (")[0]


def _parameters(title: str, parameters: tuple[Parameter, ...] | list[Parameter]) -> str:
    return table((title, "what it is"), ((f"`{each.written}`", each.help) for each in parameters))
