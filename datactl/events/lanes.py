"""Lanes: events of one aggregate stay in one of eight lanes, which is what keeps their order."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import bson
from bson import ObjectId

from datactl.mongo import CODEC, raw_id
from datactl.vault.idkey import normalise_id_key

LANES = 8


def aggregate_key(aggregate_id: Any) -> bytes:
    """The canonical bytes of an `_id`: BSON type and value, numbers normalised (1, 1.0 and Int64(1) are one `_id`)."""
    if type(aggregate_id) is ObjectId:
        return b"\x07" + aggregate_id.binary
    return normalise_id_key(raw_id(bson.encode({"_id": aggregate_id}, codec_options=CODEC)))


def lane_of(key: bytes) -> int:
    """The lane of an aggregate, by its `aggregate_key`: crc32 modulo 8, the same on every machine."""
    return crc32(key) % LANES
