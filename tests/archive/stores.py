"""Object stores that fail on order, and that count what they are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from datactl.errors import DatactlError
from datactl.objects import ObjectStore
from datactl.objects.interface import Data, ObjectInfo, PutResult


class WrappedStore:
    """A store over another one: calls are counted by kind, `before_put` may raise, `on_get` may alter what is read."""

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self.keys: list[tuple[str, str]] = []
        self.before_put: Callable[[str], None] = lambda key: None
        self.on_get: Callable[[str, bytes], bytes] = lambda key, data: data

    @property
    def url(self) -> str:
        return self.inner.url

    def put(self, key: str, data: Data, *, kind: str = "data") -> PutResult:
        self._count("put", key)
        self.before_put(key)
        return self.inner.put(key, data, kind=kind)

    def get(self, key: str) -> bytes:
        self._count("get", key)
        return self.on_get(key, self.inner.get(key))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self._count("get_range", key)
        return self.inner.get_range(key, start, length)

    def head(self, key: str) -> ObjectInfo | None:
        self._count("head", key)
        return self.inner.head(key)

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        self._count("list", prefix)
        return self.inner.list(prefix, start_after=start_after)

    def delete(self, key: str) -> None:
        raise AssertionError(f"nothing but garbage collection deletes objects (I6): {key}")

    def refuse(self, within: str, error: DatactlError) -> None:
        """Take no object with this in its key, for this reason."""

        def before_put(key: str) -> None:
            if within in key:
                raise error

        self.before_put = before_put

    def take_all(self) -> None:
        """The disk has room again."""
        self.before_put = lambda key: None

    def _count(self, call: str, key: str) -> None:
        self.calls[call] += 1
        self.keys.append((call, key))
