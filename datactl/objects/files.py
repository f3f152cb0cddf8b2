"""Objects as files in a directory, durable by our own calls (I7): obstore's LocalStore does not fsync."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from datactl.durable import sync_directory
from datactl.errors import ObjectExists, ObjectMissing, ShortRead, StoreError, StoreFull, StoreReadOnly
from datactl.objects.interface import Data, ObjectInfo, PutResult
from datactl.objects.keys import check_key, check_prefix

TEMPORARY = ".tmp-"
"""How the name of an unfinished file starts. No key has a part that starts with a dot, so nothing reads them."""

_PRIVATE = 0o700  # objects hold documents: who is to read them is for the owner to say, by the mode of the root


class FileStore:
    """An object store in the directory `root`, which is made when the first object is put.

    A put writes a temporary file beside the target, fsyncs it, links it to its name (which fails if that is taken),
    unlinks the temporary name and fsyncs the directory. The chain of directories up to `root` is fsynced once per
    instance, created here or not: another process may have created one and died before its own fsync.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._durable: set[Path] = set()
        self._lock = Lock()

    @property
    def url(self) -> str:
        return f"file:{self.root}"

    def put(self, key: str, data: Data, *, kind: str = "data") -> PutResult:  # noqa: ARG002 - a disk has one class
        target = self._path(key)
        with self._mapping(f"cannot write {key}", key, reading=False):
            self._make_durable(target.parent)
            temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
            try:
                size = _write_new_file(temporary, data)
                try:
                    target.hardlink_to(temporary)
                except PermissionError as error:
                    if error.errno != errno.EPERM:
                        raise
                    # A file was just made there, so it is not this user that may not: link(2) says EPERM, too, where
                    # the file system has no hard links.
                    raise OSError(errno.EOPNOTSUPP, os.strerror(error.errno)) from error
                except FileExistsError:
                    # Whoever finds its own object here counts it as stored, so the name has to be durable as well.
                    sync_directory(target.parent)
                    raise ObjectExists(f"{key} exists in {self.url}", why="objects are written once", key=key) from None
            finally:
                with suppress(FileNotFoundError):
                    temporary.unlink()
            sync_directory(target.parent)
        return PutResult(key, size)

    def get(self, key: str) -> bytes:
        with self._mapping(f"cannot read {key}", key):
            return self._path(key).read_bytes()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        if start < 0 or length < 0:
            raise ValueError("a range has no negative start or length")
        parts: list[bytes] = []
        with self._mapping(f"cannot read {key}", key), self._path(key).open("rb", buffering=0) as file:
            missing = length
            while missing:
                part = os.pread(file.fileno(), missing, start + length - missing)
                if not part:
                    raise ShortRead(
                        f"{key} ends too early",
                        why=f"{length} bytes from byte {start} were wanted, {missing} of them are not there",
                        key=key,
                    )
                parts.append(part)
                missing -= len(part)
        return b"".join(parts)

    def head(self, key: str) -> ObjectInfo | None:
        with self._mapping(f"cannot look at {key}", key):
            try:
                found = self._path(key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return _info(key, found) if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        yield from self._walk(self.root / prefix, prefix, start_after or "")

    def delete(self, key: str) -> None:
        target = self._path(key)
        with self._mapping(f"cannot delete {key}", key), suppress(FileNotFoundError, NotADirectoryError):
            target.unlink()
            sync_directory(target.parent)

    def _walk(self, directory: Path, prefix: str, start_after: str) -> Iterator[ObjectInfo]:
        with self._mapping(f"cannot list {prefix or '/'}", prefix):
            try:
                entries = list(os.scandir(directory))
            except (FileNotFoundError, NotADirectoryError):
                return
        # A folder sorts as its name and a slash, so that the order is that of the keys: "a-b" before "a/b".
        named = sorted((entry.name + ("/" if entry.is_dir() else ""), entry) for entry in _objects_among(entries))
        for name, entry in named:
            key = prefix + name
            if name.endswith("/"):
                if key > start_after or start_after.startswith(key):
                    yield from self._walk(directory / entry.name, key, start_after)
            elif key > start_after:
                with self._mapping(f"cannot look at {key}", key), suppress(FileNotFoundError):
                    yield _info(key, entry.stat())

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _make_durable(self, directory: Path) -> None:
        """Create `directory` and what lacks above it, and make the names of all of them durable."""
        with self._lock:
            if directory not in self._durable:
                self._make_durable_locked(directory)

    def _make_durable_locked(self, directory: Path) -> None:
        if directory in self._durable:
            return
        parent = directory.parent
        if not directory.is_relative_to(self.root) and directory.is_dir():
            return
        if directory == self.root and directory.is_dir():
            # Whoever made the root may have died before its own fsync; where we may not, that is their business.
            with suppress(PermissionError):
                sync_directory(parent)
        else:
            self._make_durable_locked(parent)
            with suppress(FileExistsError):
                directory.mkdir(mode=_PRIVATE)
                if directory != self.root and directory.is_relative_to(self.root) and (others := _others(parent)):
                    directory.chmod(stat.S_IMODE(directory.stat().st_mode) | others)  # a set-group-ID stays
            sync_directory(parent)
        self._durable.add(directory)

    @contextmanager
    def _mapping(self, what: str, key: str, *, reading: bool = True) -> Iterator[None]:
        """The one place where the operating system's errors become ours."""
        try:
            yield
        except OSError as error:
            raise _mapped(error, f"{what} in {self.url}", key, reading=reading) from error


def _objects_among(entries: list[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    """Entries that are objects or folders of them; what is unfinished or was put there by others is passed over."""
    for entry in entries:
        if not entry.name.startswith("."):
            yield entry


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _others(directory: Path) -> int:
    """What the group and others may do in a directory: what is made in it they may as well, and by default nothing."""
    return directory.stat().st_mode & 0o077


def _write_new_file(path: Path, data: Data) -> int:
    """Write and fsync a new file; its length in bytes. A failed fsync is never tried again: the pages may be gone."""
    parts = [data] if isinstance(data, (bytes, memoryview)) else data
    size = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if others := _others(path.parent) & 0o066:
            os.fchmod(descriptor, 0o600 | others)
        for part in parts:
            rest = memoryview(part)
            size += rest.nbytes
            while rest.nbytes:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return size


def _mapped(error: OSError, what: str, key: str, *, reading: bool) -> StoreError:
    why = os.strerror(error.errno) if error.errno else str(error)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if reading:
            return ObjectMissing(what, why="there is no such object", key=key)
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return StoreFull(what, why=why, next="Make room there and run it again: what was stored is kept.", key=key)
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return StoreReadOnly(
                what,
                why=why,
                next="Let this user read and write there, or choose another vault, and run it again.",
                key=key,
            )
        case errno.EMLINK | errno.EOPNOTSUPP:
            return StoreError(
                what,
                why=f"{why}: the file system has no hard links, which keep an object from being overwritten",
                next="Choose a vault on a file system with hard links (ext4, xfs, btrfs, zfs, APFS).",
                key=key,
            )
        case _:
            return StoreError(what, why=why, next="Look at the disk and its file system.", key=key)
