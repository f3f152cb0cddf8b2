"""Which imports run on this machine: a locked file each, which the system unlocks when its process is gone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datactl.errors import Locked
from datactl.transfer.directory import disk_errors


@contextmanager
def running(directory: Path, op: str) -> Iterator[None]:
    """Hold the lock of an import. Locked if another process holds it."""
    path = directory / f"{op}.lock"
    with disk_errors(f"cannot write {path}"):
        for place in (directory.parent, directory):  # a mode is that of the last directory only
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"another process runs import {op}", next=f"wait for it, or look at datactl ops show {op}", op=op
            ) from None
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
