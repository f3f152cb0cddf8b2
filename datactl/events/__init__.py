"""events: the record of every change, written with it in one transaction."""

from __future__ import annotations

from datactl.events.lanes import LANES, aggregate_key, lane_of
from datactl.events.operations import (
    Doing,
    EventCount,
    count_events,
    deleted_by,
    doing_of,
    newest_row,
    operation_rows,
    operations_beginning,
)
from datactl.events.outbox import (
    CHUNKS,
    OUTBOX,
    SEQ_INDEX,
    EventRow,
    ensure_outbox_indexes,
    event_row,
    insert_rows,
    next_seqs,
    read_payload,
)
from datactl.events.payload import make_payload, open_payload, without_secrets

__all__ = [
    "CHUNKS",
    "LANES",
    "OUTBOX",
    "SEQ_INDEX",
    "Doing",
    "EventCount",
    "EventRow",
    "aggregate_key",
    "count_events",
    "deleted_by",
    "doing_of",
    "ensure_outbox_indexes",
    "event_row",
    "insert_rows",
    "lane_of",
    "make_payload",
    "newest_row",
    "next_seqs",
    "open_payload",
    "operation_rows",
    "operations_beginning",
    "read_payload",
    "without_secrets",
]
