"""The ledger: one row per operation on more than one document; its progress is written with the documents.

`datactl_ops` holds `{_id: op, kind, model, collection, actor, reason, startedAt, endedAt, state, host, pid, position,
counts: {matched, changed, unchanged, failed}, failed: [...], spool, detail, undoneBy}`. `position` counts the frozen
ids that are decided: it moves in the transaction that decides them, so that a killed run is taken up where it really
was. `undoneBy` is the operation that undid it: an undone one commits nothing more.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pymongo import DESCENDING
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from datactl.errors import Locked, NotFound, Problem
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.operations import Context
from datactl.records.results import FAILURES_KEPT

OPERATIONS = "datactl_ops"


class State(StrEnum):
    RUNNING = "running"  # or killed: `position` says how far it came
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LastRun:
    """One operation, as the ledger has it. `ended_at` None: it runs, or was killed."""

    op: str
    kind: str
    model: str
    actor: str | None
    reason: str | None
    started_at: datetime
    ended_at: datetime | None
    state: State
    counts: Mapping[str, int]


class Ledger:
    """The rows of `datactl_ops`."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    def open(
        self,
        context: Context,
        *,
        kind: str,
        model: str,
        collection: str,
        matched: int = 0,
        spool: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the row, before the first document is changed."""
        row: Document = {
            "_id": context.op,
            "kind": kind,
            "model": model,
            "collection": collection,
            "actor": context.actor,
            "reason": context.reason,
            "startedAt": context.at,
            "state": State.RUNNING.value,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "position": 0,
            "counts": {"matched": matched, "changed": 0, "unchanged": 0, "failed": 0},
            "failed": [],
            "spool": spool,
            "detail": dict(detail or {}),
        }
        with mapping_errors(f"opening operation {context.op} in {OPERATIONS}"):
            self._rows.insert_one(row)

    def find(self, op: str) -> Document | None:
        """The row, if there is one: an operation on one document may have none."""
        with mapping_errors(f"reading {OPERATIONS}"):
            return self._rows.find_one({"_id": op})

    def get(self, op: str) -> Document:
        """The row. NotFound."""
        row = self.find(op)
        if row is None:
            raise NotFound(f"there is no operation {op}", why=f"{OPERATIONS} has no such row")
        return row

    def beginning(self, wanted: str) -> list[str]:
        """The first two operations whose id begins so, in the order of their ids."""
        bounds = {"_id": {"$gte": wanted, "$lt": wanted + "\uffff"}}
        with mapping_errors(f"reading {OPERATIONS}"):
            return [row["_id"] for row in self._rows.find(bounds, {"_id": 1}, sort=[("_id", 1)], limit=2)]

    def advance(
        self,
        session: ClientSession | None,
        op: str,
        *,
        position: int,
        taken: int,
        counts: Mapping[str, int],
        failed: Sequence[Problem] = (),
        kept: int = 0,
    ) -> None:
        """Move `position` on by `taken` and add to the counts. Locked if it is not where the caller left it.

        Given the session of the documents' transaction, they and the row change together. `kept` failures are in the
        row already; no more than FAILURES_KEPT are.
        """
        update: dict[str, Any] = {
            "$inc": {"position": taken, **{f"counts.{name}": count for name, count in counts.items() if count}}
        }
        room = FAILURES_KEPT - kept
        if failed and room > 0:
            rows = [{"where": each.where, "what": each.what, "code": each.code} for each in failed[:room]]
            update["$push"] = {"failed": {"$each": rows}}
        there = {"_id": op, "position": position, "undoneBy": None}
        found = self._rows.update_one(there, update, session=session)
        if found.matched_count != 1:
            raise self._overtaken(op, position)

    def is_at(self, session: ClientSession, op: str, position: int) -> bool:
        """Whether the operation is there, as the session sees it."""
        return self._rows.find_one({"_id": op, "position": position}, {"_id": 1}, session=session) is not None

    def along(self, session: ClientSession | None, op: str, model: str, did: str, count: int) -> None:
        """Add to `detail.along.MODEL.DID`: what became of documents of other models. Locked if it was undone."""
        change = {"$inc": {f"detail.along.{model}.{did}": count}}
        found = self._rows.update_one({"_id": op, "undoneBy": None}, change, session=session)
        if found.matched_count != 1:
            raise self._overtaken(op, 0)

    def kept(self, op: str, failed: Sequence[Problem]) -> None:
        """Note once what could not go along with what the operation deleted."""
        if failed:
            rows = [{"where": each.where, "what": each.what, "code": each.code} for each in failed[:FAILURES_KEPT]]
            change = {
                "$inc": {"counts.failed": len(failed)},
                "$push": {"failed": {"$each": rows, "$slice": FAILURES_KEPT}},
                "$set": {"detail.kept": len(failed)},
            }
            with mapping_errors(f"recording what operation {op} left"):
                self._rows.update_one({"_id": op, "detail.kept": {"$exists": False}}, change)

    def took_back(self, session: ClientSession | None, op: str, model: str, failed: Sequence[Problem]) -> None:
        """Count documents of the operation's own model whose deletion was taken back among those that failed."""
        rows = [{"where": each.where, "what": each.what, "code": each.code} for each in failed]
        change = {
            "$inc": {"counts.changed": -len(rows), "counts.failed": len(rows)},
            "$push": {"failed": {"$each": rows, "$slice": FAILURES_KEPT}},
        }
        with mapping_errors(f"recording what operation {op} took back"):
            self._rows.update_one({"_id": op, "model": model}, change, session=session)

    def unfinished(self, model: str, **more: Any) -> list[Document]:
        """The operations on a model that were begun, and not brought to their end or undone."""
        wanted = {"model": model, "state": {"$ne": State.DONE.value}, "undoneBy": None, **more}
        with mapping_errors(f"reading {OPERATIONS}"):
            return list(self._rows.find(wanted, {"failed": 0}).sort("_id", 1))

    def deleting_again(self, op: str) -> frozenset[str]:
        """A deletion, and the undos after which is deleted what it had deleted: of its restores, of undos of it."""
        deleting, known = {op}, {op}
        with mapping_errors(f"reading {OPERATIONS}"):
            restores = {row["_id"] for row in self._rows.find({"kind": "restore", "detail.group": op}, {"_id": 1})}
            takes_back = restores | self._undos_of(deleting)
            while new := takes_back - known:
                known |= new
                again = self._undos_of(new)
                deleting |= again
                known |= again
                takes_back = self._undos_of(again)
        return frozenset(deleting)

    def _undos_of(self, ops: Iterable[str]) -> set[str]:
        wanted = {"kind": "undo", "detail.undoes": {"$in": list(ops)}}
        return {row["_id"] for row in self._rows.find(wanted, {"_id": 1})}

    def resumed(self, op: str, at: datetime, *, position: int) -> None:
        """This process carries the operation on from `position`. Locked if it is no longer there, or done."""
        change = {"state": State.RUNNING.value, "host": socket.gethostname(), "pid": os.getpid(), "resumedAt": at}
        with mapping_errors(f"resuming operation {op}"):
            still = {"_id": op, "position": position, "state": {"$ne": State.DONE.value}, "undoneBy": None}
            found = self._rows.update_one(still, {"$set": change, "$unset": {"endedAt": ""}})
        if found.matched_count != 1:
            raise self._overtaken(op, position)

    def undone(self, op: str, *, by: str, undoes: str | None, at: datetime) -> None:
        """Note that `by` undoes the operation: from here on it can be carried on no more, and commits nothing.

        `undoes`: what the operation itself had undone, which is as it was from now on.
        """
        running = {"_id": op, "state": State.RUNNING.value}
        with mapping_errors(f"noting that operation {op} is undone"):
            self._rows.update_one({"_id": op}, {"$set": {"undoneBy": by}})
            self._rows.update_one(running, {"$set": {"state": State.STOPPED.value, "endedAt": at}})
            if undoes is not None:
                self._rows.update_one({"_id": undoes, "undoneBy": op}, {"$unset": {"undoneBy": ""}})

    def rematch(self, op: str, matched: int) -> None:
        """So many documents it is about, as is known by now."""
        with mapping_errors(f"recording what operation {op} is about"):
            self._rows.update_one({"_id": op}, {"$set": {"counts.matched": matched}})

    def close(
        self,
        op: str,
        state: State,
        at: datetime,
        *,
        position: int | None = None,
        error: str | None = None,
        **more: Any,
    ) -> None:
        """Record how it ended. Closing again with the same outcome changes nothing that matters.

        Given a `position`, only while the row is still there: else another process carries the operation on.
        """
        row = {"_id": op} if position is None else {"_id": op, "position": position}
        change = {"state": state.value, "endedAt": at, **({"error": error} if error else {}), **more}
        with mapping_errors(f"closing operation {op}"):
            self._rows.update_one(row, {"$set": change})

    def _overtaken(self, op: str, position: int) -> Locked:
        undone_by = (self.find(op) or {}).get("undoneBy")
        if undone_by is not None:
            return Locked(
                f"operation {op} was undone meanwhile",
                why=f"operation {undone_by} did",
                next=f"datactl ops show {op}",
            )
        return Locked(
            f"operation {op} is being carried on by another process",
            why=f"it is no longer at document {position}",
            next=f"wait for it; if it stops before the end, datactl ops resume {op}",
        )

    @property
    def _rows(self) -> Collection[Document]:
        rows = self._mongo.collection(OPERATIONS)
        return rows.with_options(write_concern=self._mongo.write_concern)


def last_runs(mongo: Mongo, model: str | None = None, *, limit: int = 5) -> list[LastRun]:
    """The newest operations, of one model if named, newest first."""
    with mapping_errors(f"reading {OPERATIONS}"):
        rows = mongo.collection(OPERATIONS).find({"model": model} if model else {}).sort("_id", DESCENDING).limit(limit)
        return [_last_run(row) for row in rows]


def _last_run(row: Mapping[str, Any]) -> LastRun:
    return LastRun(
        op=row["_id"],
        kind=row["kind"],
        model=row["model"],
        actor=row.get("actor"),
        reason=row.get("reason"),
        started_at=row["startedAt"],
        ended_at=row.get("endedAt"),
        state=State(row["state"]),
        counts=row.get("counts", {}),
    )
