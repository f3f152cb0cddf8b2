"""Reading ahead: an iterator runs in a thread of its own, while what it yielded before is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_AHEAD = 2
_NO_MORE: Any = object()


@contextmanager
def ahead(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """The same items in the same order; two of them are read before they are asked for, and no more.

    What the iterator raises is raised where its item is asked for. Leaving the block waits for what is being read.
    """
    with ThreadPoolExecutor(1, "reading ahead") as reader:

        def taken() -> Iterator[T]:
            waiting = deque(reader.submit(next, items, _NO_MORE) for _ in range(_AHEAD))
            while (item := waiting.popleft().result()) is not _NO_MORE:
                waiting.append(reader.submit(next, items, _NO_MORE))
                yield item

        try:
            yield taken()
        finally:
            reader.shutdown(cancel_futures=True)
