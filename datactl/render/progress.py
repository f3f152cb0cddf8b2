"""Progress of long work on stderr: one bar a step, with count, rate and time left; nothing off a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from datactl.render import figures
from datactl.render.stopping import StopSignals
from datactl.render.terminal import has_colour, has_progress
from datactl.steps import Step, Watcher, When

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID

_BAR_WIDTH = 30
_NAME_WIDTH = 10

# What a step is called on the bar; a step that is not here shows the last word of its name.
NAMES: Mapping[str, str] = {
    "segment.put": "segment",
    "delete": "remove",
    "mark": "marking",
    "stamp": "stamping",
    "restore": "restoring",
    "update": "updating",
    "create": "creating",
    "index.create": "index",
    "index.drop": "index",
    "preflight": "looking",
    "undo": "undoing",
    "adopt.read": "reading",
    "adopt.references": "looking up",
    "validator.count": "checking",
    "validator.apply": "validator",
}


_BEGUN = (("ledger.open", When.AFTER), ("ledger.resumed", When.AFTER), ("chunk", When.BEFORE))


class ProgressWatcher(Watcher):
    """Sees the steps of one run: draws them where there is a terminal, and answers whether a signal asked to stop."""

    def __init__(self, *, quiet: bool = False, stoppable: bool = True) -> None:
        self.signals = StopSignals(self._say)
        self.op: str | None = None  # the operation, once the ledger has its row and documents may be changed
        self._stoppable = stoppable
        self._draws = not quiet and has_progress(sys.stderr)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._stoppable:
            self._stack.enter_context(self.signals)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def stopping(self) -> bool:
        return self.signals.received is not None

    def see(self, step: Step) -> None:
        """Draw progress, and effects that are counted (segments 3 of 12); single effects pass unseen."""
        if (step.name, step.when) in _BEGUN:
            self.op = step.detail.get("op")
        counted = step.when is When.PROGRESS or (step.total is not None and step.unit != "documents")
        if not self._draws or not counted:
            return
        progress = self._opened()
        if step.name not in self._tasks:
            name = NAMES.get(step.name, step.name.rpartition(".")[2])
            self._tasks[step.name] = progress.add_task(name, total=step.total)
        after = 1 if step.when is When.AFTER else 0
        progress.update(self._tasks[step.name], completed=step.done + after, total=step.total)

    def _say(self, notice: str) -> bool:
        """Show a line above the bars, which would draw over one that was written past them."""
        if self._progress is None:
            return False
        self._progress.console.print(notice, markup=False, highlight=False)
        return True

    def _opened(self) -> Progress:
        if self._progress is None:
            self._progress = self._stack.enter_context(_bars())
        return self._progress


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Done(ProgressColumn):
        def render(self, task: Task) -> Text:
            total = "" if task.total is None else f"/{figures.count(int(task.total))}"
            return Text(f"{figures.count(int(task.completed))}{total}")

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(figures.rate(speed) if speed else "", style="dim")

    coloured = has_colour(sys.stderr)
    console = Console(
        file=sys.stderr, no_color=not coloured, color_system="standard" if coloured else None, legacy_windows=False
    )
    return Progress(
        TextColumn(f"{{task.description:<{_NAME_WIDTH}}}"),
        BarColumn(_BAR_WIDTH),
        Done(),
        Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )
