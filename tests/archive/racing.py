"""Writers beside a run, as another program would write: what was acknowledged is counted."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from pymongo.errors import OperationFailure

from tests.archive.desk import Desk

WRITE_CONFLICT = 112


class Writer(threading.Thread):
    """Edits, restores and re-deletes documents (of these `acts` one at random), until it is to end."""

    def __init__(self, desk: Desk, ids: list[Any], seed: int, acts: Sequence[str] = ("edit",)) -> None:
        super().__init__()
        self._desk = desk
        self._ids = ids
        self._acts = acts
        self._random = random.Random(seed)
        self._ending = threading.Event()
        self._long_ago = desk.mongo.server_time() - timedelta(days=200)
        self.edits: Counter[Any] = Counter()
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        while not self._ending.is_set():
            self.write(self._random.choice(self._ids), self._random.choice(self._acts))

    def end(self) -> None:
        self._ending.set()
        self.join()

    def write(self, id: Any, what: str = "edit") -> None:
        """One acknowledged change, or none."""
        wanted: dict[str, Any] = {"_id": id}
        update: dict[str, Any] = {"$inc": {"edits": 1}}
        if what == "restore":
            wanted["deleted"] = True
            update |= {"$set": {"deleted": False}, "$unset": {"deletedAt": ""}}
        if what == "delete":
            wanted["deleted"] = False
            update |= {"$set": {"deleted": True, "deletedAt": self._long_ago}}
        try:
            written = self._desk.posts.update_one(wanted, update).modified_count
        except OperationFailure as error:
            if error.code != WRITE_CONFLICT:
                raise
            return  # not written
        if written:
            self.edits[id] += written
        self.done[what] += written


@contextmanager
def at_work(writers: Sequence[Writer]) -> Iterator[None]:
    """They write all through the block."""
    for each in writers:
        each.start()
    try:
        yield
    finally:
        for each in writers:
            each.end()


def edits_of(writers: Sequence[Writer]) -> Counter[Any]:
    """How often each document was changed, by all of them together."""
    return sum((each.edits for each in writers), Counter())
