"""Leases between real processes: one stopped beyond its lease, one killed, and clocks that are wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from datactl.errors import Locked
from datactl.mongo import Lease, Mongo
from datactl.mongo.fences import FENCES
from datactl.mongo.leases import LEASES
from tests.mongo.waiting import until

HOLDER = Path(__file__).with_name("lease_holder.py")
NAME = "archive:Post"
# A clock that is set moves the time of day, and no monotonic clock.
FAKETIME = ("faketime", "--exclude-monotonic", "-f")


def beat(mongo: Mongo) -> datetime:
    row = mongo.collection(LEASES).find_one({"_id": NAME})
    assert row is not None
    at: datetime = row["beat"]
    return at


class HolderProcess:
    def __init__(self, mongo: Mongo, uri: str, ttl_s: float, *before: str, more: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*before, sys.executable, str(HOLDER), uri, mongo.database.name, str(ttl_s), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def told(self) -> str:
        out = self.process.stdout
        assert out is not None
        return out.readline().strip()

    @property
    def asked(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin

    def ask_for_a_write(self) -> None:
        self.asked.write("one\n")
        self.asked.flush()


@pytest.fixture
def hold(mongo: Mongo, engine_uri: str) -> Iterator[Callable[..., HolderProcess]]:
    started: list[HolderProcess] = []

    def start(ttl_s: float, *before: str, more: Sequence[str] = ()) -> HolderProcess:
        started.append(HolderProcess(mongo, engine_uri, ttl_s, *before, more=more))
        return started[-1]

    yield start
    for holder in started:
        holder.process.kill()
        holder.process.wait()
        for pipe in (holder.process.stdin, holder.process.stdout):
            if pipe is not None:
                pipe.close()


def test_a_stopped_process_commits_nothing_when_it_wakes(mongo: Mongo, hold: Callable[..., HolderProcess]) -> None:
    holder = hold(1.0)
    assert holder.told() == "held 1"
    holder.ask_for_a_write()
    assert holder.told() == "written"
    holder.process.send_signal(signal.SIGSTOP)
    with Lease.acquire(mongo, NAME, wait_s=30) as taker:
        assert taker.epoch == 2
        holder.ask_for_a_write()
        holder.process.send_signal(signal.SIGCONT)
        assert holder.told() == "lease_lost"
        assert holder.process.wait(30) == 11
        assert [row["by"] for row in mongo.collection("written").find()] == [1]
        mongo.transaction(taker.touch)


def test_a_process_stopped_before_its_first_fence_has_lost_when_it_wakes(
    mongo: Mongo, hold: Callable[..., HolderProcess]
) -> None:
    """The lease is its own, its fence is not there yet: a takeover finds nothing that it could raise."""
    holder = hold(1.0, more=["stop"])
    until(lambda: os.waitid(os.P_PID, holder.process.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG) is not None)
    with Lease.acquire(mongo, NAME, wait_s=30) as taker:
        assert taker.epoch == 2
        holder.ask_for_a_write()
        holder.process.send_signal(signal.SIGCONT)
        assert holder.told() == "lease_lost"
        assert holder.process.wait(30) == 11
        assert [row["_id"] for row in mongo.collection(FENCES).find()] == [str(taker._token)]
        assert mongo.collection("written").count_documents({}) == 0
        mongo.transaction(taker.touch)


def test_a_killed_process_leaves_a_lease_that_runs_out(mongo: Mongo, hold: Callable[..., HolderProcess]) -> None:
    holder = hold(1.0)
    assert holder.told() == "held 1"
    holder.process.kill()
    holder.process.wait()
    with pytest.raises(Locked, match=f"pid {holder.process.pid}"):
        Lease.acquire(mongo, NAME)
    with Lease.acquire(mongo, NAME, wait_s=30) as taker:
        assert taker.epoch == 2


@pytest.mark.real
@pytest.mark.parametrize("wrong", ["-2d", "+2d"])
def test_a_process_whose_clock_is_wrong_neither_loses_nor_takes(
    mongo: Mongo, hold: Callable[..., HolderProcess], wrong: str
) -> None:
    assert shutil.which("faketime"), "faketime is missing: tools/install-debian-parts"
    holder = hold(1.5, *FAKETIME, wrong)
    assert holder.told() == "held 1"
    first = beat(mongo)
    until(lambda: beat(mongo) != first)
    assert abs(beat(mongo) - mongo.server_time()) < timedelta(minutes=1)
    with pytest.raises(Locked):
        Lease.acquire(mongo, NAME)
    second = hold(30, *FAKETIME, wrong)
    assert second.told() == "locked"
    assert second.process.wait(30) == 11
    holder.asked.close()
    assert holder.process.wait(30) == 0
    with Lease.acquire(mongo, NAME) as taker:
        assert taker.epoch == 2
