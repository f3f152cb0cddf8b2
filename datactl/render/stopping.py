"""Signals: the first SIGINT or SIGTERM asks long work to stop at a safe point, the second stops it now."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NOTICE = "stopping: the batch at hand is finished and recorded first; once more stops now"
_STDERR = 2


class StopNow(KeyboardInterrupt):
    """The second signal. Not an `Exception`: nothing on the way may take it for an item's failure."""

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


class StopSignals:
    """While entered, `received` is the number of the first signal, or None."""

    def __init__(self, say: Callable[[str], bool] | None = None) -> None:
        """`say` shows the notice where something else draws on the terminal, and answers whether it did."""
        self.received: int | None = None
        self._say = say
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere the caller owns the signals
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _take(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal calls it
        if self.received is not None:
            raise StopNow(number)
        self.received = number
        if self._say is None or not self._say(_NOTICE):
            # Not through sys.stderr: its buffer may be held by the code that was interrupted.
            os.write(_STDERR, f"\n{_NOTICE}\n".encode())
