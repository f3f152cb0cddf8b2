"""Tables: plain columns under upper-case headings, cut to the terminal's width, whole when written to a file; pairs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from datactl.render.terminal import columns, has_colour, is_terminal

_UNLIMITED = 100_000
_GAP = 2
_NARROWEST = 6


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; `right` for figures; `widest` cells at most, on a terminal; `keep` is never dropped for room.

    `nested` values are cut to `widest` in a file as well: a table is for reading, JSON has them whole.
    """

    heading: str
    right: bool = False
    widest: int = 48
    keep: bool = False
    nested: bool = False


def write_table(
    headings: Sequence[Column], rows: Iterable[Sequence[str]], stream: TextIO | None = None
) -> tuple[str, ...]:
    """Write the rows; returns the headings that found no room on this terminal (the rightmost that may go)."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = stream or sys.stdout
    lines = [list(row) for row in rows]
    narrow = is_terminal(out)
    needs = [
        min(
            max([cell_len(column.heading), *(cell_len(line[place]) for line in lines)]),
            column.widest if narrow or column.nested else _UNLIMITED,
        )
        for place, column in enumerate(headings)
    ]
    widths = _fitting(headings, needs, columns()) if narrow else dict(enumerate(needs))
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    for place, width in widths.items():
        column = headings[place]
        table.add_column(
            column.heading,
            justify="right" if column.right else "left",
            overflow="ellipsis",
            no_wrap=True,
            width=width,
            header_style="bold",
        )
    for line in lines:
        table.add_row(*(Text(line[place]) for place in widths))
    console = Console(
        file=out,
        width=columns() if narrow else _UNLIMITED,
        no_color=not has_colour(out),
        force_terminal=has_colour(out),
        color_system="standard" if has_colour(out) else None,
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(table)
    out.writelines(line.rstrip() + "\n" for line in captured.get().splitlines())
    return tuple(column.heading for place, column in enumerate(headings) if place not in widths)


def write_pairs(pairs: Iterable[tuple[str, str]], stream: TextIO | None = None) -> None:
    """Write one name and its value a line, the values aligned and never cut."""
    lines = list(pairs)
    width = max((len(name) for name, _ in lines), default=0)
    (stream or sys.stdout).writelines(f"{name:<{width}}  {value or '-'}\n" for name, value in lines)


def _fitting(headings: Sequence[Column], needs: Sequence[int], room: int) -> dict[int, int]:
    """Place -> width of the columns that fit: those marked `keep`, then the others as they find room, left to right."""
    kept = [place for place, column in enumerate(headings) if column.keep]
    share = max(_NARROWEST, room // len(kept) - _GAP) if kept else 0
    tight = sum(needs[place] + _GAP for place in kept) > room
    widths = {place: min(needs[place], share) if tight else needs[place] for place in kept}
    left = room - sum(width + _GAP for width in widths.values())
    for place, column in enumerate(headings):
        if column.keep:
            continue
        if left < min(needs[place], _NARROWEST * 3):
            continue
        widths[place] = min(needs[place], left)
        left -= widths[place] + _GAP
    return dict(sorted(widths.items()))
