"""Which indexes nothing uses, by the server's own count (`$indexStats`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from datactl.errors import NotPermitted
from datactl.mongo import Mongo, mapping_errors

UNUSED_AFTER_DAYS = 30


def unused_since(mongo: Mongo, collection: str, *, days: int) -> Mapping[str, datetime]:
    """Index name -> since when no operation used it, for those that none used in at least so many days.

    Empty where the server does not count, or this user may not ask (`indexStats`). The count is that of the server
    that answers, from its start or the index's making on: a secondary's reads are not in it.
    """
    if not mongo.capabilities.index_usage:
        return {}
    now = mongo.server_time()
    try:
        with mapping_errors(f"reading the use of the indexes of {collection}"):
            rows = list(mongo.collection(collection).aggregate([{"$indexStats": {}}]))
    except NotPermitted:
        return {}
    return idle(rows, now - timedelta(days=days))


def idle(rows: Iterable[Mapping[str, Any]], before: datetime) -> dict[str, datetime]:
    """Of `$indexStats` rows (on a cluster one per index and shard): name -> start of the shortest count, where every
    count is 0 and begins before `before`."""
    used: set[str] = set()
    since: dict[str, datetime] = {}
    for row in rows:
        accesses = row["accesses"]
        begun = accesses.get("since")
        if accesses["ops"] or not isinstance(begun, datetime) or begun > before:
            used.add(row["name"])
        else:
            since[row["name"]] = max(begun, since.get(row["name"], begun))
    return {name: begun for name, begun in since.items() if name not in used}
