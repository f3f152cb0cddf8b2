"""A server that dies behind a commit: what it did is found, not done again, and told as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datactl.mongo import Mongo, open_mongo
from datactl.records import Repository
from datactl.records.fixing_marks import MarkFixer
from datactl.records.ledger import OPERATIONS
from datactl.records.undoing import Undoer
from datactl.schema import Registry
from datactl.steps import When
from tests.engines import TestEngine
from tests.records.blog import MODELS, Blog
from tests.records.replies import lose_every_reply, lose_one_reply
from tests.records.test_cascade import Meanwhile

Events = Callable[..., list[dict[str, Any]]]
NUMBER = 3


def seqs(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(row["eventType"], row["seq"]) for row in rows]


def ledger_row(mongo: Mongo, op: str) -> dict[str, Any]:
    row = mongo.collection(OPERATIONS).find_one({"_id": op})
    assert row is not None
    return row


def test_one_document(products: Repository, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_every_reply(monkeypatch)
    made = products.create({"name": "a", "price": 1})
    assert products.update_by_id(made["_id"], {"$inc": {"price": 1}})["price"] == 2
    first = products.update_one({"name": "a"}, {"$inc": {"price": 1}})
    assert first is not None
    assert first["price"] == 3
    for change in (products.soft_delete(made["_id"]), products.restore(made["_id"])):
        assert change.changed
        assert change.seq is not None
    words = ["Created", "Updated", "Updated", "Deleted", "Restored"]
    assert seqs(events()) == [(f"Product{word}", seq) for seq, word in enumerate(words, 1)]
    assert products.find_by_id(made["_id"])["price"] == 3


def test_many_documents(products: Repository, mongo: Mongo, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_every_reply(monkeypatch)
    items: list[dict[str, Any]] = [{"name": f"{n}", "price": n} for n in range(NUMBER)]
    made = products.create_many([*items, {"price": 1}])
    assert (made.changed, made.failures) == (NUMBER, 1)
    refused = products.create_many([{"price": 1}])
    assert (refused.changed, refused.failures) == (0, 1)
    raised = products.update_many({}, {"$inc": {"price": 10}})
    assert raised.changed == NUMBER
    assert sorted(each["price"] for each in products.find()) == [10, 11, 12]
    same = products.update_many({}, {"$max": {"price": 1}})  # no event, and yet the ledger moved
    assert (same.changed, same.unchanged, same.position) == (0, NUMBER, NUMBER)
    gone = products.soft_delete_many(filter={})
    back = products.restore_many(filter={})
    assert (gone.changed, back.changed) == (NUMBER, NUMBER)
    for result in (made, refused, raised, same, gone, back):
        row = ledger_row(mongo, result.op)
        assert (row["state"], row["position"], row["counts"]["changed"]) == ("done", result.matched, result.changed)
    assert len(events()) == 4 * NUMBER


def test_marks_that_are_stamped(
    products: Repository, mongo: Mongo, events: Events, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    products.collection.insert_many([{"name": "a", "price": 1, "deleted": True} for _ in range(NUMBER)])
    lose_every_reply(monkeypatch)
    result = MarkFixer(products.model, mongo, actor="ann", event_key=None, spool_dir=tmp_path).run(reason=None)
    assert result is not None
    assert result.changed == NUMBER
    assert len(events()) == NUMBER


def test_a_group(blog: Blog, mongo: Mongo, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cascade, nullify, the restore of the group, and the undo of what nullify emptied."""
    author = blog.make("Author", name="a")
    posts = [blog.make("Post", title=f"{n}", author=author) for n in range(NUMBER)]
    badge = blog.make("Badge", name="b", owners=[author])
    lose_every_reply(monkeypatch)
    deleted = blog.Author.soft_delete(author)
    assert deleted.changed
    assert deleted.along == {"Post": {"deleted": NUMBER}, "Badge": {"emptied": 1}}
    assert blog.Badge.find_by_id(badge)["owners"] == []
    assert len(events(op=deleted.op)) == NUMBER + 2
    restored = blog.Author.restore(author)
    assert restored.changed
    assert restored.along == {"Post": {"restored": NUMBER}}
    assert blog.live("Post") == set(posts)
    assert len(events(op=restored.op)) == NUMBER + 1
    undoer = Undoer(mongo, MODELS, actor="ann")
    undone = undoer.undo(undoer.plan(deleted.op))
    assert undone.fates == {"already so": NUMBER + 1, "undone": 1}
    assert blog.Badge.find_by_id(badge)["owners"] == [author]
    assert len(events(op=undone.op)) == 1
    again = undoer.undo(undoer.plan(undone.op))
    assert again.fates == {"undone": 1}


def test_a_deletion_that_is_taken_back(blog: Blog, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """What restricts came in behind the mark: each of the two is done once."""
    author = blog.make("Author", name="a")
    lose_every_reply(monkeypatch)
    watch = Meanwhile("chunk", When.AFTER, lambda: blog.make("Comment", by=author))
    result = blog.Author.soft_delete_many(ids=[author], watch=watch)
    assert (result.changed, result.failures) == (0, 1)
    assert [each["eventType"] for each in events(aggregateId=author)] == ["AuthorDeleted", "AuthorRestored"]


@pytest.fixture
def dying(start_engine: Callable[..., TestEngine]) -> TestEngine:
    return start_engine()


@pytest.fixture
def products_of_it(dying: TestEngine, tmp_path: Path, registry: Registry) -> Iterator[Repository]:
    with open_mongo(dying.uri, "dying") as mongo:
        yield Repository(registry.model("Product"), mongo, registry, spool_dir=tmp_path / "spool")


def test_an_engine_that_is_killed_behind_a_commit(
    dying: TestEngine, products_of_it: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one, by SIGKILL, after each kind of change; it is up again when the driver asks."""
    products = products_of_it

    def lose() -> None:
        lose_one_reply(monkeypatch, dying.restart)

    lose()
    made = products.create({"name": "a", "price": 1})
    lose()
    assert products.update_by_id(made["_id"], {"$inc": {"price": 1}})["price"] == 2
    lose()
    assert products.update_many({}, {"$inc": {"price": 10}}).changed == 1
    lose()
    assert products.soft_delete(made["_id"]).changed
    lose()
    assert products.restore(made["_id"]).changed
    assert [each["price"] for each in products.find()] == [12]
    words = ["Created", "Updated", "Updated", "Deleted", "Restored"]
    rows = list(products.mongo.collection("outboxes").find().sort("seq", 1))
    assert seqs(rows) == [(f"Product{word}", seq) for seq, word in enumerate(words, 1)]
    assert [row["state"] for row in products.mongo.collection(OPERATIONS).find()] == ["done"]
