"""The events of removals: one `PostDeleted` a document, in the transaction that deletes it, naming its copy.

They are the evidence of which copy a document left with. A removal holds no lease of the model, so that a document is
absent does not say whose doing that was; an event that is committed with the deletion does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bson import ObjectId
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession

from datactl.archive.documents import decoded
from datactl.events import OUTBOX, EventRow, aggregate_key, event_row, make_payload, read_payload
from datactl.mongo import Document, Mongo, decode_id, mapping_errors
from datactl.records.operations import Context
from datactl.schema import Model
from datactl.vault import Manifest, StoredDocument, normalise_id_key

_CAME = {"aggregateId": 1, "payload.archived": 1, "payload.chunked": 1, "payload.sha256": 1}


def removed_row(
    model: Model, copy: StoredDocument, manifest: Manifest, seq: int, context: Context, event_key: bytes | None
) -> EventRow:
    """The event of a document that leaves with this copy: its values before, and where the copy is."""
    event_id = ObjectId()
    before: Any = (
        decoded(copy.document)
        if model.secret_paths
        else RawBSONDocument(copy.document, DEFAULT_RAW_BSON_OPTIONS)  # bit for bit, and nothing to decode
    )
    payload = make_payload(before, None, secret_paths=model.secret_paths, event_key=event_key, event_id=event_id)
    return event_row(
        id=event_id,
        aggregate=model.name,
        aggregate_id=decode_id(copy.id_key),
        event_type=_type(model),
        payload={**payload, "archived": {"segment": manifest.name, "position": copy.position}},
        seq=seq,
        op=context.op,
        actor=context.actor,
        reason=context.reason,
        created_at=context.at,
    )


def left_with(
    mongo: Mongo, model: Model, manifest: Manifest, keys: Sequence[bytes], *, session: ClientSession | None = None
) -> frozenset[bytes]:
    """Those of the id keys whose documents a removal took out with their copies in this segment: its events say so.

    An event whose payload was cleaned away counts by its operation.
    """
    wanted = {normalise_id_key(key): key for key in keys}
    found: set[bytes] = set()
    for ids in _ids(mongo, keys):
        question = {
            "aggregate": model.name,
            "aggregateId": {"$in": ids},
            "eventType": _type(model),
            "op": manifest.op,
        }
        with mapping_errors(f"reading {OUTBOX}"):
            rows = list(mongo.collection(OUTBOX).find(question, _CAME, session=session))
        found.update(
            wanted[aggregate_key(row["aggregateId"])] for row in rows if _segment(mongo, row) in (None, manifest.name)
        )
    return frozenset(found)


def removed_last(
    mongo: Mongo, model: Model, keys: Sequence[bytes], *, session: ClientSession | None = None
) -> frozenset[bytes]:
    """Those of the id keys of which the newest event is that of a removal: it has the copy they left with."""
    wanted = {normalise_id_key(key): key for key in keys}
    found: set[bytes] = set()
    for ids in _ids(mongo, keys):
        newest: list[dict[str, Any]] = [
            {"$match": {"aggregate": model.name, "aggregateId": {"$in": ids}}},
            {"$sort": {"aggregate": ASCENDING, "aggregateId": ASCENDING, "seq": DESCENDING}},
            {"$group": {"_id": "$aggregateId", "row": {"$first": "$_id"}, "type": {"$first": "$eventType"}}},
        ]
        with mapping_errors(f"reading {OUTBOX}"):
            rows = [
                each["row"]
                for each in mongo.collection(OUTBOX).aggregate(newest, session=session)
                if each["type"] == _type(model)
            ]
            removed = list(mongo.collection(OUTBOX).find({"_id": {"$in": rows}}, _CAME, session=session))
        found.update(wanted[aggregate_key(row["aggregateId"])] for row in removed if _segment(mongo, row) is not None)
    return frozenset(found)


def _type(model: Model) -> str:
    return f"{model.name}Deleted"


def _ids(mongo: Mongo, keys: Sequence[bytes]) -> Iterator[list[Any]]:
    step = mongo.capabilities.in_chunk
    for start in range(0, len(keys), step):
        yield [decode_id(key) for key in keys[start : start + step]]


def _segment(mongo: Mongo, row: Document) -> str | None:
    """The segment that the event names; None if its payload was cleaned away, or it is that of a mark."""
    payload: Mapping[str, Any] = row.get("payload") or {}
    if "chunked" in payload and "sha256" in payload:
        payload = read_payload(mongo, row)
    segment: str | None = (payload.get("archived") or {}).get("segment")
    return segment
