"""Steps: the one stream on which long work tells what it does, and the way it is asked to stop.

A service announces a step before and after each effect, and progress in between. Progress bars, JSON logs,
the dashboard and the crash tests are watchers of this stream; there is no second channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class When(StrEnum):
    BEFORE = "before"
    AFTER = "after"
    PROGRESS = "progress"


@dataclass(frozen=True, slots=True)
class Step:
    """One announcement. `name` is dotted (`segment.put`); `done` and `total` count `unit`s, `total` None if unknown."""

    name: str
    when: When
    done: int = 0
    total: int | None = None
    unit: str = "documents"
    detail: Mapping[str, Any] = field(default_factory=dict)


class Watcher:
    """What a caller hands to long work: sees each step, and answers whether to stop at the next safe point."""

    def see(self, step: Step) -> None:
        """Called in the thread that does the work, before the work goes on."""

    def stopping(self) -> bool:
        """True: finish the batch at hand, record it, and return what was done."""
        return False

    def progress(self, name: str, done: int, total: int | None = None, unit: str = "documents", **detail: Any) -> None:
        self.see(Step(name, When.PROGRESS, done, total, unit, detail))

    @contextmanager
    def around(
        self, name: str, done: int = 0, total: int | None = None, unit: str = "documents", **detail: Any
    ) -> Iterator[None]:
        """Announce `name` before the effect in the block and after it; not after it if it raised."""
        self.see(Step(name, When.BEFORE, done, total, unit, detail))
        yield
        self.see(Step(name, When.AFTER, done, total, unit, detail))


UNWATCHED = Watcher()
