"""mongo: the one door to MongoDB. Connection, transactions, raw BSON, leases and the local engine."""

from __future__ import annotations

from datactl.mongo.capabilities import Capabilities
from datactl.mongo.connection import META, BulkCounts, Document, Mongo, WriteModel, open_mongo
from datactl.mongo.driver_errors import as_datactl, mapping_errors
from datactl.mongo.fences import Fence
from datactl.mongo.leases import Holder, Lease
from datactl.mongo.raw import CODEC, RawDocument, decode_id, find_raw, raw_id, split_batch

__all__ = [
    "CODEC",
    "META",
    "BulkCounts",
    "Capabilities",
    "Document",
    "Fence",
    "Holder",
    "Lease",
    "Mongo",
    "RawDocument",
    "WriteModel",
    "as_datactl",
    "decode_id",
    "find_raw",
    "mapping_errors",
    "open_mongo",
    "raw_id",
    "split_batch",
]
