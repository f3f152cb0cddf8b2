"""What each model holds: live, marked, due and archived documents, sizes, the outbox and the last runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson.datetime_ms import DatetimeMS

from datactl.archive import Binding, check, retention_days
from datactl.events import OUTBOX
from datactl.mongo import Mongo, mapping_errors
from datactl.records.ledger import LastRun, last_runs
from datactl.schema import Model, Registry
from datactl.vault import Holdings, Vault

STATISTICS = "datactl_stats"
DEAD_AFTER_TRIES = 5  # the outbox contract: an event whose delivery failed this often waits for an operator


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """Events of one model not yet relayed: `pending` may still flow, `dead` wait for an operator."""

    pending: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class ModelStats:
    """The figures of one model. Sizes in bytes; `due` are marked documents older than the retention."""

    model: str
    collection: str
    live: int
    deleted: int
    by_reason: Mapping[str, int]
    due: int
    due_bytes: int
    undated: int
    retention_days: int
    oldest_mark: datetime | DatetimeMS | None
    archived: Holdings
    storage_bytes: int
    index_bytes: int
    outbox: OutboxStats
    last_runs: tuple[LastRun, ...]


@dataclass(frozen=True, slots=True)
class StatsReport:
    """The figures of several models at one moment of the server's clock; `database` is `host:port/name`."""

    taken_at: datetime
    database: str
    vault: str
    models: tuple[ModelStats, ...]


class Statistician:
    """Counts with one aggregation per collection; changes nothing but its own daily rows."""

    def __init__(self, mongo: Mongo, vault: Vault, registry: Registry, *, retention_days: int) -> None:
        self._mongo = mongo
        self._vault = vault
        self._registry = registry
        self._retention_days = retention_days

    def report(self, names: Sequence[str] | None = None) -> StatsReport:
        """The figures of these models, of all when none are named.

        UsageError for an unknown name; VaultMismatch where the vault is not that of this database: what it holds
        would be counted as nothing, or as another database's.
        """
        models = [self._registry.model(name) for name in names] if names else list(self._registry.values())
        now = self._mongo.server_time()
        binding = check(self._mongo, self._vault)
        with mapping_errors("count documents"):
            outbox = self._outbox([model.name for model in models])
            counted = tuple(self._model(model, now, outbox.get(model.name, OutboxStats()), binding) for model in models)
        return StatsReport(now, self._mongo.where, self._vault.store.url, counted)

    def record(self, report: StatsReport) -> int:
        """Keep one row per model and day, the day's last report winning; returns the number of rows."""
        day = report.taken_at.date().isoformat()
        rows = self._mongo.collection(STATISTICS)
        with mapping_errors("record statistics"):
            for stats in report.models:
                row = {
                    "model": stats.model,
                    "day": day,
                    "takenAt": report.taken_at,
                    "live": stats.live,
                    "deleted": stats.deleted,
                    "due": stats.due,
                    "dueBytes": stats.due_bytes,
                    "archived": stats.archived.documents,
                    "archivedBytes": stats.archived.stored_bytes,
                    "storageBytes": stats.storage_bytes,
                    "indexBytes": stats.index_bytes,
                    "pending": stats.outbox.pending,
                    "dead": stats.outbox.dead,
                }
                rows.replace_one({"_id": f"{stats.model}/{day}"}, row, upsert=True)
        return len(report.models)

    def _model(self, model: Model, now: datetime, outbox: OutboxStats, binding: Binding) -> ModelStats:
        sizes = self._sizes(model.collection)
        days = retention_days(model, None, self._retention_days)
        marked = self._marked(model, now - timedelta(days=days)) if model.soft_delete else []
        deleted = sum(row["documents"] for row in marked)
        oldest = [row["oldest"] for row in marked if row["oldest"] is not None]
        return ModelStats(
            model=model.name,
            collection=model.collection,
            live=max(0, sizes["count"] - deleted),
            deleted=deleted,
            by_reason={_reason(row["_id"]): row["documents"] for row in marked},
            due=sum(row["due"] for row in marked),
            due_bytes=sum(row["dueBytes"] for row in marked),
            undated=sum(row["undated"] for row in marked),
            retention_days=days,
            oldest_mark=min(oldest, key=_milliseconds) if oldest else None,
            archived=self._vault.holdings(model.name, namespaces=binding.namespaces(model)),
            storage_bytes=sizes["storageSize"],
            index_bytes=sizes["totalIndexSize"],
            outbox=outbox,
            last_runs=tuple(last_runs(self._mongo, model.name)),
        )

    def _sizes(self, collection: str) -> Mapping[str, int]:
        """Counts and sizes from the server's own bookkeeping: exact but after an unclean stop, and never a scan.

        The command, not the stage `$collStats`: a sharded cluster adds up its shards itself, and every engine has it.
        """
        exists = self._mongo.database.list_collection_names(filter={"name": collection})
        found = self._mongo.database.command("collStats", collection) if exists else {}
        return {key: int(found.get(key, 0)) for key in ("count", "storageSize", "totalIndexSize")}

    def _marked(self, model: Model, cutoff: datetime) -> list[dict[str, Any]]:
        """Marked documents grouped by reason, in one pass over the soft-delete index's range."""
        marks = model.marks
        at = f"${marks.deleted_at}"
        dated = {"$eq": [{"$type": at}, "date"]}
        due = {"$and": [dated, {"$lt": [at, cutoff]}]}
        pipeline: list[dict[str, Any]] = [
            {"$match": {marks.deleted: True}},
            {
                "$group": {
                    "_id": f"${marks.delete_reason}",
                    "documents": {"$sum": 1},
                    "due": {"$sum": {"$cond": [due, 1, 0]}},
                    "dueBytes": {"$sum": {"$cond": [due, {"$bsonSize": "$$ROOT"}, 0]}},
                    "undated": {"$sum": {"$cond": [dated, 0, 1]}},
                    "oldest": {"$min": {"$cond": [dated, at, None]}},
                }
            },
            {"$sort": {"documents": -1}},
        ]
        return list(self._mongo.collection(model.collection).aggregate(pipeline))

    def _outbox(self, names: Sequence[str]) -> dict[str, OutboxStats]:
        dead = {"$gte": ["$retryCount", DEAD_AFTER_TRIES]}
        pipeline: list[dict[str, Any]] = [
            {"$match": {"aggregate": {"$in": list(names)}, "processed": False}},
            {
                "$group": {
                    "_id": "$aggregate",
                    "pending": {"$sum": {"$cond": [dead, 0, 1]}},
                    "dead": {"$sum": {"$cond": [dead, 1, 0]}},
                }
            },
        ]
        rows = self._mongo.collection(OUTBOX).aggregate(pipeline)
        return {row["_id"]: OutboxStats(row["pending"], row["dead"]) for row in rows}


def _milliseconds(moment: datetime | DatetimeMS) -> int:
    """Since 1970: what dates inside and outside the calendar's years are compared by."""
    return int(moment if isinstance(moment, DatetimeMS) else DatetimeMS(moment))


def _reason(value: object) -> str:
    return "(none given)" if value is None else str(value)
