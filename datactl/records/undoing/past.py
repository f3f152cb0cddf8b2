"""What an operation did to one document, read from its event: values before and after, secret ones opened."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any

import bson
from bson import ObjectId

from datactl.errors import DatabaseError
from datactl.events import aggregate_key, open_payload, read_payload
from datactl.mongo import CODEC, Document, Mongo
from datactl.schema import Model, Registry

Values = dict[str, Any]


class Way(Enum):
    """How a change is taken back."""

    PATHS = "paths"  # values are put back, path by path
    UNMARK = "unmark"  # a mark is taken away
    MARK = "mark"  # a mark is given back
    REMOVE = "remove"  # a document that appeared goes into the vault
    BRING_BACK = "bring back"  # a document that was removed comes out of it
    NONE = "none"


@dataclass(frozen=True)
class Past:
    """One change. `before` None: the document was not there; `after` None: it is not there any more.

    `unknown` are paths whose values no event tells; `trouble` says why nothing can be told at all.
    """

    row: ObjectId
    aggregate: str
    model: Model | None
    id: Any
    event: str
    seq: int
    op: str
    way: Way
    before: Values | None
    after: Values | None
    unknown: tuple[str, ...] = ()
    trouble: str | None = None
    size: int = 0
    at: datetime | None = None

    @cached_property
    def key(self) -> bytes:
        return aggregate_key(self.id)

    @property
    def known_model(self) -> Model:
        """The model; there is one wherever `way` is not NONE."""
        assert self.model is not None
        return self.model


class PastReader:
    """Reads events of one database, with the key that opens their secret values."""

    def __init__(self, mongo: Mongo, registry: Registry, event_key: bytes | None) -> None:
        self._mongo = mongo
        self._registry = registry
        self._event_key = event_key

    def read(self, row: Document) -> Past:
        """One row of the outbox. What cannot be read of it is said, and nothing is guessed."""
        model = self._registry.get(row["aggregate"])
        event = row["eventType"].removeprefix(row["aggregate"])
        payload: Mapping[str, Any] = row.get("payload") or {}
        trouble = None if model is not None else f"there is no model {row['aggregate']} here"
        unknown: tuple[str, ...] = ()
        before: Values | None = None
        after: Values | None = None
        try:
            payload = read_payload(self._mongo, {**row, "payload": payload})
            if not payload.keys() & {"before", "after"}:
                trouble = trouble or "its event no longer has the values"
            before, after, unknown = self._values(row, payload)
        except DatabaseError as error:
            trouble = trouble or str(error)
        way = (
            Way.NONE if trouble else _way(event, archived="archived" in payload, soft=bool(model and model.soft_delete))
        )
        if way is Way.NONE and trouble is None:
            trouble = f"what {row['eventType']} did is not undone"
        size = len(bson.encode({"before": before, "after": after}, codec_options=CODEC))
        return Past(
            row=row["_id"],
            aggregate=row["aggregate"],
            model=model,
            id=row["aggregateId"],
            event=event,
            seq=row.get("seq") or 0,
            op=row["op"],
            way=way,
            before=before,
            after=after,
            unknown=unknown,
            trouble=trouble,
            size=size,
            at=row.get("createdAt"),
        )

    def _values(
        self, row: Document, payload: Mapping[str, Any]
    ) -> tuple[Values | None, Values | None, tuple[str, ...]]:
        before, after = payload.get("before"), payload.get("after")
        unknown = tuple(payload.get("withheld", ()))
        if "encrypted" in payload and self._event_key is None:
            unknown += tuple(payload["encrypted"]["paths"])
        elif "encrypted" in payload:
            secret_before, secret_after = open_payload(payload, self._event_key or b"", row["_id"])
            before, after = _merged(before, secret_before), _merged(after, secret_after)
        return before, after, unknown


def _way(event: str, *, archived: bool, soft: bool) -> Way:
    if event == "Updated":
        return Way.PATHS
    if event == "Created" or (event == "Restored" and archived):
        return Way.REMOVE
    if event == "Deleted" and archived:
        return Way.BRING_BACK
    if event == "Deleted" and soft:
        return Way.UNMARK
    if event == "Restored" and soft:
        return Way.MARK
    return Way.NONE


def _merged(values: Mapping[str, Any] | None, secrets: Mapping[str, Any]) -> Values | None:
    """The values with the secret ones at their places again: by themselves, or inside of what stands at a path."""
    if values is None:
        return None
    merged: Values = copy.deepcopy(dict(values)) if secrets else dict(values)
    for path, value in secrets.items():
        names = path.split(".")
        for end in range(len(names) - 1, 0, -1):
            outer = ".".join(names[:end])
            if outer in merged:
                _put(merged[outer], names[end:], value)
                break
        else:
            merged[path] = value
    return merged


def _put(inside: Any, names: list[str], value: Any) -> None:
    *above, last = names
    for name in above:
        inside = inside[int(name)] if isinstance(inside, list) else inside[name]
    if isinstance(inside, list):
        inside[int(last)] = value
    else:
        inside[last] = value


def touches(paths: Iterable[str], path: str) -> bool:
    """Whether one of the paths is this one, above it or below it."""
    return any(each == path or each.startswith(f"{path}.") or path.startswith(f"{each}.") for each in paths)
