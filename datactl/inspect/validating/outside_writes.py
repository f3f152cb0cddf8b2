"""The check `outside-writes`: documents against the values that their last event left there.

The server tells each document's newest event; the events and the documents are then read a few hundred at a time and
compared to the byte. What differs is read once more, the event before and after the document: a change that datactl
commits in between is no outside write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import PyMongoError

from datactl.archive import decoded, id_key, read_by_id
from datactl.errors import DatabaseError
from datactl.events import OUTBOX, open_payload, read_payload, without_secrets
from datactl.events.payload import key_name
from datactl.inspect.findings import Finding
from datactl.inspect.validating import checks
from datactl.inspect.validating.checks import OUTSIDE_WRITES, finding
from datactl.inspect.validating.elsewhere import found_elsewhere
from datactl.inspect.validating.looking import Look
from datactl.mongo import Document, find_raw, mapping_errors, split_batch
from datactl.records.differences import same

_NEWEST_FIRST = [("aggregate", ASCENDING), ("aggregateId", ASCENDING), ("seq", DESCENDING)]
_LOOKS = 3
_PATHS_TOLD = 5
_ABSENT: Any = object()


def check_outside_writes(look: Look) -> Iterator[Finding]:
    """One finding per document."""
    newest = _newest_rows(look)
    while chunk := list(islice(newest, look.mongo.capabilities.in_chunk)):
        for events in _events(look, [row["row"] for row in chunk]):
            missing = dict(events)
            for key, document in read_by_id(look.mongo, look.model.collection, list(events)):
                missing.pop(key, None)
                if _judged(look, events[key], document) is not None:
                    yield from _looked_again(look, key, events[key])
            for key, row in missing.items():
                if _judged(look, row, None) is not None:
                    yield from _looked_again(look, key, row)


def _newest_rows(look: Look) -> Iterator[Document]:
    """`{_id: the document's id, row: its newest event}` of each document that has one."""
    stages: list[dict[str, Any]] = [
        {"$match": {"aggregate": look.model.name}},
        {"$sort": dict(_NEWEST_FIRST)},
        {"$group": {"_id": "$aggregateId", "row": {"$first": "$_id"}}},
    ]
    for part in look.parts("aggregateId"):
        first = {"$match": {"aggregate": look.model.name, **part}}
        yield from look.read(OUTBOX, {}, first, *stages[1:])


def _events(look: Look, rows: Sequence[Any]) -> Iterator[dict[bytes, Document]]:
    """The events that say how a document is, by its id key: a message of the server's at a time, 16 MB at most.

    One that another program wrote need not.
    """
    for batch in find_raw(look.mongo.collection(OUTBOX), {"_id": {"$in": list(rows)}}):
        events = (decoded(document) for _, document in split_batch(batch))
        yield {id_key(row["aggregateId"]): row for row in events if _tells(row)}


def _tells(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("seq"), int) and isinstance(row.get("payload"), Mapping) and "aggregateId" in row


def _looked_again(look: Look, key: bytes, row: Document) -> Iterator[Finding]:
    """What is wrong still when document and newest event are of one moment; nothing where they never are."""
    wanted = row["aggregateId"]
    for _ in range(_LOOKS):
        before = _newest_of(look, wanted)
        if before is None or not _tells(before):
            return
        document = next((found for _, found in read_by_id(look.mongo, look.model.collection, [key])), None)
        verdict = _judged(look, before, document)
        after = _newest_of(look, wanted)
        if after is not None and after["_id"] == before["_id"]:
            if verdict is not None:
                code, what = verdict
                yield finding(OUTSIDE_WRITES, code, look.model.name, what, id=wanted)
            return


def _newest_of(look: Look, id: Any) -> Document | None:
    wanted = {"aggregate": look.model.name, "aggregateId": {"$eq": id} if isinstance(id, Mapping) else id}
    with mapping_errors(f"reading {OUTBOX}"):
        return look.mongo.collection(OUTBOX).find_one(wanted, sort=_NEWEST_FIRST)


def _judged(look: Look, row: Document, document: bytes | None) -> tuple[str, str] | None:
    """The code of what is wrong with a document (raw, None if it is not there) by an event, and what it is."""
    try:
        payload = read_payload(look.mongo, row)
        after = payload.get("after")
        if not isinstance(after, Mapping) or not isinstance(payload.get("before"), Mapping | None):
            return None  # it was removed, or this is a segment's or another program's event
        if document is None:
            return _vanished(look, row)
        values = decoded(document)
        paths = _differing(look, row, payload, values)
    except DatabaseError as damage:
        if isinstance(damage.__cause__, PyMongoError):
            raise  # the server's own trouble
        return "event_damaged", f"event {row['_id']}, its last, cannot be read: {damage}"
    if not paths or found_elsewhere(look, values, paths):
        return None
    if checks.COPIES in look.checks and _is_archived_too(look, row):
        return None
    told = ", ".join(paths[:_PATHS_TOLD]) + (
        f" and {len(paths) - _PATHS_TOLD} more" if len(paths) > _PATHS_TOLD else ""
    )
    return "changed", f"{told} {'is' if len(paths) == 1 else 'are'} not what {_named(row)} left there"


def _vanished(look: Look, row: Document) -> tuple[str, str] | None:
    """A document that is not there: in the vault, or gone. Where not all of the vault can be read, nothing is said."""
    archived = None if look.archived is None else look.archived[look.model.name]
    if archived is None or archived.has_left(id_key(row["aggregateId"])) or not archived.is_whole:
        return None
    return "vanished", f"it is neither in MongoDB nor in the vault, and {_named(row)} left it in MongoDB"


def _is_archived_too(look: Look, row: Document) -> bool:
    """Whether a document that is there is in the vault besides."""
    if look.archived is None:
        return False
    archived, key = look.archived[look.model.name], id_key(row["aggregateId"])
    return archived.may_be_archived(key) and archived.copy_of(key, absent=False) is not None


def _named(row: Mapping[str, Any]) -> str:
    at, actor = row.get("createdAt"), row.get("actor")
    when = f" of {at:%Y-%m-%dT%H:%M:%SZ}" if isinstance(at, datetime) else ""
    return f"{row.get('eventType')}{when}{f' by {actor}' if actor else ''} (op {row.get('op')})"


def _differing(
    look: Look, row: Mapping[str, Any], payload: Mapping[str, Any], document: Mapping[str, Any]
) -> list[str]:
    """The paths of an event at which the document is not what the event left there, in the event's order.

    What is secret by today's models, or was when the event was written, is compared by what the event has encrypted,
    and left aside where that cannot be opened with the key at hand.
    """
    before, after = payload.get("before") or {}, payload["after"]
    secrets = look.model.secret_paths | _concealed(look, payload)
    found = []
    for path in dict.fromkeys((*after, *before)):
        wanted = _public(path, after.get(path, _ABSENT), secrets)
        there = _public(path, value_at(document, path), secrets)
        if not _equal(wanted, there):
            found.append(path)
    if look.event_key is not None and _encrypted(payload).get("key") == key_name(look.event_key):
        were, are = open_payload(payload, look.event_key, row["_id"])
        found += [
            path
            for path in dict.fromkeys((*are, *were))
            if not _equal(are.get(path, _ABSENT), value_at(document, path))
        ]
    return found


def _concealed(look: Look, payload: Mapping[str, Any]) -> set[str]:
    """Paths that the event conceals and today's models do not: as they are, and without the positions in lists."""
    paths = (*payload.get("withheld", ()), *_encrypted(payload).get("paths", ()))
    other = [path for path in paths if not look.model.is_secret(path)]
    return {*other, *(".".join(name for name in path.split(".") if not name.isdecimal()) for path in other)}


def _encrypted(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The encrypted part of a payload, empty without one. DatabaseError if it lacks something."""
    found = payload.get("encrypted", {})
    if found == {}:
        return {}
    if not isinstance(found, Mapping) or not {"key", "paths", "data"} <= found.keys():
        raise DatabaseError("its encrypted part is not whole")
    return found


def _public(path: str, value: Any, secrets: frozenset[str]) -> Any:
    """A value without what is secret in it; absent if all of it is."""
    if value is _ABSENT or not secrets:
        return value
    return without_secrets({path: value}, secrets).get(path, _ABSENT)


def _equal(one: Any, other: Any) -> bool:
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return same(one, other)


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a path as an event names it: a field of exactly that name first, then dotted; else absent."""
    if path in document:
        return document[path]
    value: Any = document
    for name in path.split("."):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _ABSENT
    return value
