"""Crashes of a cascade over 3,000 documents in 4 models, and of its restore: killed at every step, then run again.

However it is killed, running the same again finishes it: every document is in the group once, with one event. Documents
and events agree at any moment.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.mongo import Mongo
from datactl.records import Repository
from tests.records.blog import MODELS, Blog

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
POSTS, COMMENTS, LIKES = 300, 1_200, 1_499
GROUP = {"Author": 1, "Post": POSTS, "Comment": COMMENTS, "Like": LIKES}
DOCUMENTS = sum(GROUP.values())
assert DOCUMENTS == 3_000
PARTS = 6  # every sixth step each

Tell = Callable[[str], None]


def fill(mongo: Mongo) -> ObjectId:
    """An author and all that goes along with it, and as much of somebody else's, which stays."""
    for name in ("gone", "stays"):
        author = ObjectId()
        mongo.collection("authors").insert_one({"_id": author, "name": name})
        posts = [{"_id": ObjectId(), "title": f"{name} {n}", "author": author} for n in range(POSTS)]
        comments = [{"_id": ObjectId(), "post": posts[n % POSTS]["_id"]} for n in range(COMMENTS)]
        likes = [{"_id": ObjectId(), "comment": comments[n % COMMENTS]["_id"]} for n in range(LIKES)]
        for collection, rows in (("posts", posts), ("comments", comments), ("likes", likes)):
            mongo.collection(collection).insert_many(rows)
        if name == "gone":
            wanted = author
    for collection, path in (("posts", "author"), ("comments", "post"), ("likes", "comment")):
        mongo.collection(collection).create_index(path)
    return wanted


def run_child(mongo: Mongo, uri: str, spool: Path, act: str, author: ObjectId, **order: Any) -> list[str] | None:
    """What it announced, None if it killed itself."""
    given = {"uri": uri, "database": mongo.database.name, "spool": str(spool), "act": act, "id": str(author), **order}
    command = [sys.executable, "-m", "tests.records.cascade_child", json.dumps(given)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return json.loads(done.stdout) if done.returncode == 0 else None


def marked(mongo: Mongo) -> dict[str, set[Any]]:
    return {
        name: {row["_id"] for row in mongo.collection(MODELS[name].collection).find({"deleted": True}, {"_id": 1})}
        for name in GROUP
    }


def account(mongo: Mongo, op: str | None = None) -> int:
    """How many are marked; by its newest event each of them is, and nobody else."""
    now = marked(mongo)
    newest: dict[tuple[str, Any], str] = {}
    for row in mongo.collection("outboxes").find({}, {"payload": 0}).sort("seq", 1):
        newest[row["aggregate"], row["aggregateId"]] = row["eventType"]
    by_events = {
        name: {each for (model, each), kind in newest.items() if model == name and kind == f"{name}Deleted"}
        for name in GROUP
    }
    assert by_events == now
    return sum(map(len, now.values()))


def check_deleted(mongo: Mongo) -> str:
    """The whole group carries one operation and one time, with one event each; the ledger says so. The operation."""
    assert account(mongo) == DOCUMENTS
    (op,) = mongo.collection("authors").distinct("deletedOp")
    blog = Blog(mongo, lambda name: Repository(MODELS[name], mongo, MODELS))
    assert blog.group(op) == GROUP
    times = {time for name in GROUP for time in mongo.collection(MODELS[name].collection).distinct("deletedAt")}
    assert len(times) == 1
    rows = list(mongo.collection("outboxes").find({"op": op}))
    assert len(rows) == len({(row["aggregate"], row["aggregateId"]) for row in rows}) == DOCUMENTS
    (row,) = mongo.collection("datactl_ops").find({"_id": op})
    assert (row["state"], row["counts"]["changed"], row["counts"]["failed"]) == ("done", 1, 0)
    assert row["detail"]["along"] == {name: {"deleted": GROUP[name]} for name in ("Post", "Comment", "Like")}
    return str(op)


def check_restored(mongo: Mongo) -> None:
    assert account(mongo) == 0
    rows = list(mongo.collection("outboxes").find({"eventType": {"$regex": "Restored$"}}))
    assert len(rows) == len({(row["aggregate"], row["aggregateId"]) for row in rows}) == DOCUMENTS
    (row,) = mongo.collection("datactl_ops").find({"kind": "restore"})
    assert {each["op"] for each in rows} == {row["_id"]}
    assert (row["state"], row["counts"]["changed"]) == ("done", 1)
    assert row["detail"]["along"] == {name: {"restored": GROUP[name]} for name in ("Post", "Comment", "Like")}


def end_open_transactions(mongo: Mongo) -> None:
    """What the server does 60 s after a client is gone (transactionLifetimeLimitSeconds), done at once."""
    mongo.client.admin.command("killAllSessions", [])


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_step_and_run_again(
    mongo: Mongo, engine_uri: str, tmp_path: Path, record_property: Callable[[str, object], None], part: int
) -> None:
    """Delete killed at step n, then the same again; restore killed at step n, then the same again; and so on."""
    author = fill(mongo)
    steps: dict[str, list[str]] = {}
    for act, check in (("delete", check_deleted), ("restore", check_restored)):
        seen = run_child(mongo, engine_uri, tmp_path, act, author)
        assert seen is not None
        steps[act] = seen
        check(mongo)
    record_property("told cascade", f"delete announces {len(steps['delete'])} steps, restore {len(steps['restore'])}")
    for number in range(part, max(map(len, steps.values())), PARTS):
        for name in ("outboxes", "datactl_ops"):
            mongo.collection(name).delete_many({})
        for act, check in (("delete", check_deleted), ("restore", check_restored)):
            killed = number < len(steps[act])
            if killed:
                assert run_child(mongo, engine_uri, tmp_path, act, author, step=number) is None, steps[act][number]
                end_open_transactions(mongo)
            left = account(mongo)
            row = mongo.collection("datactl_ops").find_one({"state": "running"}) if act == "delete" else None
            if row is not None and number // PARTS % 2:  # every other time as an operator does who reads `ops list`
                again = run_child(mongo, engine_uri, tmp_path, "resume", author, op=row["_id"])
            else:
                again = run_child(mongo, engine_uri, tmp_path, act, author)
            assert again is not None
            check(mongo)
            if killed:
                what = f"{act} killed at {number} {steps[act][number]}: {left:,} marked; then run again, whole"
                record_property("told cascade", what)
