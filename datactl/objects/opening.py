"""From a vault's URL to its object store."""

from __future__ import annotations

from pathlib import Path

from datactl.errors import ConfigError
from datactl.objects.interface import ObjectStore


def open_store(url: str) -> ObjectStore:
    """The store at `url`: `file:PATH` (also `file:///PATH`) or `memory:` (a new one, gone with the process).

    Nothing is created or contacted yet. Raises `ConfigError` for anything else.
    """
    scheme, colon, rest = url.partition(":")
    if colon and scheme == "file" and rest.strip("/"):
        from datactl.objects.files import FileStore

        return FileStore(Path(rest.removeprefix("//")))
    if colon and scheme == "memory":
        from datactl.objects.memory import MemoryStore

        return MemoryStore()
    raise ConfigError(
        f"{url!r} is not a vault's place",
        why="a vault is at file:PATH",
        next="Set it with DATACTL_VAULT, for example DATACTL_VAULT=file:/var/lib/datactl/vault",
    )
