"""Other writers: each change stands on what is really there, and no event is lost, doubled or out of order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from datactl.errors import Conflict, PreconditionFailed
from datactl.mongo import Mongo, open_mongo
from datactl.records import Repository
from datactl.schema import Registry
from datactl.steps import Step, Watcher, When

Events = Callable[..., list[dict[str, Any]]]


def run_together(*works: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_increments_of_several_repositories_are_all_there(
    products: Repository, registry: Registry, engine_uri: str, events: Events
) -> None:
    made = products.create({"name": "x", "price": 0})

    def worker() -> None:
        with open_mongo(engine_uri, products.mongo.database.name) as mongo:
            own = Repository(registry.model("Product"), mongo, registry)
            for _ in range(10):
                own.update_by_id(made["_id"], {"$inc": {"price": 1}})

    run_together(worker, worker, worker)
    assert products.find_by_id(made["_id"])["price"] == 30
    rows = events()
    assert [row["seq"] for row in rows] == list(range(1, 32))
    assert [row["payload"]["after"]["price"] for row in rows[1:]] == list(range(1, 31))
    assert [row["payload"]["before"]["price"] for row in rows[1:]] == list(range(30))


class Interrupting(CommandListener):
    """Lets somebody else write once, after the transaction has read the documents and before it writes."""

    def __init__(self, before: str, act: Callable[[], Any]) -> None:
        self._before = before
        self._act: Callable[[], Any] | None = act

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == self._before and self._act is not None:
            act, self._act = self._act, None
            act()

    def succeeded(self, event: Any) -> None: ...
    def failed(self, event: Any) -> None: ...


@pytest.fixture
def interrupted(engine_uri: str, products: Repository, registry: Registry) -> Iterator[Callable[..., Repository]]:
    """`interrupted(command, act)`: a repository whose first `command` is preceded by `act`."""
    opened: list[Mongo] = []

    def make(command: str, act: Callable[[], Any]) -> Repository:
        client: MongoClient[dict[str, Any]] = MongoClient(
            engine_uri, event_listeners=[Interrupting(command, act)], tz_aware=True, uuidRepresentation="standard"
        )
        opened.append(Mongo(client, client[products.mongo.database.name]))
        return Repository(registry.model("Product"), opened[-1], registry)

    yield make
    for mongo in opened:
        mongo.close()


def test_a_foreign_write_in_between_is_read_again(
    products: Repository, interrupted: Callable[..., Repository], events: Events
) -> None:
    """An application that knows nothing of datactl changes the price between our reading and our writing."""
    made = products.create({"name": "x", "price": 1})
    other = interrupted(
        "bulkWrite", lambda: products.collection.update_one({"_id": made["_id"]}, {"$set": {"price": 50}})
    )
    other.update_by_id(made["_id"], {"price": 2})
    assert events()[1]["payload"]["before"]["price"] == 50
    assert len(events()) == 2


def test_a_document_restored_in_between_is_not_marked_with_stale_values(
    products: Repository, interrupted: Callable[..., Repository], events: Events
) -> None:
    made = products.create({"name": "x", "price": 1})
    other = interrupted("bulkWrite", lambda: products.soft_delete(made["_id"], reason="first"))
    change = other.soft_delete(made["_id"], reason="second")
    assert not change.changed
    assert products.find_by_id(made["_id"], include_deleted=True)["deleteReason"] == "first"
    assert len(events()) == 2


def test_if_match_holds_until_the_write(
    products: Repository, interrupted: Callable[..., Repository], events: Events
) -> None:
    made = products.create({"name": "x", "price": 1})
    tag = products.etag(made["_id"])
    other = interrupted("bulkWrite", lambda: products.update_by_id(made["_id"], {"price": 7}))
    with pytest.raises(PreconditionFailed):
        other.update_by_id(made["_id"], {"price": 2}, if_match=tag)
    assert products.find_by_id(made["_id"])["price"] == 7


def test_two_creations_of_one_id(products: Repository, interrupted: Callable[..., Repository], events: Events) -> None:
    wanted = ObjectId()
    other = interrupted("bulkWrite", lambda: products.create({"_id": wanted, "name": "first", "price": 1}))
    with pytest.raises(Conflict):
        other.create({"_id": wanted, "name": "second", "price": 1})
    assert [row["seq"] for row in events()] == [1]
    assert products.find_by_id(wanted)["name"] == "first"


def test_a_foreign_writer_all_through_a_bulk_delete_loses_no_edit(products: Repository, events: Events) -> None:
    """An edit before the mark is in the document that is marked; each document has one event."""
    products.collection.insert_many([{"_id": ObjectId(), "name": "x", "price": 0} for _ in range(1500)])
    ids = [document["_id"] for document in products.find()]
    done = threading.Event()
    edits: dict[ObjectId, int] = {}

    class Until(Watcher):
        def see(self, step: Step) -> None:
            if step.name == "ledger.close" and step.when is When.BEFORE:
                done.set()

    def foreign() -> None:
        number = 0
        while not done.is_set():
            edited = ids[number * 7 % len(ids)]
            number += 1
            products.collection.update_one({"_id": edited}, {"$inc": {"price": 1}})
            edits[edited] = edits.get(edited, 0) + 1

    results: list[Any] = []

    def delete() -> None:
        try:
            results.append(products.soft_delete_many(filter={}, watch=Until()))
        finally:
            done.set()

    run_together(foreign, delete)
    assert results[0].changed == 1500
    assert edits
    assert {document["_id"]: document["price"] for document in products.find_deleted() if document["price"]} == edits
    assert len(events(op=results[0].op)) == 1500


class Counting(CommandListener):
    def __init__(self) -> None:
        self.commands: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(event.command_name)

    def succeeded(self, event: Any) -> None: ...
    def failed(self, event: Any) -> None: ...


def test_round_trips(engine_uri: str, products: Repository, registry: Registry) -> None:
    """A change is as few commands as it can be: reads, one bulkWrite, one commit."""
    counting = Counting()
    client: MongoClient[dict[str, Any]] = MongoClient(engine_uri, event_listeners=[counting], tz_aware=True)
    with Mongo(client, client[products.mongo.database.name]) as mongo:
        own = Repository(registry.model("Product"), mongo, registry)
        made = own.create({"name": "x", "price": 1})  # the first asks what the server can do

        def commands(work: Callable[[], Any]) -> list[str]:
            counting.commands.clear()
            work()
            return list(counting.commands)

        assert commands(lambda: own.create({"name": "x", "price": 1})) == ["find", "bulkWrite", "commitTransaction"]
        change = ["find", "find", "bulkWrite", "commitTransaction"]
        assert commands(lambda: own.soft_delete(made["_id"])) == change
        assert commands(lambda: own.soft_delete(made["_id"])) == ["find", "commitTransaction"]
        assert commands(lambda: own.restore(made["_id"]))[-3:] == change[-3:]
        assert commands(lambda: own.update_by_id(made["_id"], {"price": 5})) == [*change[:3], "find", change[3]]
        assert commands(lambda: own.find_with_pagination()) == ["aggregate", "find"]
