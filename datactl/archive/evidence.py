"""The events of the archive: one `PostArchived` a segment, one `PostRestored` a document that came back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession

from datactl.archive.documents import decoded
from datactl.events import OUTBOX, event_row, insert_rows, make_payload, next_seqs
from datactl.mongo import Mongo, decode_id, mapping_errors, raw_id
from datactl.records.operations import Context
from datactl.schema import Model
from datactl.vault import Manifest


def archived_id(manifest: Manifest) -> ObjectId:
    """The `_id` of a segment's event: derived, so that the run and a settlement cannot both write one."""
    return ObjectId(hashlib.sha256(f"archived/{manifest.model}/{manifest.name}".encode()).digest()[:12])


def record_archived(
    mongo: Mongo, session: ClientSession, model: Model, manifest: Manifest, *, removed: int, now: datetime
) -> bool:
    """Write the segment's event if it is absent; whether it was. What was removed in the end, its receipt tells."""
    event_id = archived_id(manifest)
    with mapping_errors("recording an archived segment"):
        if mongo.collection(OUTBOX).find_one({"_id": event_id}, {"_id": 1}, session=session) is not None:
            return False
        facts = {
            "segment": manifest.name,
            "documents": manifest.documents,
            "removed": removed,
            "bytes": manifest.raw_bytes,
            "sha256": manifest.segment.sha256,
            "cutoff": manifest.cutoff,
        }
        (seq,) = next_seqs(mongo, session, model.name, [manifest.name])
        row = event_row(
            id=event_id,
            aggregate=model.name,
            aggregate_id=manifest.name,
            event_type=f"{model.name}Archived",
            payload={**make_payload(None, None), "archived": facts},
            seq=seq,
            op=manifest.op,
            actor=manifest.actor,
            reason=manifest.reason,
            created_at=now,
        )
        insert_rows(mongo, session, [row])
    return True


@dataclass(frozen=True, slots=True)
class Origin:
    """The copy that a document came back from."""

    segment: str
    position: int


def record_restored(
    mongo: Mongo,
    session: ClientSession,
    model: Model,
    document: bytes,
    origin: Origin,
    *,
    as_archived: bool,
    context: Context,
    event_key: bytes | None,
) -> None:
    """Write the event of a document (raw, as it was inserted) that came back; it names segment and position."""
    event_id = ObjectId()
    document_id = decode_id(raw_id(document))
    with mapping_errors("recording a restored document"):
        (seq,) = next_seqs(mongo, session, model.name, [document_id])
        payload = make_payload(
            None, _after(model, document), secret_paths=model.secret_paths, event_key=event_key, event_id=event_id
        )
        came_from = {"segment": origin.segment, "position": origin.position, "asArchived": as_archived}
        row = event_row(
            id=event_id,
            aggregate=model.name,
            aggregate_id=document_id,
            event_type=f"{model.name}Restored",
            payload={**payload, "archived": came_from},
            seq=seq,
            op=context.op,
            actor=context.actor,
            reason=context.reason,
            created_at=context.at,
        )
        insert_rows(mongo, session, [row])


def _after(model: Model, document: bytes) -> Mapping[str, Any]:
    return decoded(document) if model.secret_paths else RawBSONDocument(document)
