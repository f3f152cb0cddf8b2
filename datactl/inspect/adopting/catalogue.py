"""What is in the database: its collections with their validators and indexes, and which of them are no models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datactl.errors import NotPermitted
from datactl.events import CHUNKS
from datactl.inspect.indexing.comparing import fingerprint
from datactl.inspect.indexing.made import MadeIndexes
from datactl.mongo import Mongo, mapping_errors
from datactl.schema.options import RESERVED_COLLECTIONS

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Held:
    """One collection: its options, indexes and about how many documents it has.

    Not the index on `_id`, and none that datactl made: the models ask for those already.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    indexes: tuple[Mapping[str, Any], ...] = ()
    documents: int = 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The collections that can be models, and why the others cannot: name -> reason."""

    held: tuple[Held, ...]
    left_out: Mapping[str, str]


def read_catalogue(mongo: Mongo) -> Catalogue:
    """Ask for collections, indexes and counts (from metadata: no collection is scanned). NotPermitted."""
    with mapping_errors("list the collections"):
        listed = sorted(mongo.database.list_collections(), key=lambda each: str(each["name"]))
    made = MadeIndexes(mongo, None)
    held: list[Held] = []
    left_out: dict[str, str] = {}
    for each in listed:
        name, options = str(each["name"]), each.get("options") or {}
        if _is_ours(name):
            continue
        reason = _refused(name, str(each.get("type", "collection")), options)
        if reason is not None:
            left_out[name] = reason
            continue
        try:
            with mapping_errors(f"read the indexes of {name}"):
                rows, ours = mongo.collection(name), made.of(name)
                indexes = tuple(
                    index
                    for index in rows.list_indexes()
                    if list(index["key"]) != ["_id"] and ours.get(index["name"]) != fingerprint(index)
                )
                held.append(Held(name, options, indexes, int(rows.estimated_document_count())))
        except NotPermitted as error:
            left_out[name] = f"it may not be read: {error.why or error.what}"
    return Catalogue(tuple(held), left_out)


def _is_ours(name: str) -> bool:
    return name.startswith(("datactl_", "system.")) or name in (*RESERVED_COLLECTIONS, CHUNKS)


def _refused(name: str, kind: str, options: Mapping[str, Any]) -> str | None:
    if kind == "view" or "viewOn" in options:
        return f"a view on {options.get('viewOn', 'another collection')}"
    if kind == "timeseries" or "timeseries" in options:
        return "time series: its documents cannot be changed one by one"
    if options.get("capped"):
        return "capped: MongoDB takes no writes to it in transactions, and old documents leave by themselves"
    if name.startswith("enxcol_"):
        return "kept by MongoDB's queryable encryption"
    if "$" in name or "\0" in name or name.startswith(".") or len(name.encode()) > _LONGEST_NAME:
        return "its name cannot be declared: no $, no dot in front, 200 bytes at most"
    return None
