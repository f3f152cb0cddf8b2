"""events: the record of every change, written with it in one transaction."""

from __future__ import annotations

from datactl.events.lanes import LANES, aggregate_key, lane_of
from datactl.events.operations import operation_rows
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
    "EventRow",
    "aggregate_key",
    "ensure_outbox_indexes",
    "event_row",
    "insert_rows",
    "lane_of",
    "make_payload",
    "next_seqs",
    "open_payload",
    "operation_rows",
    "read_payload",
    "without_secrets",
]
