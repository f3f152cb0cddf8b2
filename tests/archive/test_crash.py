"""The archive is killed (SIGKILL) at every step it announces and at random instants, and run again.

Whatever the instant: every document is live or archived exactly once, byte for byte what it was.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from datactl.archive import ArchiveReport
from tests.archive.desk import Account, Desk, account
from tests.archive.killing import Recorder, end_open_transactions, expire_lease, finish, start_child

Told = Callable[[str, str], None]

DUE = 1_600  # two segments, of which the first is removed in three transactions
STAYING = 12  # live, undated, marked too recently

STEPS = (
    "epoch",
    "lease",
    "settle",
    "segment.put",
    "segment.read_back",
    "sidecar.put",
    "manifest.put",
    "delete",
    "compare",
    "event",
    "receipt",
    "ledger.close",
)
SETTLING = ("settle", "compare", "settle.delete", "settle.event", "settle.receipt")
INSTANTS = 20

pytestmark = pytest.mark.real


def fill(desk: Desk) -> dict[bytes, bytes]:
    before = desk.insert(desk.marked(DUE))
    before |= desk.insert({**each, "deleted": False} for each in desk.marked(STAYING // 3))
    before |= desk.insert({**each, "deletedAt": None} for each in desk.marked(STAYING // 3))
    return before | desk.insert(desk.marked(STAYING // 3, days=10))


def take_over(desk: Desk) -> ArchiveReport:
    expire_lease(desk.mongo)
    end_open_transactions(desk.mongo)
    return desk.archive()


def kill_at(desk: Desk, at: tuple[str, str, int]) -> None:
    child = start_child(desk.uri, desk.mongo.database.name, desk.directory, at=at)
    status, _ = finish(child)
    assert status == -signal.SIGKILL, f"it was to be killed at {at}, and ended with {status}"


def check_all_settled(desk: Desk, before: dict[bytes, bytes]) -> Account:
    found = account(desk, before)
    assert found == Account(live=STAYING, archived=DUE)
    assert not list(desk.vault.segments_without_manifest("Post"))
    assert not list(desk.vault.manifests_without_receipt("Post"))
    outbox = desk.mongo.collection("outboxes")
    segments = {manifest.name for manifest in desk.vault.manifests("Post")}
    assert sorted(row["aggregateId"] for row in outbox.find({"eventType": "PostArchived"})) == sorted(segments)
    ops = desk.mongo.collection("datactl_ops")
    assert ops.count_documents({"state": "running"}) == 0
    return found


def test_the_steps_are_those_of_this_suite(desk: Desk, told: Told) -> None:
    fill(desk)
    recorder = Recorder()
    desk.archive(watch=recorder)
    assert {name for name, _ in recorder.steps} == set(STEPS)
    for name in STEPS:
        assert recorder.steps.count((name, "before")) == recorder.steps.count((name, "after"))
    counts = {name: recorder.steps.count((name, "before")) for name in STEPS}
    assert counts["segment.put"] == 2
    assert counts["delete"] > counts["segment.put"]
    told("crash suite", "steps of a run: " + ", ".join(f"{name} x{count}" for name, count in counts.items()))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("step", "occurrence"),
    [(step, 1) for step in STEPS] + [(step, 2) for step in STEPS[3:-1]] + [("delete", 3), ("compare", 3)],
)
def test_killed_at_a_step(desk: Desk, told: Told, step: str, occurrence: int, when: str) -> None:
    before = fill(desk)
    kill_at(desk, (step, when, occurrence))
    killed = account_unsettled(desk, before)
    report = take_over(desk)
    done = check_all_settled(desk, before)
    told(
        "crash suite",
        f"killed {when} {step} #{occurrence}: {killed} of {len(before)} in MongoDB; settled {report.settled.segments}, "
        f"given up {report.settled.aborted}; then {done.live} live, {done.archived} archived, each once",
    )


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", SETTLING)
def test_killed_again_while_settling(desk: Desk, told: Told, step: str, when: str) -> None:
    before = fill(desk)
    kill_at(desk, ("delete", "after", 1))
    expire_lease(desk.mongo)
    end_open_transactions(desk.mongo)
    kill_at(desk, (step, when, 1))
    report = take_over(desk)
    done = check_all_settled(desk, before)
    told(
        "crash suite",
        f"killed {when} {step} while settling: settled {report.settled.segments}; "
        f"then {done.live} live, {done.archived} archived, each once",
    )


@pytest.mark.parametrize("instant", range(INSTANTS))
def test_killed_at_a_random_instant(desk: Desk, told: Told, instant: int) -> None:
    before = fill(desk)
    delay = random.Random(instant).uniform(0, 0.25)
    child = start_child(desk.uri, desk.mongo.database.name, desk.directory)
    begun = time.monotonic()
    try:
        child.wait(delay)
    except subprocess.TimeoutExpired:
        child.kill()
    status, _ = finish(child)
    killed = account_unsettled(desk, before)
    report = take_over(desk)
    done = check_all_settled(desk, before)
    told(
        "crash suite",
        f"killed after {1000 * min(delay, time.monotonic() - begun):.0f} ms (status {status}): {killed} in MongoDB; "
        f"settled {report.settled.segments}; then {done.live} live, {done.archived} archived, each once",
    )


def account_unsettled(desk: Desk, before: dict[bytes, bytes]) -> int:
    """Right after the kill, before anything is settled: what is not live is in a committed segment (I2)."""
    live = desk.live()
    gone = before.keys() - live.keys()
    copies: dict[bytes, bytes] = {}
    for manifest in desk.vault.manifests("Post"):
        for member in desk.vault.open_segment(manifest).members():
            copies.update({each.id_key: each.document for each in member})
    assert all(copies.get(key) == before[key] for key in gone)
    assert all(live[key] == before[key] for key in live)
    return len(live)
