"""One run at a time: a second one is refused, and one that lost its lease commits nothing when it wakes."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from datactl.archive import bind
from datactl.errors import Locked, VaultMismatch
from datactl.mongo import Fence, Lease
from datactl.steps import Step, Watcher
from tests.archive.desk import Desk, account
from tests.archive.killing import LEASE, end_open_transactions, expire_lease, finish, start_child
from tests.archive.watching import Paused
from tests.mongo.waiting import until

DUE = 1_600


def test_a_second_run_is_told_who_holds_the_model(desk: Desk) -> None:
    before = desk.insert(desk.marked(50))
    waiting = Paused("delete", "before")
    archiver = desk.archiver()
    first = threading.Thread(target=lambda: archiver.run(archiver.plan("Post", 90), watch=waiting))
    first.start()
    try:
        assert waiting.reached.wait(60)
        second = desk.archiver(actor="another")
        with pytest.raises(Locked) as caught:
            second.run(second.plan("Post", 90))
        assert caught.value.exit_code == 11
        assert caught.value.details["holder"]["pid"] == os.getpid()
        assert caught.value.details["holder"]["actor"] == "tester"
        assert len(desk.live()) == 50
    finally:
        waiting.go.set()
        first.join()
    assert account(desk, before).archived == 50


def test_a_run_that_is_refused_claims_no_epoch(desk: Desk) -> None:
    archiver = desk.archiver()
    plan = archiver.plan("Post", 90)
    with Lease.acquire(desk.mongo, LEASE, epoch=3):
        for _ in range(3):
            with pytest.raises(Locked):
                archiver.run(plan)
    assert desk.vault.latest_epoch("Post") == 0


def test_a_second_run_may_wait_for_the_first(desk: Desk) -> None:
    before = desk.insert(desk.marked(50))
    waiting = Paused("delete", "before")
    archiver = desk.archiver()
    plan = archiver.plan("Post", 90)
    first = threading.Thread(target=lambda: archiver.run(plan, watch=waiting))
    first.start()
    assert waiting.reached.wait(60)
    waiting.go.set()
    report = desk.archiver().run(plan, wait_s=60)
    first.join()
    assert report.archived == 0
    assert account(desk, before).archived == 50


def test_a_run_that_is_overtaken_before_its_lease_claims_again(desk: Desk) -> None:
    class Overtaken(Watcher):
        """Three runs come and go between its first epoch and its lease."""

        met = False

        def see(self, step: Step) -> None:
            if (step.name, step.when) == ("lease", "before") and not self.met:
                self.met = True
                for _ in range(3):
                    with Lease.acquire(desk.mongo, LEASE, epoch=desk.vault.claim_epoch("Post")):
                        pass

    desk.insert(desk.marked(5))
    report = desk.archive(watch=Overtaken())
    assert (report.epoch, report.archived) == (5, 5)


def test_epochs_that_lie_behind_are_not_caught_up_with(desk: Desk) -> None:
    """A vault brought back from an older copy: new ranks would be below those of copies that the newest one had."""
    desk.insert(desk.marked(5))
    with Lease.acquire(desk.mongo, LEASE, epoch=3):
        pass  # an epoch that this vault never gave
    archiver = desk.archiver()
    for _ in range(4):
        with pytest.raises(VaultMismatch, match="behind"):
            archiver.run(archiver.plan("Post", 90))
    assert len(desk.live()) == 5


@pytest.mark.real
@pytest.mark.parametrize(
    "at",
    [
        ("segment.put", "after", 1),  # its segment is given up, its commit refused
        ("manifest.put", "before", 1),
        ("manifest.put", "after", 1),  # its segment is settled before it deletes anything
        ("delete", "before", 2),
        ("compare", "before", 1),  # with its transaction open
        ("compare", "after", 1),
        ("delete", "after", 1),
        ("event", "before", 1),
        ("receipt", "before", 1),
    ],
)
def test_a_paused_run_commits_nothing_when_it_wakes(desk: Desk, at: tuple[str, str, int]) -> None:
    before = desk.insert(desk.marked(DUE))
    child = start_child(desk.uri, desk.mongo.database.name, desk.directory, at=at, signal=int(signal.SIGSTOP), ttl=2)
    until(lambda: os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG) is not None)
    if at[0] == "compare":
        end_open_transactions(desk.mongo)  # else the server ends its transaction after 60 s
    report = desk.archive(wait_s=30)  # takes over once the lease of 2 s ran out
    assert account(desk, before).archived == DUE
    # What the sleeper could still do harm to: documents that look like those it copied.
    again = desk.insert(desk.posts_again(before, 100))
    events = desk.mongo.collection("outboxes").count_documents({})
    os.kill(child.pid, signal.SIGCONT)
    status, printed = finish(child)
    assert (status, printed["error"]) == (11, "lease_lost")
    assert desk.live() == again
    assert desk.mongo.collection("outboxes").count_documents({}) == events
    assert report.settled or at[0] == "segment.put"


@pytest.mark.real
@pytest.mark.parametrize("at", [("delete", "before", 1), ("delete", "before", 2), ("event", "before", 1)])
def test_a_paused_run_commits_nothing_once_its_lease_is_taken(desk: Desk, at: tuple[str, str, int]) -> None:
    """The new holder has settled nothing yet: it is the fence alone that keeps the sleeper out."""
    desk.insert(desk.marked(DUE))
    child = start_child(desk.uri, desk.mongo.database.name, desk.directory, at=at, signal=int(signal.SIGSTOP), ttl=2)
    until(lambda: os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG) is not None)
    with Lease.acquire(desk.mongo, LEASE, epoch=50, wait_s=30):
        left = desk.live()
        os.kill(child.pid, signal.SIGCONT)
        status, printed = finish(child)
        assert (status, printed["error"]) == (11, "lease_lost")
        assert desk.live() == left
        assert desk.mongo.collection("outboxes").count_documents({}) == 0


def test_fences_are_cleared_after_a_run(desk: Desk) -> None:
    desk.insert(desk.marked(5))
    bind(desk.mongo, desk.vault)
    lease = Lease.acquire(desk.mongo, LEASE, epoch=desk.vault.claim_epoch("Post"), ttl_s=60)
    Fence.create(lease, "left by a killed run")
    expire_lease(desk.mongo)
    desk.archive()
    lease.release()
    assert desk.mongo.collection("datactl_fences").count_documents({}) == 0
