"""Crashes of an undo: killed at every step it announces and carried on, each document is undone once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.mongo import Mongo
from tests.records.undo_desk import Desk, but_time

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
DOCUMENTS = 1_100  # three chunks
REMOVED = 250  # three parts that come back out of the vault


@pytest.fixture
def desk(mongo: Mongo, tmp_path: Path) -> Desk:
    return Desk(mongo, tmp_path)


def child(desk: Desk, **order: Any) -> tuple[int, dict[str, Any]]:
    """Exit status, and the result if it lived to print it."""
    place = {"uri": desk.uri, "database": desk.mongo.database.name, "directory": str(desk.directory)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.records.undo_child", json.dumps({**place, **order})],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def end_open_transactions(desk: Desk) -> None:
    """What the server does 60 s after a client is gone (transactionLifetimeLimitSeconds), done at once."""
    desk.mongo.client.admin.command("killAllSessions", [])


def updated(desk: Desk) -> str:
    desk.items.create_many({"name": "x", "price": n} for n in range(DOCUMENTS))
    return desk.items.update_many({}, {"$inc": {"price": 5}}).op


def created(desk: Desk) -> str:
    return desk.items.create_many({"name": "x", "price": n} for n in range(REMOVED)).op


def removed(desk: Desk) -> str:
    settings = desk.repository("Setting")
    settings.create_many({"_id": f"s{n}", "value": n} for n in range(REMOVED))
    return settings.remove_many(filter={}).op


def cascaded(desk: Desk) -> str:
    shelf = desk.repository("Shelf").create({"name": "s"})["_id"]
    desk.items.create_many({"name": "x", "shelf": shelf} for n in range(600))
    desk.items.create_many({"name": "y", "near": [shelf, ObjectId()]} for n in range(20))
    return desk.repository("Shelf").soft_delete(shelf).op


WHAT = {
    "update": (updated, DOCUMENTS),
    "create": (created, REMOVED),
    "remove": (removed, REMOVED),
    "cascade": (cascaded, 621),
}


def facts(desk: Desk) -> dict[str, list[Any]]:
    return {
        model: sorted((but_time(each) for each in desk.raw(model).find()), key=lambda each: str(each["_id"]))
        for model in ("Shelf", "Item", "Setting")
    }


def kills(steps: list[str]) -> list[int]:
    """Each announcement where it is seen last: by then something is done, and something is not."""
    return sorted({name: number for number, name in enumerate(steps)}.values())


@pytest.mark.parametrize("what", WHAT)
def test_killed_at_every_step_and_carried_on(desk: Desk, what: str) -> None:
    """The operation is undone and done again (by undoing the undo), so that one filling serves every step."""
    prepare, number = WHAT[what]
    op = prepare(desk)
    standing = facts(desk)
    status, whole = child(desk, undo=op)
    assert (status, whole["fates"]) == (0, {"undone": number})
    undone = facts(desk)
    assert undone != standing
    steps = whole["steps"]
    assert len(steps) > 8
    for step in kills(steps):
        done = op
        op = child(desk, undo=whole["op"])[1]["op"]  # the undo is undone: that is what is undone next
        assert facts(desk) == standing, f"after {done}"
        assert child(desk, undo=op, step=step) == (-signal.SIGKILL, {})
        end_open_transactions(desk)
        row = desk.mongo.collection("datactl_ops").find_one({"kind": "undo", "detail.undoes": op})
        order = {"undo": op} if row is None else {"resume": row["_id"]}
        status, whole = child(desk, **order)
        assert (status, whole["fates"]) == (0, {"undone": number}), f"killed before {steps[step]}"
        assert facts(desk) == undone, f"killed before {steps[step]}"
        events = Counter(
            str(each["aggregateId"]) for each in desk.mongo.collection("outboxes").find({"op": whole["op"]})
        )
        assert set(events.values()) == {1}
        assert len(events) == number
