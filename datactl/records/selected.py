"""The documents of one model that one call brings back: a reference among them stands against none of them.

Their keys are kept in a private SQLite file that goes when it is closed: a selection may be larger than memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from datactl.events import aggregate_key
from datactl.mongo import Mongo, mapping_errors
from datactl.records.marks import both, marked
from datactl.records.references import by_ids
from datactl.schema import Model


class Selected:
    """Of some documents those that are marked."""

    def __init__(self, mongo: Mongo, model: Model, ids: Iterable[Any]) -> None:
        self._model = model
        self._db = sqlite3.connect("", isolation_level=None)  # a file of its own, without a name
        self._db.execute("CREATE TABLE selected (key BLOB PRIMARY KEY) WITHOUT ROWID")
        for keys in _marked(mongo, model, iter(ids)):
            self._db.executemany("INSERT OR IGNORE INTO selected VALUES (?)", ((key,) for key in keys))

    def has(self, model: Model, key: bytes) -> bool:
        """Whether the document comes back with the others."""
        if model.name != self._model.name:
            return False
        return self._db.execute("SELECT 1 FROM selected WHERE key = ?", (key,)).fetchone() is not None


def _marked(mongo: Mongo, model: Model, ids: Iterator[Any]) -> Iterator[list[bytes]]:
    place = mongo.collection(model.collection)
    while chunk := list(islice(ids, mongo.capabilities.in_chunk)):
        with mapping_errors(f"reading {model.collection}"):
            for query in by_ids(mongo, chunk):
                yield [aggregate_key(row["_id"]) for row in place.find(both(query, marked(model)), {"_id": 1})]
