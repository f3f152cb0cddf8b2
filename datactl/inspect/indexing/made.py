"""The record of what datactl made, and of what it dropped to build another in its place.

A row of `datactl_indexes` is `{_id: {collection, name}, definition, madeAt, actor}`: datactl made this index. It is
written after the index was built and removed before the index is dropped: a crash in between leaves an index that
counts as somebody else's. Whether an index of the same definition was dropped and made again by others cannot be told.

Before a rebuild drops an index, its row gets `replaced: {definition, successor, at, actor}`, the definition as Extended
JSON; it goes when the successor, or the old index again, is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bson import json_util
from pymongo.collection import Collection

from datactl.inspect.indexing.comparing import Definition, fingerprint
from datactl.mongo import Document, Mongo, mapping_errors

MADE = "datactl_indexes"
_JSON = json_util.CANONICAL_JSON_OPTIONS


@dataclass(frozen=True, slots=True)
class Replaced:
    """An index that was to be replaced: its definition, and the name of the one built in its place."""

    definition: Definition
    successor: str


class MadeIndexes:
    """The rows of `datactl_indexes`."""

    def __init__(self, mongo: Mongo, actor: str | None) -> None:
        self._mongo = mongo
        self._actor = actor

    def of(self, collection: str) -> Mapping[str, str]:
        """Index name -> fingerprint of what datactl made under that name."""
        with mapping_errors(f"reading {MADE}"):
            rows = self._rows.find({"_id.collection": collection})
            return {row["_id"]["name"]: row["definition"] for row in rows if "definition" in row}

    def replaced(self, collection: str) -> tuple[Replaced, ...]:
        """What a rebuild was to drop, and has not said that it is done."""
        with mapping_errors(f"reading {MADE}"):
            rows = self._rows.find({"_id.collection": collection, "replaced": {"$exists": True}})
            found = [(row["replaced"]["definition"], row["replaced"]["successor"]) for row in rows]
        return tuple(Replaced(json_util.loads(text, json_options=_JSON), successor) for text, successor in found)

    def note(self, collection: str, definition: Definition) -> None:
        row: Document = {
            "definition": fingerprint(definition),
            "madeAt": self._mongo.server_time(),
            "actor": self._actor,
        }
        with mapping_errors(f"writing {MADE}"):
            self._rows.replace_one({"_id": _id(collection, definition["name"])}, row, upsert=True)

    def note_replaced(self, collection: str, definition: Definition, successor: str) -> None:
        """Keep the definition of what is about to be dropped."""
        kept = {
            "definition": json_util.dumps(definition, json_options=_JSON),  # as text: it has names such as `$in`
            "successor": successor,
            "at": self._mongo.server_time(),
            "actor": self._actor,
        }
        with mapping_errors(f"writing {MADE}"):
            change = {"$set": {"replaced": kept}, "$unset": {"definition": ""}}
            self._rows.update_one({"_id": _id(collection, definition["name"])}, change, upsert=True)

    def forget(self, collection: str, name: str) -> None:
        with mapping_errors(f"writing {MADE}"):
            self._rows.delete_one({"_id": _id(collection, name)})

    @property
    def _rows(self) -> Collection[Document]:
        return self._mongo.collection(MADE).with_options(write_concern=self._mongo.write_concern)


def _id(collection: str, name: str) -> Document:
    return {"collection": collection, "name": name}
