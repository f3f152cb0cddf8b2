"""Leases and fences: one holder, takeover by the server's clock, and a run that lost its lease commits nothing."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from datactl.errors import DuplicateKey, LeaseLost, Locked
from datactl.mongo import Fence, Holder, Lease, Mongo
from datactl.mongo.fences import FENCES, open_first_fence
from datactl.mongo.leases import LEASES
from tests.mongo.answers import Between, lose_the_reply
from tests.mongo.waiting import until

NAME = "archive:Post"


def row(mongo: Mongo, name: str = NAME) -> dict[str, Any]:
    found = mongo.collection(LEASES).find_one({"_id": name})
    assert found is not None
    return found


def expire(mongo: Mongo, name: str = NAME) -> None:
    """What the server's clock does to a holder that no longer beats."""
    past = mongo.server_time() - timedelta(seconds=1)
    mongo.collection(LEASES).update_one({"_id": name}, {"$set": {"expires": past}})


class Paused:
    """A holder whose heart is stopped, as SIGSTOP stops it: nothing is sent, nothing is noticed."""

    def __init__(self, lease: Lease) -> None:
        lease._ending.set()
        lease._heart.join()
        self.lease = lease


def test_the_second_is_told_who_holds_it(mongo: Mongo) -> None:
    with Lease.acquire(mongo, NAME, holder=Holder.here(actor="ada", op="01J0")):
        with pytest.raises(Locked) as caught:
            Lease.acquire(mongo, NAME)
        error = caught.value
        assert error.exit_code == 11
        assert error.details["holder"] == {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "actor": "ada",
            "op": "01J0",
        }
        for told in ("ada", socket.gethostname(), f"pid {os.getpid()}", "heartbeat is 0 s old"):
            assert told in str(error)
        with Lease.acquire(mongo, "archive:User"):
            pass


def test_a_released_lease_is_free_and_its_epoch_grows(mongo: Mongo) -> None:
    epochs = []
    for _ in range(3):
        with Lease.acquire(mongo, NAME) as lease:
            epochs.append(lease.epoch)
    assert epochs == [1, 2, 3]
    assert mongo.collection(FENCES).count_documents({}) == 0


def test_a_given_epoch_must_be_newer_than_any_before(mongo: Mongo) -> None:
    with Lease.acquire(mongo, NAME, epoch=7) as lease:
        assert lease.epoch == 7
    for stale in (6, 7):
        with pytest.raises(LeaseLost):
            Lease.acquire(mongo, NAME, epoch=stale)
    with Lease.acquire(mongo, NAME, epoch=8) as lease:
        assert row(mongo)["epoch"] == 8


def test_waiting_takes_it_when_it_is_given_back(mongo: Mongo) -> None:
    first = Lease.acquire(mongo, NAME, ttl_s=1)
    Paused(first)
    with Lease.acquire(mongo, NAME, ttl_s=1, wait_s=30) as second:
        assert second.epoch == 2


def test_a_heartbeat_keeps_it_past_its_time_to_live(mongo: Mongo) -> None:
    with Lease.acquire(mongo, NAME, ttl_s=0.6) as lease:
        first = row(mongo)["expires"]
        until(lambda: row(mongo)["beat"] > first)
        with pytest.raises(Locked):
            Lease.acquire(mongo, NAME)
        lease.check()


def test_an_expired_lease_is_taken_over_and_the_paused_holder_commits_nothing(mongo: Mongo) -> None:
    paused = Paused(Lease.acquire(mongo, NAME)).lease
    fence = Fence.create(paused, "partition-1")
    mongo.transaction(fence.touch)
    mongo.transaction(paused.touch)
    expire(mongo)

    with Lease.acquire(mongo, NAME) as taker:
        assert taker.epoch == paused.epoch + 1
        for touch in (paused.touch, fence.touch):

            def work(session: Any, touch: Callable[[Any], None] = touch) -> None:
                mongo.collection("posts").insert_one({"by": "the paused one"}, session=session)
                touch(session)

            with pytest.raises(LeaseLost):
                mongo.transaction(work)
        with pytest.raises(LeaseLost):
            Fence.create(paused, "partition-2")
        assert mongo.collection("posts").count_documents({}) == 0
        mongo.transaction(taker.touch)
        paused.release()
        assert row(mongo)["released"] is False
        mongo.transaction(taker.touch)


def test_a_transaction_that_was_open_at_the_takeover_loses_or_ends_before_it(mongo: Mongo) -> None:
    paused = Paused(Lease.acquire(mongo, NAME)).lease
    fence = Fence.create(paused, "partition-1")
    expire(mongo)
    taken: list[Lease] = []

    def work(session: Any) -> None:
        mongo.collection("posts").find_one({}, session=session)  # the snapshot is taken here
        if not taken:
            taken.append(Lease.acquire(mongo, NAME))
        mongo.collection("posts").insert_one({"by": "the paused one"}, session=session)
        fence.touch(session)

    with pytest.raises(LeaseLost):
        mongo.transaction(work)
    assert mongo.collection("posts").count_documents({}) == 0
    taken[0].release()


def test_check_ends_a_run_whose_lease_was_taken(mongo: Mongo) -> None:
    lease = Lease.acquire(mongo, NAME, ttl_s=0.3)
    mongo.collection(LEASES).update_one({"_id": NAME}, {"$set": {"token": None}})

    def noticed() -> bool:
        try:
            lease.check()
        except LeaseLost:
            return True
        return False

    until(noticed)
    lease.release()


@pytest.mark.parametrize("years", [-30, 30])
def test_the_clients_clock_decides_nothing(mongo: Mongo, monkeypatch: pytest.MonkeyPatch, years: int) -> None:
    wrong = time.time() + years * 365 * 86400

    class WrongClock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> WrongClock:
            return cls.fromtimestamp(wrong, tz)

    monkeypatch.setattr("datactl.mongo.leases.datetime", WrongClock)
    monkeypatch.setattr(time, "time", lambda: wrong)
    with Lease.acquire(mongo, NAME) as lease:
        assert abs(row(mongo)["since"] - mongo.server_time()) < timedelta(minutes=1)
        with pytest.raises(Locked):
            Lease.acquire(mongo, NAME)
        Paused(lease)
        expire(mongo)
        with Lease.acquire(mongo, NAME) as taker:
            assert taker.epoch == 2


def test_a_heartbeat_from_the_future_is_a_clock_set_back(mongo: Mongo) -> None:
    lease = Paused(Lease.acquire(mongo, NAME)).lease
    ahead = datetime.now(UTC) + timedelta(days=1)
    mongo.collection(LEASES).update_one({"_id": NAME}, {"$set": {"beat": ahead, "expires": ahead}})
    with Lease.acquire(mongo, NAME) as taker:
        with pytest.raises(LeaseLost):
            mongo.transaction(lease.touch)
        mongo.transaction(taker.touch)


def test_attempts_of_one_run_and_its_heartbeat_do_not_conflict(mongo: Mongo) -> None:
    with Lease.acquire(mongo, NAME) as lease:
        one, two = Fence.create(lease, "one"), Fence.create(lease, "two")
        attempts = []

        def work(session: Any) -> None:
            attempts.append(session)
            one.touch(session)
            lease._beat()
            mongo.transaction(two.touch)

        mongo.transaction(work)
        assert len(attempts) == 1
        one.remove()
        assert {found["_id"] for found in mongo.collection(FENCES).find()} == {str(lease._token), "two"}


def test_a_holder_that_was_overtaken_before_its_first_fence_makes_none(mongo: Mongo) -> None:
    lease = Paused(Lease.acquire(mongo, NAME)).lease
    mongo.collection(FENCES).delete_many({})  # as far as it had come
    expire(mongo)
    with Lease.acquire(mongo, NAME) as taker:
        with pytest.raises(LeaseLost):
            open_first_fence(mongo, str(lease._token), NAME, lease.epoch, lease._claim)
        assert [found["_id"] for found in mongo.collection(FENCES).find()] == [str(taker._token)]


def test_a_fence_is_made_once_though_the_reply_to_its_commit_is_lost(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_reply(monkeypatch)
    with Lease.acquire(mongo, NAME) as lease:
        lose_the_reply(monkeypatch)
        fence = Fence.create(lease, "one")
        mongo.transaction(fence.touch)
        assert {found["_id"] for found in mongo.collection(FENCES).find()} == {str(lease._token), "one"}


def test_the_name_of_a_fence_is_not_used_twice(mongo: Mongo) -> None:
    with Lease.acquire(mongo, NAME) as lease, Lease.acquire(mongo, "archive:User") as other:
        Fence.create(lease, "one")
        with pytest.raises(DuplicateKey):
            Fence.create(other, "one")


def test_a_lease_that_is_held_is_not_free(mongo: Mongo) -> None:
    Lease.wait_until_free(mongo, NAME)
    with Lease.acquire(mongo, NAME, holder=Holder.here(actor="ada")), pytest.raises(Locked, match="ada"):
        Lease.wait_until_free(mongo, NAME)
    Lease.wait_until_free(mongo, NAME)
    Paused(Lease.acquire(mongo, NAME, ttl_s=1))
    Lease.wait_until_free(mongo, NAME, wait_s=30)


@pytest.fixture
def listening(mongo: Mongo, engine_uri: str) -> Iterator[Callable[[CommandListener], Mongo]]:
    """The same database as another process sees it, whose commands a listener is told."""
    opened: list[Mongo] = []

    def listen(listener: CommandListener) -> Mongo:
        client: MongoClient[dict[str, Any]] = MongoClient(
            engine_uri, event_listeners=[listener], tz_aware=True, retryWrites=False
        )
        opened.append(Mongo(client, client[mongo.database.name]))
        return opened[-1]

    yield listen
    for each in opened:
        each.close()


def test_one_of_two_that_find_it_free_takes_it(mongo: Mongo, listening: Callable[[CommandListener], Mongo]) -> None:
    """The other one came between the reading of the row and its writing: two holders of one epoch fence nobody."""
    with Lease.acquire(mongo, NAME):
        pass
    between = Between("find", LEASES)
    late = listening(between)
    first: list[Lease] = []
    between.act = lambda: first.append(Lease.acquire(mongo, NAME))
    with pytest.raises(Locked):
        Lease.acquire(late, NAME)
    mongo.transaction(first[0].touch)
    assert (row(mongo)["epoch"], row(mongo)["token"]) == (2, first[0]._token)
    first[0].release()


def test_a_holder_that_wakes_up_while_it_is_taken_over_keeps_it(
    mongo: Mongo, listening: Callable[[CommandListener], Mongo]
) -> None:
    holder = Paused(Lease.acquire(mongo, NAME)).lease
    expire(mongo)
    between = Between("find", LEASES)
    late = listening(between)
    between.act = holder._beat
    with pytest.raises(Locked):
        Lease.acquire(late, NAME)
    mongo.transaction(holder.touch)
    holder.release()


def test_giving_back_leaves_the_fences_of_the_next_holder(
    mongo: Mongo, listening: Callable[[CommandListener], Mongo]
) -> None:
    """Who waited has it before the one who gives it back has cleared its own fences away."""
    between = Between("update", LEASES)
    leaving = Lease.acquire(listening(between), NAME)
    Fence.create(leaving, "one")
    Paused(leaving)
    taken: list[Lease] = []
    between.act = lambda: taken.append(Lease.acquire(mongo, NAME))
    leaving.release()
    (taker,) = taken
    mongo.transaction(taker.touch)
    assert {found["_id"] for found in mongo.collection(FENCES).find()} >= {str(taker._token)}
    taker.release()
    assert mongo.collection(FENCES).count_documents({}) == 0


def test_a_fence_that_was_raised_is_not_for_its_maker_to_remove(mongo: Mongo) -> None:
    paused = Paused(Lease.acquire(mongo, NAME)).lease
    fence = Fence.create(paused, "one")
    expire(mongo)
    with Lease.acquire(mongo, NAME) as taker:
        fence.remove()
        raised = mongo.collection(FENCES).find_one({"_id": "one"})
        assert raised is not None
        assert raised["epoch"] == taker.epoch


def test_a_check_asks_for_itself_once_no_heartbeat_came_through(mongo: Mongo) -> None:
    """A heart that stands still, as in a process that was stopped, tells nothing."""
    lease = Paused(Lease.acquire(mongo, NAME, ttl_s=0.3)).lease
    first = row(mongo)["beat"]

    def renewed() -> bool:
        lease.check()
        return bool(row(mongo)["beat"] > first)

    until(renewed)
    mongo.collection(LEASES).update_one({"_id": NAME}, {"$set": {"token": None}})

    def noticed() -> bool:
        try:
            lease.check()
        except LeaseLost:
            return True
        return False

    until(noticed)
    lease.release()


def test_a_heartbeat_counts_from_when_it_was_sent(mongo: Mongo, listening: Callable[[CommandListener], Mongo]) -> None:
    """When its answer came tells nothing: the process may have been stopped between the two."""
    between = Between("update", LEASES)
    lease = Paused(Lease.acquire(listening(between), NAME)).lease
    answered: list[float] = []
    between.act = lambda: answered.append(time.monotonic())
    lease._beat()
    assert lease._beaten_at < answered[0]
    between.act = lambda: answered.append(time.monotonic())
    lease.release()
    between.act = lambda: answered.append(time.monotonic())
    again = Paused(Lease.acquire(lease.mongo, NAME)).lease
    assert again._beaten_at < answered[2]
    again.release()
