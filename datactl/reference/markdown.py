"""Pieces of the Markdown pages: tables, code, exit codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datactl.errors import EXIT_CODES

MADE = "<!-- made by: python -m datactl.reference -->\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a `|` in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def code(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def exit_codes() -> str:
    """The table of exit codes."""
    return table(("code", "meaning"), ((str(number), meaning) for number, meaning in EXIT_CODES.items()))


def anchor(heading: str) -> str:
    """What GitHub makes of a heading for links: lower case, letters, digits, `-` and `_`, spaces as `-`."""
    kept = (char for char in heading.lower() if char.isalnum() or char in " -_")
    return "".join(kept).replace(" ", "-")
