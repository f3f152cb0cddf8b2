"""The events of one operation: which documents it touched, in the order in which it did."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo import ASCENDING, DESCENDING

from datactl.events.outbox import OUTBOX
from datactl.mongo import Document, Mongo, mapping_errors

_ROWS = 500


def operation_rows(
    mongo: Mongo, op: str, *, newest_first: bool = False, payload: bool = True, aggregate: str | None = None
) -> Iterator[Document]:
    """The outbox rows of an operation, as it wrote them (a cascade's parents before their children), or backwards.

    One cursor, a few hundred rows at a time. Without `payload` the rows say only what was touched and how. A chunked
    payload is put together by `read_payload`.
    """
    wanted = {"op": op} if aggregate is None else {"op": op, "aggregate": aggregate}
    fields = None if payload else {"payload": 0}
    way = DESCENDING if newest_first else ASCENDING
    with mapping_errors(f"reading {OUTBOX}"):
        yield from mongo.collection(OUTBOX).find(wanted, fields, batch_size=_ROWS).sort([("op", way), ("_id", way)])
