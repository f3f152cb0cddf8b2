"""Holds: documents that were brought back with their marks, and are left alone by the archive for 30 days.

Collection `datactl_holds`: `{_id: digest of model and id, model, id, until, op}`. The digest is of the normal form of
the id, so that any BSON type may be held and 1, 1.0 and Int64(1) are one. Ages are the server's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import bson
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo import ASCENDING
from pymongo.client_session import ClientSession

from datactl.archive.documents import document_of, element
from datactl.archive.rules import HOLD_DAYS
from datactl.mongo import Mongo, mapping_errors
from datactl.vault.idkey import normalise_id_key

HOLDS = "datactl_holds"

_LENGTH = 4


def ensure_holds_index(mongo: Mongo) -> None:
    """Make the index that tells whether a model has held documents. Call it outside a transaction."""
    with mapping_errors(f"making the index of {HOLDS}"):
        mongo.collection(HOLDS).create_index([("model", ASCENDING), ("until", ASCENDING)])


def hold(mongo: Mongo, session: ClientSession, model: str, id_key: bytes, *, now: datetime, op: str) -> None:
    """Hold one document from `now` on, in the transaction that inserts it."""
    digest = _digest(model, id_key)
    row: Any = bson.encode({"_id": digest, "model": model, "until": now + timedelta(days=HOLD_DAYS), "op": op})
    row = RawBSONDocument(document_of([row[_LENGTH:-1], element(b"id", id_key)]), DEFAULT_RAW_BSON_OPTIONS)
    with mapping_errors("holding a restored document"):
        mongo.collection(HOLDS).delete_one({"_id": digest}, session=session)
        mongo.collection(HOLDS).insert_one(row, session=session)


def release(mongo: Mongo, model: str, id_key: bytes, *, op: str) -> None:
    """Take back the hold that operation `op` placed on a document."""
    with mapping_errors("taking a hold back"):
        mongo.collection(HOLDS).delete_one({"_id": _digest(model, id_key), "op": op})


def any_held(mongo: Mongo, model: str, now: datetime, *, session: ClientSession | None = None) -> bool:
    """Whether a model has held documents at all: mostly not, and then nothing more is asked."""
    with mapping_errors("looking for held documents"):
        return mongo.collection(HOLDS).find_one(_held(model, now), {"_id": 1}, session=session) is not None


def held_of(
    mongo: Mongo, model: str, keys: Sequence[bytes], now: datetime, *, session: ClientSession | None = None
) -> frozenset[bytes]:
    """Those of the id keys that are held at `now`."""
    if not keys or not any_held(mongo, model, now, session=session):
        return frozenset()
    wanted = {_digest(model, key): key for key in keys}
    digests = list(wanted)
    held: set[bytes] = set()
    step = mongo.capabilities.in_chunk
    with mapping_errors("looking for held documents"):
        for start in range(0, len(digests), step):
            question = {"_id": {"$in": digests[start : start + step]}, "until": {"$gt": now}}
            rows = mongo.collection(HOLDS).find(question, {"_id": 1}, session=session)
            held.update(wanted[row["_id"]] for row in rows)
    return frozenset(held)


def count_held(mongo: Mongo, model: str, now: datetime) -> int:
    """How many documents of a model are held at `now`."""
    with mapping_errors("counting held documents"):
        return mongo.collection(HOLDS).count_documents(_held(model, now))


def _held(model: str, now: datetime) -> dict[str, Any]:
    return {"model": model, "until": {"$gt": now}}


def _digest(model: str, id_key: bytes) -> str:
    return sha256(model.encode() + b"\x00" + normalise_id_key(id_key)).hexdigest()
