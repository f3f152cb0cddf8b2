"""The connection: opened within bounded time or refused with a reason, and what it is asked for."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pymongo import DeleteOne, InsertOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, InvalidURI

from datactl.errors import (
    AuthenticationFailed,
    CannotConnect,
    ConfigError,
    DuplicateKey,
    NoTransactions,
    UsageError,
    WeakDurability,
)
from datactl.mongo import META, BulkCounts, Capabilities, Mongo, mapping_errors, open_mongo
from tests.engines import TestEngine


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port on which nobody listens, kept from others for the time of the test."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class TestOpening:
    def test_the_database_is_the_argument_else_the_uris_else_test(self, engine_uri: str) -> None:
        named = engine_uri.replace("/?", "/shop?")
        for uri, database, expected in (
            (named, "other", "other"),
            (named, None, "shop"),
            (engine_uri, None, "test"),
        ):
            with open_mongo(uri, database) as mongo:
                assert mongo.database.name == expected
                assert mongo.where == re.sub(r"mongodb://([^/]+)/.*", rf"\1/{expected}", uri)

    def test_nobody_there(self, dead_port: int) -> None:
        with pytest.raises(CannotConnect) as caught:
            open_mongo(f"mongodb://ada:s3cret@127.0.0.1:{dead_port}/shop", None, timeout_s=0.3)
        assert caught.value.exit_code == 4
        assert f"127.0.0.1:{dead_port}" in str(caught.value)
        assert "s3cret" not in str(caught.value.as_dict())

    def test_somebody_who_never_answers(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            port = mute.getsockname()[1]
            with pytest.raises(CannotConnect):
                open_mongo(f"mongodb://127.0.0.1:{port}/", None, timeout_s=0.5)

    def test_a_wrong_password(self, start_engine: Callable[..., TestEngine]) -> None:
        engine = start_engine("--auth")
        uri = engine.uri.replace("//", "//ada:s3cret@")
        with pytest.raises(AuthenticationFailed) as caught:
            open_mongo(uri, "shop")
        assert caught.value.exit_code == 4
        assert "s3cret" not in str(caught.value.as_dict())

    @pytest.mark.parametrize(
        "uri",
        [
            "http://localhost",
            "mongodb://",
            "mongodb://ada:s3cret@",
            "ada:s3cret%40pw@localhost",
            "mongodb://ada:s3cret/p@localhost",
            "mongodb://ada:s3cret@pw@localhost",
            "mongodb://ada:12/s3cret@localhost",
            "mongodb://ada:12/s3cret.x@localhost",
            "mongodb://ada:s3cret%@localhost",
            "mongodb://ada:s3cret@localhost:notaport",
            "mongodb://ada:s3cret@localhost/?w=-3",
            "mongodb://ada:s3cret@localhost/?authMechanism=NOPE",
            "mongodb://ada:s3cret@localhost/?directConnection=true&directConnection",
            "mongodb://ada:s3cret@localhost/sh$op.x",
        ],
    )
    def test_a_uri_that_cannot_be_read(self, uri: str) -> None:
        with pytest.raises(UsageError) as caught:
            open_mongo(uri, None, timeout_s=0.2)
        assert caught.value.exit_code == 2
        assert "s3cret" not in str(caught.value.as_dict())
        assert caught.value.why

    @pytest.mark.parametrize("kind", [ValueError, TypeError, InvalidURI, ConfigurationError])
    def test_no_password_is_told_even_if_the_driver_tells_it(
        self, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
    ) -> None:
        def tell(uri: str, **_: Any) -> None:
            raise kind(f"bad: {uri} s3%40cret s3@cret")

        monkeypatch.setattr("datactl.mongo.connection.MongoClient", tell)
        with pytest.raises(ConfigError) as caught:
            open_mongo("mongodb://ada:s3%40cret@localhost", None)
        assert "cret" not in str(caught.value.as_dict())
        assert "bad" in str(caught.value)

    def test_an_option_of_other_drivers_is_ignored(self, engine_uri: str) -> None:
        with open_mongo(engine_uri + "&monitorCommands=true", None) as mongo:
            mongo.ping()

    def test_limits_that_the_uri_gives_are_kept(self, engine_uri: str) -> None:
        with open_mongo(engine_uri + "&socketTimeoutMS=1234&serverSelectionTimeoutMS=4321", None) as mongo:
            options = mongo.client.options
            assert options.pool_options.socket_timeout == 1.234
            assert options.server_selection_timeout == 4.321


class TestDurability:
    @pytest.mark.parametrize(
        ("options", "local", "weakness"),
        [
            ("", False, None),
            ("w=majority", False, None),
            ("retryWrites=false", False, None),
            ("w=majority&journal=true&readConcernLevel=majority", False, None),
            ("readConcernLevel=snapshot", False, None),
            ("w=1&journal=true", True, None),
            ("w=0", False, "w=0"),
            ("w=1", False, "w=1"),
            ("w=1&journal=true", False, "w=1"),
            ("w=1", True, "w=1"),
            ("w=0", True, "w=0"),
            ("w=3", False, "w=3"),
            ("w=majority&journal=false", False, "journal=false"),
            ("readConcernLevel=local", False, "readConcernLevel=local"),
            ("readConcernLevel=available", False, "readConcernLevel=available"),
            ("readPreference=secondary", False, "readPreference=secondary"),
            ("readPreference=nearest", False, "readPreference=nearest"),
        ],
    )
    def test_a_uri_that_weakens_is_refused_by_what_changes_data(
        self, engine_uri: str, options: str, local: bool, weakness: str | None
    ) -> None:
        uri = f"{engine_uri.partition('?')[0]}?{'&'.join(filter(None, ['directConnection=true', options]))}"
        with open_mongo(uri, "shop", local=local) as mongo:
            assert mongo.weakness() == weakness
            if weakness is None:
                mongo.require_transactions()
            else:
                with pytest.raises(WeakDurability, match=re.escape(weakness)) as caught:
                    mongo.require_transactions()
                assert caught.value.exit_code == 4
            assert mongo.collection("posts").count_documents({}) == 0

    def test_a_standalone_is_refused_with_the_remedy_and_still_read(self, standalone_uri: str) -> None:
        with open_mongo(standalone_uri, "shop") as mongo:
            assert mongo.capabilities.topology == "standalone"
            assert not mongo.capabilities.change_streams
            assert not mongo.capabilities.transactions
            with pytest.raises(NoTransactions) as caught:
                mongo.require_transactions()
            assert caught.value.exit_code == 4
            assert "rs.initiate()" in str(caught.value.next)
            with pytest.raises(NoTransactions):
                mongo.transaction(lambda session: mongo.collection("posts").insert_one({}, session=session))
            assert list(mongo.collection("posts").find()) == []
            assert mongo.database.list_collection_names() == []


class TestCapabilities:
    def test_of_the_engine_at_hand(self, mongo: Mongo, engine_kind: str) -> None:
        found = mongo.capabilities
        assert found.server_version == "8.2.11"
        assert found.server_kind == f"secantusd-{engine_kind}"
        assert (found.topology, found.set_name, found.wire_version) == ("replica_set", "secantus", 27)
        assert (found.transactions, found.client_bulk_write, found.change_streams) == (True, True, True)
        assert found.text_index is False
        assert found.in_chunk == (100 if engine_kind == "py" else 1000)
        assert mongo.database.list_collection_names() == []

    def test_a_server_that_keeps_what_was_aborted_has_no_transactions(
        self, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scratch = mongo.collection(META)
        monkeypatch.setattr("pymongo.client_session.ClientSession.abort_transaction", _commit_instead)
        found = Capabilities(mongo.client, scratch)
        assert found.transactions_refusal == "an aborted transaction was kept"
        assert scratch.count_documents({}) == 0


def _commit_instead(session: Any) -> None:
    session.commit_transaction()


class TestAsking:
    def test_the_servers_clock_is_aware_and_moves(self, mongo: Mongo) -> None:
        first, second = mongo.server_time(), mongo.server_time()
        assert first.utcoffset() == timedelta(0)
        assert first <= second

    def test_the_cursor_key_of_one_that_came_second(self, mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
        made = b"k" * 32
        real = Collection.find_one
        answers = [None]

        def too_early(rows: Any, *args: Any, **options: Any) -> Any:
            if answers:
                mongo.collection(META).insert_one({"_id": "cursor_key", "key": made})
                return answers.pop()
            return real(rows, *args, **options)

        monkeypatch.setattr(Collection, "find_one", too_early)
        assert mongo.cursor_key == made

    def test_the_cursor_key_is_made_once_for_all(self, mongo: Mongo, engine_uri: str) -> None:
        barrier = threading.Barrier(4)

        def ask(_: int) -> bytes:
            with open_mongo(engine_uri, mongo.database.name) as other:
                barrier.wait()
                return other.cursor_key

        with ThreadPoolExecutor(4) as pool:
            keys = set(pool.map(ask, range(4)))
        assert keys == {mongo.cursor_key}
        assert len(mongo.cursor_key) == 32


class TestBulkWrite:
    @pytest.fixture(params=["client bulkWrite", "by collection"])
    def writer(self, request: pytest.FixtureRequest, mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> Mongo:
        if request.param == "by collection":
            monkeypatch.setattr(Capabilities, "wire_version", 21)
            assert not mongo.capabilities.client_bulk_write
        return mongo

    def models(self, mongo: Mongo) -> list[Any]:
        posts, outbox = mongo.namespace("posts"), mongo.namespace("outboxes")
        return [
            InsertOne({"_id": 1}, namespace=posts),
            InsertOne({"_id": 1}, namespace=outbox),
            UpdateOne({"_id": 1}, {"$set": {"a": 1}}, namespace=posts),
            InsertOne({"_id": 2}, namespace=posts),
            DeleteOne({"_id": 2}, namespace=posts),
        ]

    def test_it_may_open_a_transaction(self, writer: Mongo) -> None:
        counts = writer.transaction(lambda session: writer.bulk_write(self.models(writer), session))
        assert counts == BulkCounts(inserted=3, matched=1, modified=1, deleted=1)
        assert list(writer.collection("posts").find()) == [{"_id": 1, "a": 1}]
        assert list(writer.collection("outboxes").find()) == [{"_id": 1}]

    def test_without_a_transaction_and_with_nothing_to_do(self, writer: Mongo) -> None:
        assert writer.bulk_write([]) == BulkCounts()
        assert writer.bulk_write(self.models(writer)).inserted == 3

    def test_its_first_error_undoes_the_transaction(self, writer: Mongo) -> None:
        writer.collection("outboxes").insert_one({"_id": 1})
        with pytest.raises(DuplicateKey) as caught:
            writer.transaction(lambda session: writer.bulk_write(self.models(writer), session))
        assert caught.value.details["collection"] == "outboxes"
        assert writer.collection("posts").count_documents({}) == 0


def test_a_model_without_a_namespace_is_refused(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Capabilities, "wire_version", 21)
    with pytest.raises(UsageError):
        mongo.bulk_write([InsertOne({"_id": 1})])


def test_a_server_that_goes_away_ends_reading_in_bounded_time(start_engine: Callable[..., TestEngine]) -> None:
    engine = start_engine()
    with open_mongo(engine.uri, "shop", timeout_s=0.5) as mongo:
        mongo.collection("posts").insert_many([{"_id": n} for n in range(500)])
        rows = mongo.collection("posts").find(batch_size=100)
        next(rows)
        engine.kill()
        with pytest.raises(CannotConnect), mapping_errors("reading posts"):
            list(rows)
        with pytest.raises(CannotConnect):
            mongo.server_time()
    engine.start()
    with open_mongo(engine.uri, "shop") as mongo:
        assert mongo.collection("posts").count_documents({}) == 500


def test_the_configuration_error_of_a_server_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError), mapping_errors("connecting"):
        raise ConfigurationError("Server at x:1 reports wire version 4, but this version of PyMongo requires 8")
