"""Waiting for a condition, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    """Return when the condition holds; fail when it does not come."""
    give_up = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up, "the condition did not come"
        time.sleep(0.01)
