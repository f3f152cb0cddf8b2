"""Objects in this process's memory, on obstore: for tests and for trying things out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import MemoryStore as ObstoreMemory

from datactl.errors import ObjectExists, ObjectMissing, ShortRead, StoreError
from datactl.objects.interface import Data, ObjectInfo, PutResult
from datactl.objects.keys import check_key, check_prefix

_numbers = itertools.count(1)


class MemoryStore:
    """An object store that is gone with the process. Each instance is a store of its own."""

    def __init__(self) -> None:
        self._store = ObstoreMemory()
        self._url = f"memory:{next(_numbers)}"

    @property
    def url(self) -> str:
        return self._url

    def put(self, key: str, data: Data, *, kind: str = "data") -> PutResult:  # noqa: ARG002 - memory has one class
        check_key(key)
        whole = bytes(data) if isinstance(data, (bytes, memoryview)) else b"".join(data)
        with self._mapping(f"cannot write {key}", key):
            obstore.put(self._store, key, whole, mode="create")
        return PutResult(key, len(whole))

    def get(self, key: str) -> bytes:
        check_key(key)
        with self._mapping(f"cannot read {key}", key):
            return obstore.get(self._store, key).bytes().to_bytes()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        if start < 0 or length < 0:
            raise ValueError("a range has no negative start or length")
        size = self._size(key)
        if start + length > size:
            raise ShortRead(
                f"{key} ends too early",
                why=f"{length} bytes from byte {start} were wanted, it has {size}",
                key=key,
            )
        if not length:
            return b""
        with self._mapping(f"cannot read {key}", key):
            return obstore.get_range(self._store, key, start=start, length=length).to_bytes()

    def head(self, key: str) -> ObjectInfo | None:
        check_key(key)
        try:
            found = obstore.head(self._store, key)
        except FileNotFoundError:
            return None
        return ObjectInfo(key, found["size"], found["last_modified"])

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        for batch in obstore.list(self._store, prefix=prefix or None):
            for found in batch:
                # obstore's own offset has to be a key; here it may be any text.
                if start_after is None or found["path"] > start_after:
                    yield ObjectInfo(found["path"], found["size"], found["last_modified"])

    def delete(self, key: str) -> None:
        check_key(key)
        with self._mapping(f"cannot delete {key}", key):
            obstore.delete(self._store, key)

    def _size(self, key: str) -> int:
        found = self.head(key)
        if found is None:
            raise ObjectMissing(f"cannot read {key} in {self.url}", why="there is no such object", key=key)
        return found.size

    @contextmanager
    def _mapping(self, what: str, key: str) -> Iterator[None]:
        try:
            yield
        except AlreadyExistsError:
            raise ObjectExists(f"{key} exists in {self.url}", why="objects are written once", key=key) from None
        except FileNotFoundError as error:
            raise ObjectMissing(f"{what} in {self.url}", why="there is no such object", key=key) from error
        except BaseError as error:
            raise StoreError(f"{what} in {self.url}", why=str(error).splitlines()[0], key=key) from error
