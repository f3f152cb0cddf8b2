"""The record of what datactl made: only an index that stands in it, unchanged, is dropped without being asked for.

A row of `datactl_indexes` is `{_id: {collection, name}, definition, madeAt, actor}`. It is written after the index was
built and removed before the index is dropped: a crash in between leaves an index that counts as somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping

from pymongo.collection import Collection

from datactl.inspect.indexing.comparing import Definition, fingerprint
from datactl.mongo import Document, Mongo, mapping_errors

MADE = "datactl_indexes"


class MadeIndexes:
    """The rows of `datactl_indexes`."""

    def __init__(self, mongo: Mongo, actor: str | None) -> None:
        self._mongo = mongo
        self._actor = actor

    def of(self, collection: str) -> Mapping[str, str]:
        """Index name -> fingerprint of what datactl made under that name."""
        with mapping_errors(f"reading {MADE}"):
            rows = self._rows.find({"_id.collection": collection})
            return {row["_id"]["name"]: row["definition"] for row in rows}

    def note(self, collection: str, definition: Definition) -> None:
        row: Document = {
            "definition": fingerprint(definition),
            "madeAt": self._mongo.server_time(),
            "actor": self._actor,
        }
        with mapping_errors(f"writing {MADE}"):
            self._rows.replace_one({"_id": _id(collection, definition["name"])}, row, upsert=True)

    def forget(self, collection: str, name: str) -> None:
        with mapping_errors(f"writing {MADE}"):
            self._rows.delete_one({"_id": _id(collection, name)})

    @property
    def _rows(self) -> Collection[Document]:
        return self._mongo.collection(MADE).with_options(write_concern=self._mongo.write_concern)


def _id(collection: str, name: str) -> Document:
    return {"collection": collection, "name": name}
