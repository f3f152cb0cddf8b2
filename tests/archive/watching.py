"""Watchers that act at a step of a run: they do something there, or hold it until they let it go."""

from __future__ import annotations

import threading
from collections.abc import Callable

from datactl.steps import Step, Watcher


class At(Watcher):
    """Does something at the n-th announcement of a step; with `times`, at those that follow as well."""

    def __init__(self, name: str, when: str, act: Callable[[], object], nth: int = 1, *, times: int = 1) -> None:
        self._at = (name, when)
        self._act = act
        self._before = nth - 1
        self.left = times

    def see(self, step: Step) -> None:
        if (step.name, step.when) != self._at or not self.left:
            return
        if self._before:
            self._before -= 1
            return
        self.left -= 1
        self._act()


class Paused(Watcher):
    """Holds a run at an announcement until it is let go."""

    def __init__(self, name: str, when: str) -> None:
        self._at = (name, when)
        self.reached = threading.Event()
        self.go = threading.Event()

    def see(self, step: Step) -> None:
        if (step.name, step.when) == self._at:
            self.reached.set()
            assert self.go.wait(60)


class Both(Watcher):
    """Two watchers of one run."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def see(self, step: Step) -> None:
        for each in self._watchers:
            each.see(step)
