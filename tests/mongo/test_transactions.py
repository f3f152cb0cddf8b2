"""Transactions: all or nothing, tried again where the driver specification says so, and only there."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from pymongo import MongoClient, UpdateOne
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from datactl.errors import CannotConnect, DatabaseTimeout, NotFound, WriteConflict
from datactl.mongo import Mongo, mapping_errors, open_mongo, transactions
from datactl.steps import Step, Watcher
from tests.engines import TestEngine

UNKNOWN, TRANSIENT = "UnknownTransactionCommitResult", "TransientTransactionError"


class Seen(Watcher):
    def __init__(self) -> None:
        self.steps: list[Step] = []

    def see(self, step: Step) -> None:
        self.steps.append(step)


def labelled(error: PyMongoError, *labels: str) -> PyMongoError:
    for label in labels:
        error._add_error_label(label)
    return error


def test_all_or_nothing(mongo: Mongo) -> None:
    def work(session: Any) -> str:
        mongo.collection("a").insert_one({"_id": 1}, session=session)
        mongo.collection("b").insert_one({"_id": 1}, session=session)
        return "both"

    assert mongo.transaction(work) == "both"

    def failing(session: Any) -> None:
        mongo.collection("a").insert_one({"_id": 2}, session=session)
        raise NotFound("something else")

    with pytest.raises(NotFound):
        mongo.transaction(failing)

    def interrupted(session: Any) -> None:
        mongo.collection("a").insert_one({"_id": 3}, session=session)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mongo.transaction(interrupted)
    assert [row["_id"] for row in mongo.collection("a").find()] == [1]
    assert mongo.collection("b").count_documents({}) == 1


@pytest.mark.parametrize("how", ["update", "bulk", "client bulk", "mapped"])
def test_a_conflict_is_tried_again_from_a_new_snapshot(mongo: Mongo, how: str) -> None:
    rows = mongo.collection("rows")
    rows.insert_many([{"_id": 1, "n": 0}, {"_id": 2, "n": 0}])
    change = UpdateOne({"_id": 1}, {"$inc": {"n": 1}}, namespace=mongo.namespace("rows"))
    read: list[int] = []

    def work(session: Any) -> None:
        found = rows.find_one({"_id": 1}, session=session)
        assert found is not None
        read.append(found["n"])
        if len(read) == 1:
            rows.update_one({"_id": 1}, {"$inc": {"n": 10}})  # another writer, after our snapshot
        if how == "update":
            rows.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        elif how == "bulk":
            rows.bulk_write([UpdateOne({"_id": 1}, {"$inc": {"n": 1}})], session=session)
        elif how == "client bulk":
            mongo.bulk_write([change], session)
        else:
            with mapping_errors("writing"):
                rows.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)

    watch = Seen()
    mongo.transaction(work, watch=watch)
    assert read == [0, 10]
    assert [(step.name, step.done) for step in watch.steps] == [("transaction.retry", 1)]
    assert rows.find_one({"_id": 1}) == {"_id": 1, "n": 11}


def test_a_conflict_that_does_not_end_is_told_when_time_is_up(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "RETRY_LIMIT_S", 0.2)

    def work(session: Any) -> None:
        raise labelled(OperationFailure("WriteConflict", 112), TRANSIENT)

    with pytest.raises(WriteConflict):
        mongo.transaction(work)


def test_a_conflict_that_a_service_finds_is_not_tried_again(mongo: Mongo) -> None:
    tries = []

    def work(session: Any) -> None:
        tries.append(1)
        raise WriteConflict("changed since it was read")

    with pytest.raises(WriteConflict):
        mongo.transaction(work)
    assert tries == [1]


class TestCommit:
    """The outcomes of a commit, each given once in place of the server's."""

    @pytest.fixture
    def commits(self, monkeypatch: pytest.MonkeyPatch) -> list[PyMongoError]:
        from pymongo.client_session import ClientSession

        queued: list[PyMongoError] = []
        real = ClientSession.commit_transaction

        def commit(session: Any) -> None:
            real(session)
            if queued:
                raise queued.pop(0)

        monkeypatch.setattr(ClientSession, "commit_transaction", commit)
        return queued

    def insert(self, mongo: Mongo) -> list[int]:
        tries: list[int] = []

        def work(session: Any) -> None:
            tries.append(1)
            mongo.collection("rows").insert_one({"_id": len(tries)}, session=session)

        mongo.transaction(work)
        return tries

    def test_an_unknown_outcome_is_asked_again_and_not_done_twice(
        self, mongo: Mongo, commits: list[PyMongoError]
    ) -> None:
        commits += [labelled(AutoReconnect("lost"), UNKNOWN), labelled(OperationFailure("away", 91), UNKNOWN)]
        assert self.insert(mongo) == [1]
        assert commits == []
        assert mongo.collection("rows").count_documents({}) == 1

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (ServerSelectionTimeoutError("nobody"), CannotConnect),
            (OperationFailure("too slow", 50), DatabaseTimeout),
        ],
    )
    def test_an_outcome_that_stays_unknown_is_told_as_unknown(
        self, mongo: Mongo, commits: list[PyMongoError], error: PyMongoError, expected: type[Exception]
    ) -> None:
        commits.append(labelled(error, UNKNOWN))
        with pytest.raises(expected) as caught:
            self.insert(mongo)
        assert "may or may not" in str(caught.value)
        assert caught.value.details["outcome"] == "unknown"  # type: ignore[attr-defined]

    def test_an_outcome_is_not_asked_for_without_end(
        self, mongo: Mongo, monkeypatch: pytest.MonkeyPatch, commits: list[PyMongoError]
    ) -> None:
        monkeypatch.setattr(transactions, "RETRY_LIMIT_S", 0.1)
        answers = 20_000  # far more than the time allows
        commits += [labelled(OperationFailure("away", 91), UNKNOWN) for _ in range(answers)]
        with pytest.raises(CannotConnect, match="may or may not"):
            self.insert(mongo)
        assert 0 < len(commits) < answers

    def test_a_refused_commit_is_an_error(self, mongo: Mongo, commits: list[PyMongoError]) -> None:
        commits.append(OperationFailure("no", 4711))
        with pytest.raises(Exception, match="refused"):
            self.insert(mongo)


def test_it_asks_for_a_snapshot_and_commits_with_a_majority(engine_uri: str) -> None:
    class Listener(CommandListener):
        def __init__(self) -> None:
            self.sent: list[dict[str, Any]] = []

        def started(self, event: CommandStartedEvent) -> None:
            self.sent.append(dict(event.command))

        def succeeded(self, event: CommandSucceededEvent) -> None:
            pass

        def failed(self, event: CommandFailedEvent) -> None:
            pass

    listener = Listener()
    weak = engine_uri.replace("w=majority", "w=1")
    client: MongoClient[dict[str, Any]] = MongoClient(weak, event_listeners=[listener])
    with Mongo(client, client["shop"]) as mongo:
        mongo.transaction(lambda session: mongo.collection("rows").find_one({}, session=session))
    find, commit = listener.sent[:2]
    assert find["startTransaction"] is True
    assert find["readConcern"]["level"] == "snapshot"
    assert commit["commitTransaction"] == 1
    assert commit["writeConcern"] == {"w": "majority"}


def test_reads_in_it_are_one_snapshot(mongo: Mongo) -> None:
    rows = mongo.collection("rows")
    rows.insert_one({"_id": 1})

    def work(session: Any) -> tuple[int, int]:
        before = len(list(rows.find({}, session=session)))
        rows.insert_one({"_id": 2})
        return before, len(list(rows.find({}, session=session)))

    assert mongo.transaction(work) == (1, 1)


def test_a_server_that_goes_away_is_told_in_bounded_time(
    start_engine: Callable[..., TestEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()
    tries = []
    with open_mongo(engine.uri, "shop", timeout_s=0.5) as mongo:
        mongo.collection("rows").insert_one({"_id": 1})

        def work(session: Any) -> None:
            tries.append(time.monotonic())
            mongo.collection("rows").insert_one({"_id": 2}, session=session)
            engine.kill()
            mongo.collection("rows").insert_one({"_id": 3}, session=session)

        with pytest.raises(CannotConnect) as caught:
            mongo.transaction(work)
        assert caught.value.exit_code == 4
        assert len(tries) <= 3
    engine.start()
    with open_mongo(engine.uri, "shop") as mongo:
        assert [row["_id"] for row in mongo.collection("rows").find()] == [1]


def test_an_abort_does_not_look_long_for_a_server_that_is_gone(
    start_engine: Callable[..., TestEngine], caplog: pytest.LogCaptureFixture
) -> None:
    """The driver would look for as long as for any other command, and what went wrong is told after that."""
    engine = start_engine()
    allowed_ms = transactions._ABORT_LIMIT_S * 1000
    caplog.set_level(logging.DEBUG, logger="pymongo.serverSelection")
    with open_mongo(engine.uri, "shop", timeout_s=8 * transactions._ABORT_LIMIT_S) as mongo:

        def work(session: Any) -> None:
            mongo.collection("rows").insert_one({"_id": 1}, session=session)
            engine.kill()
            raise NotFound("something else")

        with pytest.raises(NotFound):
            mongo.transaction(work)
    told = [json.loads(record.getMessage()) for record in caplog.records]
    waits = [
        each["remainingTimeMS"]
        for each in told
        if each.get("operation") == "abortTransaction" and "remainingTimeMS" in each
    ]
    assert waits
    assert max(waits) <= allowed_ms


def test_a_server_that_comes_back_in_time_is_gone_on_with(start_engine: Callable[..., TestEngine]) -> None:
    engine = start_engine()
    tries = []
    with open_mongo(engine.uri, "shop", timeout_s=20) as mongo:

        def work(session: Any) -> None:
            tries.append(1)
            mongo.collection("rows").insert_one({"_id": 1}, session=session)
            if len(tries) == 1:
                engine.restart()
            mongo.collection("rows").insert_one({"_id": 2}, session=session)

        mongo.transaction(work)
        assert len(tries) == 2
        assert mongo.collection("rows").count_documents({}) == 2
