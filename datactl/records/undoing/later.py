"""Who changed a document since: its later events, looked at for the paths that are not as an operation left them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pymongo import DESCENDING
from pymongo.client_session import ClientSession

from datactl.events import OUTBOX
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.undoing.fates import LaterChange
from datactl.records.undoing.past import Past, touches

# So many events of a document are looked at; what none of them touched is taken for another program's change.
_LOOKED_AT = 50
# An event may be large: they come a few at a time.
_AT_ONCE = 4


def later_changes(
    mongo: Mongo, past: Past, paths: Sequence[str], session: ClientSession | None
) -> tuple[LaterChange, ...]:
    """For each path the newest operation that touched it after this change; None where no event tells of one."""
    missing = dict.fromkeys(paths)
    found: dict[str, str] = {}
    for row in _later_rows(mongo, past, session):
        for path in [path for path in missing if path not in found and _touched(row, path)]:
            found[path] = row["op"]
        if len(found) == len(missing):
            break
    return tuple(LaterChange(path, found.get(path)) for path in missing)


def last_operation(mongo: Mongo, past: Past, session: ClientSession | None) -> str | None:
    """The newest operation that has an event of the document later than this change; None if there is none."""
    with mapping_errors(f"reading {OUTBOX}"):
        row = mongo.collection(OUTBOX).find_one(
            _later(past), {"op": 1}, sort=[("aggregate", 1), ("aggregateId", 1), ("seq", DESCENDING)], session=session
        )
    return None if row is None else row["op"]


def _later_rows(mongo: Mongo, past: Past, session: ClientSession | None) -> Iterator[Document]:
    with mapping_errors(f"reading {OUTBOX}"):
        rows = mongo.collection(OUTBOX).find(_later(past), {"op": 1, "payload": 1}, session=session)
        newest = rows.sort([("aggregate", 1), ("aggregateId", 1), ("seq", DESCENDING)])
        yield from newest.limit(_LOOKED_AT).batch_size(_AT_ONCE)


def _later(past: Past) -> dict[str, Any]:
    wanted = {"$eq": past.id} if isinstance(past.id, Mapping) else past.id
    return {"aggregate": past.aggregate, "aggregateId": wanted, "seq": {"$gt": past.seq}}


def _touched(row: Mapping[str, Any], path: str) -> bool:
    payload = row.get("payload") or {}
    before, after = payload.get("before"), payload.get("after")
    if before is None or after is None:  # the document itself came or went; or its values are elsewhere
        return True
    sealed = payload.get("encrypted", {}).get("paths", ())
    return touches((*before, *after, *sealed, *payload.get("withheld", ())), path)
