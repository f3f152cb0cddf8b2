"""Text files of the project: read whole, replaced in one step, so that a crash leaves the old one or the new one."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from datactl.durable import sync_directory
from datactl.errors import ConfigError, DatactlError


def read_text(path: Path) -> str | None:
    """The text of a file, None if there is none. ConfigError where it cannot be read or is no UTF-8."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigError(f"{path.name} is not UTF-8", next="datactl models check") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", why=error.strerror) from None


def write_text(path: Path, text: str, *, mode: int) -> None:
    """Replace a file (through a link, what it points to), keeping its permissions; a new one gets `mode`."""
    target = path.resolve()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if target.exists():
            mode = stat.S_IMODE(target.stat().st_mode)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)  # there is one still only where it did not get its name
        sync_directory(target.parent)
    except OSError as error:
        raise DatactlError(f"cannot write {path}", why=error.strerror) from None
