"""What is due: counted in one pass over the index, then read as raw batches, window by window, held ones left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING

from datactl.archive.documents import leads_through_list, may_lead_through_list
from datactl.archive.holds import any_held, count_held, held_of
from datactl.archive.reports import ArchivePlan
from datactl.archive.rules import Selection, Window, ageing, cutoff, selections, windows
from datactl.errors import UsageError
from datactl.mongo import Mongo, find_raw, mapping_errors
from datactl.schema import Model
from datactl.vault.rawbson import id_key, split

# Documents asked for at a time: with the server's own limit of 16 MB a batch, what keeps memory small.
BATCH_DOCUMENTS = 5_000

_DAY_MS = 86_400_000
_SAMPLE = 1_000
_LATER = "later"
_UNDATED = "undated"


def plan_archive(mongo: Mongo, model: Model, days: int, *, unsettled: int) -> ArchivePlan:
    """Count what is due by the server's clock; changes nothing.

    NotSoftDeletable where nothing ever comes due, unless a removal left something to settle.
    """
    now = mongo.server_time()
    before = cutoff(now, days)
    chosen = ageing(model) if unsettled else selections(model)
    indexed = all(_has_index(mongo, model, selection) for selection in chosen)
    counted = [_count(mongo, model, selection, before) for selection in chosen]
    cut: list[Window] = []
    for selection, found in zip(chosen, counted, strict=True):
        # Without an index every window would be a scan of the collection: one is enough then.
        cut += windows(selection, found.days if indexed else {}, before)
    sizes = [
        found.documents * _mean_size(mongo, model, selection, before)
        for selection, found in zip(chosen, counted, strict=True)
        if found.documents
    ]
    return ArchivePlan(
        model=model.name,
        collection=model.collection,
        days=days,
        cutoff=before,
        documents=sum(found.documents for found in counted),
        size=round(sum(sizes)),
        held=count_held(mongo, model.name, now),
        undated=sum(found.undated for found in counted),
        unsettled=unsettled,
        indexed=indexed,
        windows=tuple(cut),
    )


def due_batches(mongo: Mongo, model: Model, window: Window, now: datetime) -> Iterator[list[bytes]]:
    """The due documents of a window that are not held, a batch at a time.

    One cursor a window, in the order of the server: what it has passed is not met again, and documents that are
    deleted behind it do not disturb it. A document that is marked anew while it runs may be met twice.
    """
    for batch in find_raw(mongo.collection(model.collection), window.filter(), batch_size=BATCH_DOCUMENTS):
        # A list of dates is no date, as in the plan. Asked of the server this would keep it from using an index.
        field = window.selection.field
        documents = split(batch)
        if may_lead_through_list(batch, field):
            documents = [each for each in documents if not leads_through_list(each, field)]
        # Asked after the documents were read: a document and its hold are inserted in one transaction.
        if any_held(mongo, model.name, now):
            keys = [id_key(document) for document in documents]
            held = held_of(mongo, model.name, keys, now)
            documents = [each for key, each in zip(keys, documents, strict=True) if key not in held]
        yield documents


def require_sharding_by_id(mongo: Mongo, model: Model) -> None:
    """UsageError for a sharded collection whose shard key is not `_id`: it may hold several documents of one `_id`.

    MongoDB manual, Sharding, Unique Indexes: `_id` is unique on each shard only, unless it is the shard key.
    """
    if mongo.capabilities.topology != "sharded":
        return
    with mapping_errors(f"reading how {model.collection} is sharded"):
        row = mongo.client["config"]["collections"].find_one({"_id": f"{mongo.database.name}.{model.collection}"})
    key = [] if row is None or row.get("dropped") else list(row.get("key", {}))
    if key and key != ["_id"]:
        raise UsageError(
            f"{model.collection} is sharded by {', '.join(key)} and not by _id: it cannot be archived",
            why="two shards may hold documents of one _id, and no copy could be told from the other",
            next="reshard the collection by _id, or leave the model out",
            shardKey=key,
        )


@dataclass(frozen=True, slots=True)
class _Counted:
    """Due documents, by day (start in ms -> how many), and how many have no date to age by."""

    days: Mapping[int, int]
    undated: int

    @property
    def documents(self) -> int:
        return sum(self.days.values())


def _count(mongo: Mongo, model: Model, selection: Selection, before: datetime) -> _Counted:
    """One pass, which the index alone answers: no document is read."""
    date = f"${selection.field}"
    at = {"$toLong": date}
    day = {"$cond": [{"$lt": [date, before]}, {"$subtract": [at, {"$mod": [at, _DAY_MS]}]}, _LATER]}
    pipeline: list[dict[str, Any]] = [
        {"$match": dict(selection.match)},
        {"$group": {"_id": {"$cond": [{"$eq": [{"$type": date}, "date"]}, day, _UNDATED]}, "documents": {"$sum": 1}}},
    ]
    with mapping_errors(f"counting what is due in {model.collection}"):
        rows = list(mongo.collection(model.collection).aggregate(pipeline, allowDiskUse=True))
    found: dict[int | str, int] = {row["_id"]: row["documents"] for row in rows}
    undated = found.pop(_UNDATED, 0)
    return _Counted({int(start): count for start, count in found.items() if start != _LATER}, undated)


def _mean_size(mongo: Mongo, model: Model, selection: Selection, before: datetime) -> float:
    """Mean bytes of a due document, of the first thousand."""
    pipeline: list[dict[str, Any]] = [
        {"$match": selection.due(before)},
        {"$limit": _SAMPLE},
        {"$group": {"_id": None, "mean": {"$avg": {"$bsonSize": "$$ROOT"}}}},
    ]
    with mapping_errors(f"measuring what is due in {model.collection}"):
        rows = list(mongo.collection(model.collection).aggregate(pipeline))
    return float(rows[0]["mean"]) if rows else 0


def _has_index(mongo: Mongo, model: Model, selection: Selection) -> bool:
    """Whether an index serves a range of the selection's date: that field, after nothing but what is matched."""
    with mapping_errors(f"reading the indexes of {model.collection}"):
        indexes = mongo.collection(model.collection).index_information()
    for index in indexes.values():
        keys = [name for name, kind in index["key"] if kind in (ASCENDING, DESCENDING)]
        if len(keys) < len(index["key"]):
            continue  # hashed, text, geo: no order of dates in it
        if "partialFilterExpression" in index or selection.field not in keys:
            continue
        if set(keys[: keys.index(selection.field)]) <= set(selection.match):
            return True
    return False
