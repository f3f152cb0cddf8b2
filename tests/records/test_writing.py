"""Writing: what one transaction takes, what a change tells, and that no event stands without its change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from pymongo.client_session import ClientSession

from datactl.errors import DatactlError, DuplicateKey, PartlyDone, WriteConflict
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.records.actions import SoftDelete
from datactl.records.clock import ServerClock
from datactl.records.ledger import OPERATIONS
from datactl.records.operations import Context, new_op
from datactl.records.writing import Writer
from datactl.steps import Step, Watcher, When
from tests.records.blog import Blog

Events = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Repository]
MEGABYTE = 1024 * 1024


class Chunks(Watcher):
    """How far the operation had come at the beginning of each transaction."""

    def __init__(self) -> None:
        self.begun: list[int | None] = []

    def see(self, step: Step) -> None:
        if step.name == "chunk" and step.when is When.BEFORE:
            self.begun.append(step.done)


class Vanishing(SoftDelete):
    """Its documents are gone between the reading and the writing of one transaction."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(repository.model)
        self._collection = repository.collection

    def refusals(
        self, session: ClientSession | None, documents: Sequence[Mapping[str, Any]]
    ) -> Sequence[DatactlError | None]:
        self._collection.delete_one({"_id": documents[-1]["_id"]}, session=session)
        return [None] * len(documents)


def test_a_change_does_not_tell_secret_values(products: Repository) -> None:
    made = products.create({"name": "a", "price": 1, "token": "old", "supplier": {"name": "s", "password": "p"}})
    products.soft_delete(made["_id"])
    change = products.restore(made["_id"], set={"token": "new", "supplier.password": "q", "price": 2})
    assert change.before is not None
    assert change.after is not None
    assert (change.before["price"], change.after["price"]) == (1, 2)
    for values in (change.before, change.after):
        assert not values.keys() & {"token", "supplier.password", "supplier"}
    assert products.find_by_id(made["_id"], reveal=True)["token"] == "new"


def test_a_transaction_of_new_documents_holds_8_megabytes(repository: Make) -> None:
    """Of documents and of the events that hold them once more; or one larger document alone."""
    watch = Chunks()
    sizes = [2 * MEGABYTE - 1000, 2 * MEGABYTE - 1000, 5 * MEGABYTE, 1, 1]
    items = [{"_id": number, "v": "x" * size} for number, size in enumerate(sizes)]
    assert repository("Loose").create_many(items, watch=watch).changed == len(sizes)
    assert watch.begun == [0, 2, 3]


@pytest.mark.parametrize("number", [1, 20])
def test_no_event_without_its_change(products: Repository, mongo: Mongo, events: Events, number: int) -> None:
    ids = products.collection.insert_many([{"name": "a", "price": 1} for _ in range(number)]).inserted_ids
    writer = Writer(products.model, mongo, None)
    writer.prepare()
    context = Context(new_op(), "ann", None, ServerClock(mongo).now())
    with pytest.raises(WriteConflict, match=f"{number} documents of Product were read, {number - 1} were there"):
        mongo.transaction(lambda session: writer.change(session, Vanishing(products), ids, context))
    assert events() == []
    assert products.count() == number


@pytest.fixture
def strict_outbox(products: Repository, mongo: Mongo) -> Repository:
    """An outbox with a unique index of an application's: of each document one update, and no more."""
    made = products.create_many([{"name": f"{number}", "price": 1} for number in range(5)])
    assert made.changed == 5
    mongo.collection("outboxes").create_index([("aggregateId", 1), ("eventType", 1)], unique=True)
    products.update_one({"name": "3"}, {"price": 2})
    return products


def test_a_key_of_the_outbox_that_is_not_the_number_is_no_reason_to_try_again(strict_outbox: Repository) -> None:
    with pytest.raises(DuplicateKey) as caught:
        strict_outbox.update_one({"name": "3"}, {"price": 3})
    assert caught.value.details["index"] == "aggregateId_1_eventType_1"
    result = strict_outbox.update_many({}, {"price": 4})
    assert (result.changed, result.failures) == (4, 1)
    assert strict_outbox.mongo.collection(OPERATIONS).count_documents({"state": "done", "kind": "update"}) == 1


def only_once(mongo: Mongo, event: str) -> None:
    """An index of an application's: of each document one such event."""
    mongo.collection("outboxes").create_index(
        [("aggregateId", 1)], unique=True, partialFilterExpression={"eventType": event}
    )


def test_nor_in_a_group(blog: Blog, mongo: Mongo) -> None:
    """Such a key stands against one child: it is told, and the operation comes to its end."""
    author = blog.make("Author", name="a")
    posts = [blog.make("Post", title=f"{number}", author=author) for number in range(3)]
    blog.Post.soft_delete(posts[0])
    blog.Post.restore(posts[0])
    only_once(mongo, "PostDeleted")
    result = blog.Author.soft_delete_many(ids=[author])
    assert (result.changed, result.failures, result.along) == (1, 1, {"Post": {"deleted": 2}})
    assert blog.live("Post") == {posts[0]}


def test_nor_when_a_group_comes_back(blog: Blog, mongo: Mongo) -> None:
    author = blog.make("Author", name="a")
    posts = [blog.make("Post", title=f"{number}", author=author) for number in range(3)]
    blog.Post.soft_delete(posts[0])
    blog.Post.restore(posts[0])
    blog.Author.soft_delete(author)
    only_once(mongo, "PostRestored")
    with pytest.raises(PartlyDone) as caught:
        blog.Author.restore(author)
    assert [problem.where for problem in caught.value.problems] == [f"Post {posts[0]}"]
    assert blog.live("Post") == set(posts[1:])
