"""How a change of many documents ends: its report on stdout, the exit code it deserves, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from datactl.commands.along import along_lines
from datactl.commands.invocation import Invocation, named_again, stopped
from datactl.errors import DatactlError, Interrupted, PartlyDone, Problem
from datactl.render.figures import counted
from datactl.render.stopping import StopNow

if TYPE_CHECKING:
    from datactl.records import BulkResult
    from datactl.render.progress import ProgressWatcher

_NAMED = 10

# What the unchanged ones of an operation are called, where it is not that they were so already.
_UNCHANGED = {"removed": "did not match any more"}


def resume(op: str) -> str:
    """What carries on an operation whose documents were frozen when it began, in the project that was named."""
    return f"datactl ops resume {op}{named_again()}"


@contextmanager
def begun(watch: ProgressWatcher, onward: Callable[[str], str] = resume) -> Iterator[None]:
    """What ends this block after the operation began says how it goes on: run again, it would do work twice."""
    try:
        yield
    except StopNow as stop:
        if watch.op is None:
            raise
        raise Interrupted("stopped at once", signal=stop.signal_number, next=onward(watch.op), op=watch.op) from None
    except DatactlError as error:
        if watch.op is not None and watch.op not in (error.next or ""):
            error.next = f"{error.next}\nthen: {onward(watch.op)}" if error.next else onward(watch.op)
        raise


def finish(
    invocation: Invocation,
    watch: ProgressWatcher,
    model: str,
    did: str,
    result: BulkResult,
    *,
    numbered: bool = False,
    onward: str | None = None,
) -> None:
    """Write the report; Interrupted if a signal stopped the work, PartlyDone if an item failed.

    `numbered`: the failures name the number of the input from 0, as `create_many` does. `onward` is what carries a
    stopped operation on, where `ops resume` does not.
    """

    def table() -> None:
        parts = [f"{did} {counted(result.changed, 'document')}"]
        if result.unchanged:
            parts.append(f"{result.unchanged:,} {_UNCHANGED.get(did, 'were so already')}")
        if result.kept:
            parts.append(f"kept {result.kept:,} that changed meanwhile")
        if result.failures:
            parts.append(f"{result.failures:,} failed")
        invocation.printer.say(", ".join(parts))
        for line in along_lines(result.along):
            invocation.printer.say(line)
        undo = f"   undo: datactl undo {result.op}{named_again()}" if result.changed else ""
        invocation.printer.say(f"op {result.op}{undo}")

    invocation.printer.facts(result, table)
    if result.stopped:
        raise stopped(watch, f"{model}: {did} {result.changed:,},", result.left, next=onward or resume(result.op))
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
