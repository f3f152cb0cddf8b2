"""A removal of many is killed (SIGKILL) at every step it announces and at each command it sends, and carried on.

Whatever the instant: every document is live or removed exactly once, byte for byte what it was, with one event if it
is removed; what is not live is in a committed segment (I2), also before anything was settled.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datactl.errors import DatactlError
from datactl.mongo import open_mongo
from tests.archive.desk import Account, account
from tests.archive.killing import end_open_transactions, expire_lease, finish, start_child
from tests.archive.removing import RemovalDesk, removal_desk_at
from tests.archive.watching import At
from tests.engines import TestEngine

pytestmark = pytest.mark.real

Told = Callable[[str, str], None]

DOCUMENTS = 1_500  # two segments, of which the first is removed in three transactions
SUITE = "removal crash suite"

_COMMIT = ("segment.put", "segment.read_back", "sidecar.put", "manifest.put")
_REMOVE = ["remove before", "remove after", "remove progress"]
STEPS = [
    *("spool before", "spool after", "epoch before", "epoch after", "lease before", "lease after"),
    *("settle before", "settle after", "ledger.open before", "ledger.open after"),
    *(f"{name} {when}" for name in _COMMIT for when in ("before", "after")),
    *_REMOVE * 3,
    *("receipt before", "receipt after"),
    *(f"{name} {when}" for name in _COMMIT for when in ("before", "after")),
    *_REMOVE,
    *("receipt before", "receipt after", "ledger.close before", "ledger.close after"),
]
# Of one removing transaction: read, newest seqs, delete, events, ledger, fence.
COMMANDS = ["find", "aggregate", "delete", "insert", "update", "update", "commitTransaction"]


def child(desk: RemovalDesk, **order: Any) -> tuple[int, dict[str, Any]]:
    started = start_child(
        desk.uri, desk.mongo.database.name, desk.directory, module="tests.archive.removal_child", **order
    )
    return finish(started)


def account_unsettled(desk: RemovalDesk, before: dict[bytes, bytes]) -> int:
    """Right after the kill: what is not live is in a committed segment (I2), and has its one event."""
    live = desk.live()
    gone = before.keys() - live.keys()
    copies: dict[bytes, set[bytes]] = {}
    for manifest in desk.vault.manifests("Log"):
        for member in desk.vault.open_segment(manifest).members():
            for each in member:
                copies.setdefault(each.id_key, set()).add(each.document)
    assert all(before[key] in copies[key] for key in gone)
    assert all(live[key] == before[key] for key in live)
    events = [b"\x07" + event["aggregateId"].binary for event in desk.events()]
    assert sorted(events) == sorted(gone)
    row = desk.mongo.collection("datactl_ops").find_one({"kind": "remove"})
    assert (row["position"] if row else 0) == len(gone)
    return len(live)


def carry_on(desk: RemovalDesk) -> None:
    """What an operator does after a crash: resume what the ledger has, or give the command again."""
    expire_lease(desk.mongo, "^remove:")
    end_open_transactions(desk.mongo)
    row = desk.mongo.collection("datactl_ops").find_one({"kind": "remove"})
    if row is not None:
        desk.repository().resume_bulk(row["_id"])
    else:
        desk.repository().delete_many(filter={}, reason="crash")


def check_all_done(desk: RemovalDesk, before: dict[bytes, bytes]) -> None:
    assert account(desk, before) == Account(live=0, archived=DOCUMENTS)
    assert not list(desk.vault.manifests_without_receipt("Log"))
    events = [b"\x07" + event["aggregateId"].binary for event in desk.events()]
    assert sorted(events) == sorted(before)
    assert {event["seq"] for event in desk.events()} == {1}
    (row,) = desk.mongo.collection("datactl_ops").find({"kind": "remove"})
    assert (row["state"], row["position"], row["counts"]["changed"]) == ("done", DOCUMENTS, DOCUMENTS)
    assert {event["op"] for event in desk.events()} == {row["_id"]}
    (another,) = desk.lines(1)
    desk.repository().remove(another[1:].hex())  # whoever comes next clears leases away that were left
    assert desk.mongo.collection("datactl_leases").count_documents({}) == 0
    assert desk.mongo.collection("datactl_fences").count_documents({}) == 0


def test_the_steps_are_those_of_this_suite(logs: RemovalDesk, told: Told) -> None:
    before = logs.lines(DOCUMENTS)
    status, result = child(logs)
    assert status == 0
    assert result["steps"] == STEPS
    assert result["commands"] == COMMANDS
    check_all_done(logs, before)
    told(SUITE, f"a removal announces {len(STEPS)} steps: {', '.join(dict.fromkeys(STEPS))}")


@pytest.mark.parametrize(
    "step", range(len(STEPS)), ids=[f"{n}-{name.replace(' ', '-')}" for n, name in enumerate(STEPS)]
)
def test_killed_at_a_step(logs: RemovalDesk, told: Told, step: int) -> None:
    before = logs.lines(DOCUMENTS)
    assert child(logs, step=step)[0] == -signal.SIGKILL
    live = account_unsettled(logs, before)
    carry_on(logs)
    check_all_done(logs, before)
    told(SUITE, f"killed at {STEPS[step]}: {live} of {DOCUMENTS} live; then all removed, each once, with one event")


@pytest.mark.parametrize("command", range(len(COMMANDS)), ids=[f"{n}-{name}" for n, name in enumerate(COMMANDS)])
def test_killed_inside_a_transaction(logs: RemovalDesk, told: Told, command: int) -> None:
    before = logs.lines(DOCUMENTS)
    assert child(logs, command=command)[0] == -signal.SIGKILL
    assert account_unsettled(logs, before) == DOCUMENTS - 500
    carry_on(logs)
    check_all_done(logs, before)
    told(SUITE, f"killed before {COMMANDS[command]}: 500 of {DOCUMENTS} removed; then all, each once, with one event")


@pytest.mark.parametrize(
    "step", ["settle.receipt before", "settle.receipt after", "remove after", "manifest.put after"]
)
def test_killed_again_while_it_is_carried_on(logs: RemovalDesk, told: Told, step: str) -> None:
    before = logs.lines(DOCUMENTS)
    assert child(logs, step=STEPS.index("remove after"))[0] == -signal.SIGKILL
    expire_lease(logs.mongo, "^remove:")
    end_open_transactions(logs.mongo)
    row = logs.mongo.collection("datactl_ops").find_one({})
    assert row is not None
    resumed = ["epoch before", "epoch after", "lease before", "lease after", "settle before", "settle.receipt before"]
    resumed += ["settle.receipt after", "settle after", "ledger.resumed before", "ledger.resumed after"]
    resumed += STEPS[STEPS.index("segment.put before") :]
    assert child(logs, op=row["_id"], step=resumed.index(step))[0] == -signal.SIGKILL
    live = account_unsettled(logs, before)
    carry_on(logs)
    check_all_done(logs, before)
    told(SUITE, f"killed again at {step}: {live} of {DOCUMENTS} live; then all removed, each once")


@pytest.mark.parametrize(
    ("step", "when", "nth"), [("remove", "before", 2), ("remove", "after", 2), ("receipt", "before", 1)]
)
def test_the_server_is_killed(
    start_engine: Callable[..., TestEngine], tmp_path: Path, told: Told, step: str, when: str, nth: int
) -> None:
    engine = start_engine()
    with open_mongo(engine.uri, "crash", timeout_s=3) as mongo:
        desk = removal_desk_at(mongo, tmp_path / "vault")
        before = desk.lines(DOCUMENTS)
        with pytest.raises(DatactlError):
            desk.repository().delete_many(filter={}, reason="crash", watch=At(step, when, engine.kill, nth))
    engine.restart()
    with open_mongo(engine.uri, "crash") as mongo:
        desk = removal_desk_at(mongo, tmp_path / "vault")
        live = account_unsettled(desk, before)
        assert live == {"before": DOCUMENTS - 500, "after": DOCUMENTS - 1_000}[when] if step == "remove" else live > 0
        carry_on(desk)
        check_all_done(desk, before)
    told(SUITE, f"server killed {when} {step} #{nth}: {live} of {DOCUMENTS} live; then all removed, each once")
