"""Crashes of a bulk soft delete: killed at any step or instant, or its server killed, documents and events agree.

Every run is killed, then carried on by another process where the ledger says it was; what was begun and never
recorded is begun again. Prints the steps, and what each kill left.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.errors import CannotConnect
from datactl.mongo import Mongo, open_mongo
from datactl.records import BulkResult, Repository
from datactl.schema import Registry
from datactl.steps import Step, Watcher, When
from tests.engines import TestEngine

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
DOCUMENTS = 1_200  # three chunks
MARKED_BEFORE = 7
INSTANTS = 20

STEPS = [
    *("spool before", "spool after", "ledger.open before", "ledger.open after"),
    *("chunk before", "chunk after", "mark progress") * 3,
    *("ledger.close before", "ledger.close after"),
]
COMMANDS = ["find", "aggregate", "update", "insert", "update", "commitTransaction"]  # of one chunk


def run_child(mongo: Mongo, uri: str, spool: Path, **order: Any) -> tuple[int, dict[str, Any]]:
    """Exit status, and the result if it lived to print it."""
    text = json.dumps({"uri": uri, "database": mongo.database.name, "spool": str(spool), **order})
    done = subprocess.run(
        [sys.executable, "-m", "tests.records.crash_child", text], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def fill(mongo: Mongo) -> None:
    """Live documents, and some that were marked before: they are to stay as they are."""
    rows: list[dict[str, Any]] = [{"_id": ObjectId(), "name": "x", "price": number} for number in range(DOCUMENTS)]
    rows += [
        {"_id": ObjectId(), "name": "x", "price": 0, "deleted": True, "deletedOp": "earlier"}
        for _ in range(MARKED_BEFORE)
    ]
    random.Random(1).shuffle(rows)
    mongo.collection("products").insert_many(rows)


def carry_on(mongo: Mongo, uri: str, spool: Path) -> str:
    """What an operator does after a crash; the operation's id."""
    end_open_transactions(mongo)
    row = mongo.collection("datactl_ops").find_one({})
    status, result = run_child(mongo, uri, spool, op=row["_id"] if row else None)
    assert status == 0
    return str(result["op"])


def end_open_transactions(mongo: Mongo) -> None:
    """What the server does 60 s after a client is gone (transactionLifetimeLimitSeconds), done at once."""
    mongo.client.admin.command("killAllSessions", [])


def account(mongo: Mongo) -> tuple[int, int]:
    """Marked documents and events so far. They agree at any moment: each event's document carries its operation."""
    marks = {
        row["_id"]: row["deletedOp"]
        for row in mongo.collection("products").find({"deleted": True, "deletedOp": {"$ne": "earlier"}})
    }
    events = list(mongo.collection("outboxes").find())
    assert len(events) == len(marks)
    assert {event["aggregateId"]: event["op"] for event in events} == marks
    assert all(event["seq"] == 1 and event["payload"]["after"]["deletedOp"] == event["op"] for event in events)
    return len(marks), len(events)


def check_all_done(mongo: Mongo, op: str) -> None:
    """Every document is marked exactly once, with one event, and the ledger says so."""
    assert account(mongo) == (DOCUMENTS, DOCUMENTS)
    products = mongo.collection("products")
    assert products.count_documents({"deletedOp": op}) == DOCUMENTS
    assert products.count_documents({"deletedOp": "earlier"}) == MARKED_BEFORE
    (row,) = mongo.collection("datactl_ops").find()
    assert (row["_id"], row["state"], row["position"]) == (op, "done", DOCUMENTS)
    assert row["counts"] == {"matched": DOCUMENTS, "changed": DOCUMENTS, "unchanged": 0, "failed": 0}


@pytest.fixture(scope="module")
def seconds(engine_uri: str, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the chunks of a run take here and now, so that a random instant falls among them."""
    with open_mongo(engine_uri, f"t_{ObjectId()}") as mongo:
        fill(mongo)
        status, result = run_child(mongo, engine_uri, tmp_path_factory.mktemp("measured"))
        mongo.client.drop_database(mongo.database.name)
    assert status == 0
    return float(result["seconds"])


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print past the capture: what the suite found is part of its answer."""

    def tell(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)

    return tell


def test_the_steps_are_those_of_this_suite(
    mongo: Mongo, engine_uri: str, tmp_path: Path, told: Callable[[str], None]
) -> None:
    fill(mongo)
    status, result = run_child(mongo, engine_uri, tmp_path)
    assert status == 0
    assert result["steps"] == STEPS
    assert result["commands"] == COMMANDS
    check_all_done(mongo, result["op"])
    told(f"\nbulk soft delete announces {len(STEPS)} steps: {', '.join(STEPS)}")


@pytest.mark.parametrize(
    "step", range(len(STEPS)), ids=[f"{n}-{name.replace(' ', '-')}" for n, name in enumerate(STEPS)]
)
def test_killed_at_a_step(
    mongo: Mongo, engine_uri: str, tmp_path: Path, told: Callable[[str], None], step: int
) -> None:
    fill(mongo)
    assert run_child(mongo, engine_uri, tmp_path, step=step)[0] == -signal.SIGKILL
    left = account(mongo)
    op = carry_on(mongo, engine_uri, tmp_path)
    check_all_done(mongo, op)
    told(f"\nkilled at {STEPS[step]}: {left[0]} marked, {left[1]} events; then {DOCUMENTS} of {DOCUMENTS}")


@pytest.mark.parametrize("command", range(len(COMMANDS)), ids=[f"{n}-{name}" for n, name in enumerate(COMMANDS)])
def test_killed_inside_a_transaction(
    mongo: Mongo, engine_uri: str, tmp_path: Path, told: Callable[[str], None], command: int
) -> None:
    """Before each command of the second chunk is sent: nothing of the chunk is there, its progress neither."""
    fill(mongo)
    assert run_child(mongo, engine_uri, tmp_path, command=command)[0] == -signal.SIGKILL
    left = account(mongo)
    assert left == (500, 500)
    check_all_done(mongo, carry_on(mongo, engine_uri, tmp_path))
    told(f"\nkilled before {COMMANDS[command]}: {left[0]} marked, {left[1]} events; then {DOCUMENTS} of {DOCUMENTS}")


@pytest.mark.parametrize("instant", range(INSTANTS))
def test_killed_at_a_random_instant(
    mongo: Mongo, engine_uri: str, tmp_path: Path, told: Callable[[str], None], seconds: float, instant: int
) -> None:
    fill(mongo)
    after_s = random.Random(instant).uniform(0, 1.4 * seconds)
    status, _ = run_child(mongo, engine_uri, tmp_path, after_s=after_s)
    left = account(mongo)
    op = carry_on(mongo, engine_uri, tmp_path)
    check_all_done(mongo, op)
    fate = "killed" if status else "done before it was killed"
    told(f"\n{fate} after {after_s * 1000:.0f} ms: {left[0]} marked, {left[1]} events; then {DOCUMENTS} of {DOCUMENTS}")


class KillsEngine(Watcher):
    """Kills the server at a step, at its n-th announcement."""

    def __init__(self, engine: TestEngine, when: When, nth: int) -> None:
        self._engine = engine
        self._when = when
        self._left = nth

    def see(self, step: Step) -> None:
        if step.name == "chunk" and step.when == self._when:
            self._left -= 1
            if self._left == 0:
                self._engine.kill()


@contextmanager
def on(engine: TestEngine, registry: Registry, spool: Path) -> Iterator[Repository]:
    with open_mongo(engine.uri, "crash", timeout_s=3) as mongo:
        yield Repository(registry.model("Product"), mongo, registry, actor="ann", spool_dir=spool)


def resume(engine: TestEngine, registry: Registry, spool: Path) -> tuple[tuple[int, int], BulkResult]:
    """Start the server again over its data; what was there, and the result of carrying on."""
    engine.restart()
    with on(engine, registry, spool) as products:
        left = account(products.mongo)
        row = products.mongo.collection("datactl_ops").find_one({})
        assert row is not None
        result = products.resume_bulk(row["_id"])
        check_all_done(products.mongo, result.op)
    return left, result


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_the_server_is_killed_at_a_chunk(
    start_engine: Callable[..., TestEngine],
    registry: Registry,
    tmp_path: Path,
    told: Callable[[str], None],
    when: When,
    chunk: int,
) -> None:
    engine = start_engine()
    with on(engine, registry, tmp_path) as products:
        fill(products.mongo)
        with pytest.raises(CannotConnect):
            products.soft_delete_many(filter={}, watch=KillsEngine(engine, when, chunk))
    left, result = resume(engine, registry, tmp_path)
    acknowledged = 500 * (chunk - 1) if when is When.BEFORE else min(DOCUMENTS, 500 * chunk)
    assert left[0] == acknowledged
    assert result.changed == DOCUMENTS
    told(f"\nserver killed {when} chunk {chunk}: {left[0]} marked, {left[1]} events; then {DOCUMENTS} of {DOCUMENTS}")


@pytest.mark.parametrize("instant", range(6))
def test_the_server_is_killed_at_a_random_instant(
    start_engine: Callable[..., TestEngine],
    registry: Registry,
    tmp_path: Path,
    told: Callable[[str], None],
    seconds: float,
    instant: int,
) -> None:
    engine = start_engine()
    acknowledged = 0
    killing = threading.Timer(random.Random(instant).uniform(0, seconds), engine.kill)

    class Acknowledged(Watcher):
        """Remembers what was said to be done; the clock of the kill begins at the first chunk."""

        def see(self, step: Step) -> None:
            nonlocal acknowledged
            if step.name == "chunk" and step.when is When.BEFORE and step.done == 0:
                killing.start()
            if step.name == "mark":
                acknowledged = step.done

    with on(engine, registry, tmp_path) as products:
        fill(products.mongo)
        try:
            products.soft_delete_many(filter={}, watch=Acknowledged())
        except CannotConnect:
            fate = "killed"
        else:
            fate = "done before it was killed"
    killing.join()
    left, result = resume(engine, registry, tmp_path)
    assert left[0] >= acknowledged
    assert result.changed == DOCUMENTS
    told(f"\nserver {fate}: {acknowledged} acknowledged, {left[0]} there, {left[1]} events; then {DOCUMENTS}")
