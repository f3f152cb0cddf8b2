"""What every object store offers: create-only puts, gets, ranges, sorted listing. Backends: `files`, `memory`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

Data = bytes | memoryview | Sequence[bytes]
"""What `put` takes: one buffer, or the parts of one object in order."""


@dataclass(frozen=True, slots=True)
class PutResult:
    """A stored object: its key and its length in bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows about an object without reading it; `modified` is aware UTC by the store's clock."""

    key: str
    size: int
    modified: datetime


class ObjectStore(Protocol):
    """A flat space of keys. A key is written once and never changed (I3); see `keys.check_key` for its form.

    Every method may raise `StoreError` or a subclass of it. Instances may be shared by threads.
    """

    @property
    def url(self) -> str:
        """Where it is, in the form that `open_store` takes."""

    def put(self, key: str, data: Data, *, kind: str = "data") -> PutResult:
        """Create the object, durable when this returns (If-None-Match: *). `kind` may choose a storage class.

        Raises `ObjectExists` if the key is taken; then nothing was changed.
        """

    def get(self, key: str) -> bytes:
        """The whole object. Raises `ObjectMissing`."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Exactly `length` bytes from `start`. Raises `ObjectMissing`; `ShortRead` if the object ends before."""

    def head(self, key: str) -> ObjectInfo | None:
        """The object's length and date, or None if there is no such key."""

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        """Objects under `prefix` ("" or a folder that ends with "/"), sorted by key, those after `start_after`."""

    def delete(self, key: str) -> None:
        """Remove the object; no error if it is not there. For garbage collection and probes alone (I6)."""
