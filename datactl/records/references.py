"""References: who refers to a model, and what `onDelete` says should happen there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pymongo.client_session import ClientSession

from datactl.events import aggregate_key
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.marks import both, live
from datactl.records.restoring import values_at
from datactl.schema import Model, Registry

RESTRICT, CASCADE, NULLIFY = "restrict", "cascade", "nullify"


@dataclass(frozen=True, slots=True)
class Edge:
    """One field by which documents of `child` refer to documents of `parent`."""

    child: Model
    path: str
    parent: Model
    on_delete: str

    @property
    def name(self) -> str:
        """`City.country`."""
        return f"{self.child.name}.{self.path}"

    def among(self, ids: Sequence[Any]) -> dict[str, Any]:
        """The filter of the live documents that refer to one of these.

        To a parent whose `_id` is null nothing refers: a field that is null, or not there, is no reference.
        """
        ids = [each for each in ids if each is not None]
        wanted = {"$in": ids} if len(ids) != 1 or isinstance(ids[0], Mapping) else ids[0]
        return both({self.path: wanted}, live(self.child))

    def referrers(
        self, mongo: Mongo, ids: Sequence[Any], session: ClientSession | None = None
    ) -> Iterator[tuple[Any, list[bytes]]]:
        """The live documents that refer to one of these: the `_id` of each, and the keys of those it refers to."""
        keys = {aggregate_key(each) for each in ids}
        fields = {"_id": 1, self.path: 1}
        with mapping_errors(f"looking who refers by {self.name}"):
            for row in mongo.collection(self.child.collection).find(self.among(ids), fields, session=session):
                yield row["_id"], [key for key in self.keys_of(row) if key in keys]

    def values_of(self, document: Mapping[str, Any]) -> list[Any]:
        """The `_id`s that a document refers to by this field, each once."""
        return list({aggregate_key(value): value for value in values_at(document, self.path)}.values())

    def keys_of(self, document: Mapping[str, Any]) -> list[bytes]:
        """Their keys."""
        return [aggregate_key(value) for value in self.values_of(document)]


class References:
    """Every reference of a registry that says what a deletion does."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._to: dict[str, list[Edge]] = {}
        for child in registry.values():
            for field in child.references:
                if field.on_delete:
                    edge = Edge(child, field.path, registry.model(str(field.ref)), field.on_delete)
                    self._to.setdefault(edge.parent.name, []).append(edge)

    def to(self, model: Model, *kinds: str) -> list[Edge]:
        """The references to documents of this model; of these kinds only, if any is given."""
        return [edge for edge in self._to.get(model.name, ()) if not kinds or edge.on_delete in kinds]

    def of(self, model: Model, *kinds: str) -> list[Edge]:
        """The references that documents of this model have."""
        edges = (edge for edges in self._to.values() for edge in edges if edge.child.name == model.name)
        return [edge for edge in edges if not kinds or edge.on_delete in kinds]

    @cached_property
    def parents(self) -> tuple[str, ...]:
        """The models to which something refers that a deletion has to look at."""
        return tuple(self._to)

    def reached_from(self, model: Model) -> list[Model]:
        """The model, and those whose documents may go along with its own."""
        found = {model.name: model}
        waiting = [model]
        while waiting:
            for edge in self.to(waiting.pop(), CASCADE):
                if edge.child.name not in found:
                    found[edge.child.name] = edge.child
                    waiting.append(edge.child)
        return list(found.values())


def by_ids(mongo: Mongo, ids: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Filters of these `_id`s, each as many as the server takes at once."""
    step = mongo.capabilities.in_chunk
    for start in range(0, len(ids), step):
        chunk = list(ids[start : start + step])
        yield {"_id": {"$in": chunk}} if len(chunk) != 1 or isinstance(chunk[0], Mapping) else {"_id": chunk[0]}


def live_keys(mongo: Mongo, model: Model, ids: Sequence[Any], session: ClientSession | None = None) -> dict[bytes, Any]:
    """Of these documents those that are live: key -> `_id`."""
    place = mongo.collection(model.collection)
    with mapping_errors(f"reading {model.collection}"):
        rows: list[Document] = [
            row
            for query in by_ids(mongo, ids)
            for row in place.find(both(query, live(model)), {"_id": 1}, session=session)
        ]
    return {aggregate_key(row["_id"]): row["_id"] for row in rows}
