"""Manual pages: one for each command word, and datactl(1), in the man macros that man-db and mandoc both read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from datactl.cli import WORDS
from datactl.commands.grammar import ROOT_EXAMPLE
from datactl.errors import EXIT_CODES
from datactl.reference.words import ALIASES, Described, Parameter, described, shared_options
from datactl.settings import SETTINGS

_WIDTH = 72  # of 80 bytes: escapes take some

_ABOUT = (
    "datactl looks after MongoDB documents for their whole life: created, changed, soft-deleted, archived, restored; "
    "and every change says who, when and why. A document leaves MongoDB only when a byte-identical copy was read back "
    "from the vault. One file, models.yaml, declares the models."
)
_PLACES = (
    "A setting comes from an option, the environment, .env beside models.yaml, settings: in models.yaml, or "
    "~/.config/datactl/config.yaml; the first of these that gives it wins. datactl config show --origin says which."
)


def manuals() -> dict[str, str]:
    """File name -> text, for every page of section 1."""
    words = described()
    pages = {"datactl.1": _root(words)}
    for word in words:
        pages[f"datactl-{word.path[0]}.1"] = _word(word)
    for alias, of in ALIASES.items():
        pages[f"datactl-{alias}.1"] = f".so man1/datactl-{of}.1\n"
    return pages


def _root(words: Sequence[Described]) -> str:
    parts = [
        *_head("datactl", "data administration for MongoDB"),
        ".SH SYNOPSIS\n",
        ".B datactl\n",
        text("[OPTIONS] COMMAND [ARGUMENTS]..."),
        ".SH DESCRIPTION\n",
        text(_ABOUT),
        ".SH COMMANDS\n",
        *_entries((f"datactl-{word.path[0]}(1)", WORDS[word.path[0]].summary) for word in words),
        ".SH OPTIONS\n",
        text("They stand before or after the command's word."),
        *_parameters(shared_options()),
        ".SH ENVIRONMENT\n",
        text(_PLACES),
        *_entries((", ".join(setting.env), f"{setting.about}.") for setting in SETTINGS),
        *_exit_status(EXIT_CODES),
        ".SH EXAMPLES\n",
        f".EX\n{verbatim(ROOT_EXAMPLE)}.EE\n",
        ".SH FILES\n",
        *_entries(
            (
                ("models.yaml", "The models, and the settings that the project shares."),
                (".env", "Settings of this place, as environment variables; not for version control."),
                (".datactl/", "What datactl keeps for the project: the vault if it is on this disk, the local engine."),
            )
        ),
        *_see_also(f"datactl-{word.path[0]}" for word in words),
    ]
    return "".join(parts)


def _word(word: Described) -> str:
    parts = [
        *_head(f"datactl-{word.path[0]}", WORDS[word.path[0]].summary.rstrip(".")),
        ".SH SYNOPSIS\n",
        *_synopsis(each for each in word.with_words() if not each.words or each.arguments or each.options),
        ".SH DESCRIPTION\n",
        *_about(word.about),
        *_details(word),
    ]
    if word.words:
        parts.append(".SH COMMANDS\n")
        for each in word.words:
            parts += [f".SS {quoted(each.name)}\n", *_about(each.about), *_of_a_word(each)]
    codes = sorted({code for each in word.with_words() for code in each.exit_codes})
    parts += _exit_status(codes)
    parts.append(".SH EXAMPLES\n")
    examples = dict.fromkeys(each.example for each in word.with_words())
    parts.append(".PP\n".join(f".EX\n{verbatim(example)}.EE\n" for example in examples))
    parts += _see_also(["datactl"])
    return "".join(parts)


def _details(word: Described) -> Iterator[str]:
    """The parameters of a page's own command."""
    sections = {"ARGUMENTS": word.arguments, "OPTIONS": word.options, "SHARED OPTIONS": word.shared}
    for title, parameters in sections.items():
        if parameters:
            yield f".SH {quoted(title)}\n"
        yield from _parameters(parameters)


def _of_a_word(word: Described) -> Iterator[str]:
    """The parameters of one word of a command; what is shared is described in datactl(1)."""
    yield from _parameters((*word.arguments, *word.options))
    if word.shared:
        names = ", ".join(each.written.split()[0].rstrip(",") for each in word.shared)
        yield f".PP\n{text(f'Shared options, as in datactl(1): {names}.')}"


def _head(name: str, summary: str) -> Iterator[str]:
    yield f'.\\" Made by: python -m datactl.reference\n.TH {name.upper()} 1 "" datactl "datactl manual"\n'
    first, *rest = textwrap.wrap(f"{name} - {summary[0].lower()}{summary[1:]}", _WIDTH)
    yield f".SH NAME\n{escaped(name)} \\- {escaped(first.partition(' - ')[2])}\n"
    yield from (verbatim(line) for line in rest)


def _synopsis(words: Iterable[Described]) -> Iterator[str]:
    first = True
    for word in words:
        for usage in word.usage:
            rest = usage.removeprefix(word.name).strip()
            if rest == "COMMAND ...":
                continue
            yield "" if first else ".br\n"
            yield f".B {escaped(word.name)}\n{text(rest) if rest else ''}"
            first = False


def _about(paragraphs: Sequence[str]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs):
        yield (".PP\n" if number else "") + text(paragraph)


def _parameters(parameters: Iterable[Parameter]) -> Iterator[str]:
    return _entries((each.written, each.help) for each in parameters)


def _entries(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, what in entries:
        yield f".TP\n.B {escaped(term)}\n{text(what)}"


def _exit_status(codes: Iterable[int]) -> Iterator[str]:
    yield ".SH EXIT STATUS\n"
    yield from _entries((str(code), EXIT_CODES[code]) for code in codes)


def _see_also(names: Iterable[str]) -> Iterator[str]:
    yield ".SH SEE ALSO\n"
    listed = list(names)
    for place, name in enumerate(listed):
        yield f".BR {escaped(name)} (1){',' if place < len(listed) - 1 else ''}\n"


def text(line: str) -> str:
    """Running text in short lines, each sentence on its own, as roff is written; none is read as a request."""
    sentences = re.split(r"(?<=[.;:]) (?=[A-Z])", line)
    return verbatim("\n".join(part for sentence in sentences for part in textwrap.wrap(sentence, _WIDTH)))


def verbatim(lines: str) -> str:
    """Lines as they are: what roff would read as a request or an escape is only text."""
    return "".join(f"{_shielded(escaped(line))}\n" for line in lines.split("\n"))


def escaped(line: str) -> str:
    """Backslashes, hyphens that are to be copied, and quotes that roff would turn."""
    line = line.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return line.replace("^", "\\(ha").replace("~", "\\(ti")


def quoted(heading: str) -> str:
    """A heading as one argument of a macro."""
    return f'"{escaped(heading)}"' if " " in heading else escaped(heading)


def _shielded(line: str) -> str:
    return f"\\&{line}" if line.startswith(".") else line
