"""What was begun and not ended, and what came due and was not archived."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from datactl.archive import Archiver, retention_days
from datactl.archive.rules import ageing
from datactl.inspect.doctor.lines import Line, looked_at, ok, warn
from datactl.mongo import Mongo, mapping_errors
from datactl.mongo.leases import LEASES
from datactl.records.ledger import OPERATIONS, State, last_runs
from datactl.schema import Model, Registry
from datactl.vault import Vault

MISSED_DAYS = 7
"""Days that something may be due before a run counts as missed: the longest pause between runs that a timer has."""
_SHOWN = 20
_STALE = timedelta(days=1)
_LOOKED_BACK = 200
_NEVER = "no run is on record"


def run_lines(mongo: Mongo, registry: Registry | None, vault: Vault | None, actor: str, days: int) -> Iterator[Line]:
    """Operations that wait to be carried on, and archive runs that were missed."""
    yield from looked_at("operations", lambda: _operations(mongo))
    if registry is not None:
        yield from looked_at("archive_runs", lambda: _archive_runs(mongo, registry, vault, actor, days))


def _operations(mongo: Mongo) -> Iterator[Line]:
    now = mongo.server_time()
    with mapping_errors(f"reading {OPERATIONS}"):
        # In the order of their ids, which begin with the time: the newest first.
        rows = mongo.collection(OPERATIONS).find({"state": {"$ne": State.DONE.value}}).sort("_id", -1).limit(_SHOWN)
        waiting = [(row, why) for row in rows if (why := _waits(mongo, row, now)) is not None]
    for row, why in waiting:
        yield warn(
            "operations",
            f"{row['_id']} ({row['kind']} {row['model']}, {row['startedAt']:%Y-%m-%d %H:%M}) {why}, "
            f"at {row.get('position', 0):,} of {row.get('counts', {}).get('matched', 0):,}",
            f"datactl archive {row['model']}" if row["kind"] == "archive" else f"datactl ops show {row['_id']}",
        )
    if not waiting:
        last = next(iter(last_runs(mongo, limit=1)), None)
        said = f"; the last: {last.kind} {last.model}, {last.started_at:%Y-%m-%d %H:%M}" if last else ""
        yield ok("operations", f"none waits to be carried on{said}")


def _waits(mongo: Mongo, row: Mapping[str, Any], now: datetime) -> str | None:
    """Why an operation without an end waits for somebody; None for one that is at work."""
    if row["state"] != State.RUNNING.value:
        return "was stopped" if row["state"] == State.STOPPED.value else "failed"
    if row.get("host") == socket.gethostname():
        return None if _is_alive(row.get("pid")) else "was killed"
    if row["kind"] == "archive":
        lease = mongo.collection(LEASES).find_one({"_id": f"archive:{row['model']}"})
        held = lease is not None and lease["expires"] > now and (lease.get("holder") or {}).get("op") == row["_id"]
        return None if held else f"was killed on {row.get('host')}"
    since: datetime = row.get("resumedAt") or row["startedAt"]
    return f"has run on {row.get('host')} for more than a day" if now - since > _STALE else None


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _archive_runs(
    mongo: Mongo, registry: Registry, vault: Vault | None, actor: str, default_days: int
) -> Iterator[Line]:
    models = [model for model in registry.values() if ageing(model)]
    if vault is None:
        yield warn("archive_runs", "not looked at: it needs this database's vault", "see the check `vault`")
        return
    archiver = Archiver(mongo, vault, registry, actor=actor, retention_days=default_days)
    missed = False
    for model in models:
        plan = archiver.plan(model.name, retention_days(model, None, default_days) + MISSED_DAYS)
        overdue = plan.documents - plan.held
        last = _last_archive(mongo, model)
        if overdue > 0:
            missed = True
            yield warn(
                "archive_runs",
                f"{overdue:,} documents of {model.name} have been due for more than {MISSED_DAYS} d; {last}",
                f"datactl archive {model.name}  (from cron or a timer, daily)",
            )
        elif plan.unsettled:
            missed = True
            yield warn(
                "archive_runs",
                f"{plan.unsettled:,} segments of {model.name} were left by an earlier run; {last}",
                f"datactl archive {model.name}",
            )
    if not missed:
        ran = {model.name: last for model in models if (last := _last_archive(mongo, model)) != _NEVER}
        said = "".join(f"; {name}: {last}" for name, last in ran.items())
        yield ok("archive_runs", f"nothing has been due for more than {MISSED_DAYS} d{said}")


def _last_archive(mongo: Mongo, model: Model) -> str:
    runs = (run for run in last_runs(mongo, model.name, limit=_LOOKED_BACK) if run.kind == "archive")
    last = next(runs, None)
    return _NEVER if last is None else f"the last run, {last.started_at:%Y-%m-%d}, is {last.state}"
