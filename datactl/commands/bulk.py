"""How a change of many documents ends: its report on stdout, and the exit code it deserves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from datactl.commands.invocation import Invocation, stopped
from datactl.errors import PartlyDone, Problem
from datactl.render.figures import counted

if TYPE_CHECKING:
    from datactl.records import BulkResult
    from datactl.render.progress import ProgressWatcher

_NAMED = 10


def finish(
    invocation: Invocation, watch: ProgressWatcher, model: str, did: str, result: BulkResult, *, numbered: bool = False
) -> None:
    """Write the report; Interrupted if a signal stopped the work, PartlyDone if an item failed.

    `numbered`: the failures name the number of the input from 0, as `create_many` does.
    """

    def table() -> None:
        parts = [f"{did} {counted(result.changed, 'document')}"]
        if result.unchanged:
            parts.append(f"{result.unchanged:,} were so already")
        if result.failures:
            parts.append(f"{result.failures:,} failed")
        invocation.printer.text(", ".join(parts))
        invocation.printer.text(f"op {result.op}")

    invocation.printer.facts(result, table)
    if result.stopped:
        raise stopped(watch, f"{model}: {did} {result.changed:,},", result.left)
    if result.failures:
        named = result.failed[:_NAMED]
        raise PartlyDone(
            f"{counted(result.failures, 'document')} of {result.matched:,} failed",
            problems=[_numbered(each) for each in named] if numbered else named,
            next=None if len(named) == result.failures else "-o json lists more of them",
        )


def _numbered(failure: Problem) -> Problem:
    """Inputs are counted from 1 for people."""
    return replace(failure, where=f"number {int(failure.where) + 1}")
