"""The object stores that the conformance suite runs on: a backend joins by one line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datactl.objects import ObjectStore, open_store

BACKENDS: dict[str, Callable[[Path], ObjectStore]] = {
    "file": lambda directory: open_store(f"file:{directory / 'store'}"),
    "memory": lambda _: open_store("memory:"),
}
