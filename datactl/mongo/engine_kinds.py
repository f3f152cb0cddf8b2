"""The servers that can be a project's local engine: how each is found and started, as data, best first."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EngineKind:
    """One kind of server. `flags` and `auth` may hold {port}, {data}, {key} and {config}, paths of the project."""

    name: str
    find: Callable[[], Path | None]
    flags: tuple[str, ...]
    auth: tuple[str, ...]
    # mongod: a replica set of one node must be initiated once, and keeps its port in its configuration.
    initiates: bool = False


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return None if found is None else Path(found)


def _mongod() -> Path | None:
    return _on_path("mongod")


def _secantusd_rs() -> Path | None:
    """On PATH, else the newest that tools/install-secantusd-rs has built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = sorted(cache.glob("datactl/parts/secantusd-rs-*/bin/secantusd-rs"), key=lambda found: found.stat().st_mtime)
    return _on_path("secantusd-rs") or (built[-1] if built else None)


def _secantusd_py() -> Path | None:
    """Beside this Python (the extra `embedded`), else on PATH."""
    beside = Path(sys.executable).with_name("secantusd-py")
    return beside if beside.exists() else _on_path("secantusd-py")


_SECANTUSD = (
    *("--config", "{config}"),  # an empty one: the files it would look for elsewhere may weaken it
    *("--host", "127.0.0.1", "--port", "{port}", "--storage-path", "{data}"),
    # A transaction must fit into the cache: a document of 16 MB, changed whole, and its event (at 1G it does not).
    *("--cache-size", "1280M", "--log-level", "WARNING"),
    "--sync-on-commit",  # without it the last writes before a crash are lost
)

KINDS: tuple[EngineKind, ...] = (
    EngineKind(
        "mongod",
        _mongod,
        ("--bind_ip", "127.0.0.1", "--port", "{port}", "--dbpath", "{data}", "--replSet", "datactl"),
        ("--auth", "--keyFile", "{key}"),
        initiates=True,
    ),
    EngineKind("secantusd-rs", _secantusd_rs, _SECANTUSD, ("--auth",)),
    EngineKind("secantusd-py", _secantusd_py, _SECANTUSD, ("--auth",)),
)


def kind_named(name: str) -> EngineKind:
    """Raises KeyError for a name that is not in the table."""
    return {kind.name: kind for kind in KINDS}[name]
