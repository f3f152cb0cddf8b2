"""A directory of exported files that appears whole or not at all, and is durable when it does.

Files are written into a directory with a temporary name beside the target, fsynced, read back, and the directory is
renamed as the last act. What is left of a run that was killed begins with a dot and means nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from datactl.durable import sync_directory
from datactl.errors import ObjectExists, StoreError, StoreFull, StoreReadOnly, VaultDamaged

_READ_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 18
UNFINISHED = ".unfinished-"


class OutputFile:
    """One file being written: what it has in bytes, and (with `digest`) their SHA-256. Only its owner may read it."""

    def __init__(self, path: Path, *, digest: bool) -> None:
        self.path = path
        self.size = 0
        self._digests = digest
        self._digest = hashlib.sha256()
        self._pending: list[bytes] = []
        self._waiting = 0
        with disk_errors(f"cannot write {path}"):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o600)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        self._pending.append(data)
        self._waiting += len(data)
        if self._waiting >= _BUFFER_BYTES:
            self._flush()

    def finish(self) -> None:
        """Write what waits, and fsync: the file is on the disk when this returns."""
        try:
            self._flush()
            with disk_errors(f"cannot write {self.path}"):
                os.fsync(self._descriptor)
        finally:
            self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _flush(self) -> None:
        block = b"".join(self._pending)
        self._pending, self._waiting = [], 0
        if self._digests:
            self._digest.update(block)
        self.size += len(block)
        with disk_errors(f"cannot write {self.path}"):
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


class OutputDirectory:
    """A directory `target` in the making. Leaving the block without `commit` takes every trace of it away."""

    def __init__(self, target: Path) -> None:
        self.target = target.absolute()
        self._place = self.target.parent / f"{UNFINISHED}{target.name}-{secrets.token_hex(4)}"
        self._open: OutputFile | None = None
        self._committed = False

    def __enter__(self) -> Self:
        self._require_free()
        with disk_errors(f"cannot write into {self.target.parent}"):
            _make_directories(self.target.parent)
            self._place.mkdir(mode=0o700)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._open is not None:
            self._open.close()
        if not self._committed:
            shutil.rmtree(self._place, ignore_errors=True)

    def create(self, name: str, *, digest: bool = True) -> OutputFile:
        """A new file in it; one is open at a time."""
        self._open = OutputFile(self._place / name, digest=digest)
        return self._open

    def require_digest(self, name: str, size: int, sha256: str) -> None:
        """Read a file back. VaultDamaged unless it has these bytes."""
        if digest_of(self._place / name) != (size, sha256):
            raise _unlike(name)

    def require_bytes(self, name: str, parts: Sequence[bytes]) -> None:
        """The same where the bytes are at hand: comparing them is much faster than a digest."""
        with disk_errors(f"cannot read {name}"), (self._place / name).open("rb") as file:
            if any(file.read(len(part)) != part for part in parts) or file.read(1):
                raise _unlike(name)

    def commit(self) -> None:
        """Give it its name. ObjectExists if somebody else took it meanwhile."""
        with disk_errors(f"cannot name {self.target}"):
            sync_directory(self._place)
            self._require_free()
            try:
                self._place.rename(self.target)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
                self._refuse()
            self._committed = True
            sync_directory(self.target.parent)

    def _require_free(self) -> None:
        if self.target.exists() and not (self.target.is_dir() and not any(self.target.iterdir())):
            self._refuse()

    def _refuse(self) -> None:
        raise ObjectExists(
            f"{self.target} is there already",
            why="an export never overwrites another",
            next=f"choose another directory, or move {self.target.name} away",
        )


def _unlike(name: str) -> VaultDamaged:
    return VaultDamaged(f"{name} is not what was written", why="it was read back, and differs", next="look at the disk")


def digest_of(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file. StoreError if it cannot be read."""
    digest, size = hashlib.sha256(), 0
    with disk_errors(f"cannot read {path}"), path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Errors of the operating system in the block leave it as ours."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreFull(what, why=why, next="make room there, or choose another place, and run it again") from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StoreReadOnly(what, why=why, next="choose a place that this user may read and write") from error
        raise StoreError(what, why=why) from error


def _make_directories(directory: Path) -> None:
    """Create what lacks of it, each name durable."""
    if directory.is_dir():
        return
    _make_directories(directory.parent)
    directory.mkdir(exist_ok=True)
    sync_directory(directory.parent)
