"""Nullifying: a reference to a deleted document is removed from the documents that have it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pymongo.client_session import ClientSession

from datactl.events import aggregate_key
from datactl.mongo import Mongo
from datactl.records.actions import UPDATED_AT, Decision
from datactl.records.differences import difference
from datactl.records.marks import both
from datactl.records.operations import Context
from datactl.records.references import Edge, by_ids
from datactl.records.writing import Outcome, Writer


class Nullify:
    """One field is emptied of the ids of these parents: removed, or taken out of the list that it is."""

    def __init__(self, mongo: Mongo, edge: Edge, parents: Sequence[Any], writer: Writer) -> None:
        self._mongo = mongo
        self._edge = edge
        self._selection = edge.among(parents)
        self._keys = {aggregate_key(each) for each in parents}
        self._writer = writer

    def change(self, session: ClientSession, ids: Sequence[Any], context: Context) -> Outcome:
        """Empty it in these documents, where they are live and refer there still; as many as one transaction takes."""
        place = self._mongo.collection(self._edge.child.collection)
        decided: list[tuple[Any, Decision]] = []
        for query in by_ids(self._mongo, ids):
            for document in place.find(both(query, self._selection), session=session):
                before, after = difference(document, emptied(document, self._edge.path, self._keys))
                if not before and not after:  # whatever the server took for a reference: nothing is emptied here
                    continue
                if self._edge.child.timestamps:
                    before |= {UPDATED_AT: document[UPDATED_AT]} if UPDATED_AT in document else {}
                    after[UPDATED_AT] = context.at
                decided.append((document["_id"], (before, after)))
        outcome = self._writer.change_each(session, "Updated", decided, context) if decided else Outcome()
        outcome.taken = len(ids)
        return outcome


def emptied(document: Mapping[str, Any], path: str, keys: Collection[bytes]) -> dict[str, Any]:
    """A copy of the document without these values at the path, through lists."""
    name, _, rest = path.partition(".")
    made = dict(document)
    if name not in made:
        return made
    value = made[name]
    if rest:
        made[name] = _inside(value, rest, keys)
    elif isinstance(value, list):
        made[name] = [item for item in value if item is None or aggregate_key(item) not in keys]
    elif value is not None and aggregate_key(value) in keys:
        del made[name]
    return made


def _inside(value: Any, rest: str, keys: Collection[bytes]) -> Any:
    if isinstance(value, list):
        return [_inside(item, rest, keys) for item in value]
    return emptied(value, rest, keys) if isinstance(value, Mapping) else value
