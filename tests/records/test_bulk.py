"""Bulk work: frozen ids, chunks, stopping, resuming, and what happens in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.errors import DatabaseError, Declined, Locked, NotFound, UsageError
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.records.ledger import Ledger, last_runs
from datactl.steps import Step, Watcher, When

Events = Callable[..., list[dict[str, Any]]]


class At(Watcher):
    """Does something at one step, the n-th time, and may ask to stop then."""

    def __init__(self, name: str, when: When, nth: int = 1, act: Callable[[], None] | None = None) -> None:
        self.steps: list[Step] = []
        self._at = (name, when, nth)
        self._act = act
        self._stop = False
        self._stops = act is None

    def see(self, step: Step) -> None:
        self.steps.append(step)
        name, when, nth = self._at
        if step.name == name and step.when == when and len(self.of(name, when)) == nth:
            self._stop = self._stops
            if self._act is not None:
                self._act()

    def stopping(self) -> bool:
        return self._stop

    def of(self, name: str, when: When) -> list[Step]:
        return [step for step in self.steps if (step.name, step.when) == (name, when)]


@pytest.fixture
def many(products: Repository) -> Repository:
    """1,100 products: three chunks."""
    products.collection.insert_many([{"name": "x", "price": number} for number in range(1100)])
    return products


def agreed(products: Repository, events: Events, op: str, count: int) -> None:
    """So many documents carry the operation's mark, and each has exactly its event."""
    marked = [document["_id"] for document in products.find_deleted({"deletedOp": op})]
    assert len(marked) == count
    rows = events(op=op)
    assert [row["aggregateId"] for row in rows] == sorted(marked)
    assert {row["seq"] for row in rows} <= {1}


def test_steps_and_ledger(many: Repository, events: Events, mongo: Mongo, tmp_path: Path) -> None:
    watch = At("none", When.BEFORE)
    result = many.soft_delete_many(filter={}, reason="all", watch=watch)
    assert (result.matched, result.changed, result.stopped, result.left) == (1100, 1100, False, 0)
    agreed(many, events, result.op, 1100)
    told = [
        (step.name, str(step.when), step.done, step.total) for step in watch.steps if step.name != "transaction.retry"
    ]
    chunk = [("chunk", "before"), ("chunk", "after"), ("mark", "progress")]
    edges = [("spool", "before"), ("spool", "after"), ("ledger.open", "before"), ("ledger.open", "after")]
    assert [(name, when) for name, when, _, _ in told] == [
        *edges,
        *chunk * 3,
        ("ledger.close", "before"),
        ("ledger.close", "after"),
    ]
    assert [(done, total) for name, _, done, total in told if name == "mark"] == [
        (500, 1100),
        (1000, 1100),
        (1100, 1100),
    ]
    (run,) = last_runs(mongo, "Product")
    assert (run.op, run.kind, run.state, run.actor, run.reason) == (result.op, "soft_delete", "done", "ann", "all")
    assert run.counts == {"matched": 1100, "changed": 1100, "unchanged": 0, "failed": 0}
    assert run.ended_at is not None
    assert list((tmp_path / "spool").iterdir()) == []


def test_stopping_and_going_on(many: Repository, events: Events, mongo: Mongo, tmp_path: Path) -> None:
    result = many.soft_delete_many(filter={}, reason="all", watch=At("chunk", When.AFTER))
    assert (result.changed, result.stopped, result.left) == (500, True, 600)
    agreed(many, events, result.op, 500)
    (run,) = last_runs(mongo)
    assert run.state == "stopped"
    spooled = list((tmp_path / "spool").rglob("*.bson"))
    assert spooled
    assert {path.stat().st_mode & 0o777 for path in spooled} == {0o600}
    many.collection.insert_one({"name": "late", "price": 1})
    resumed = many.resume_bulk(result.op)
    assert (resumed.op, resumed.matched, resumed.changed, resumed.left) == (result.op, 1100, 1100, 0)
    agreed(many, events, result.op, 1100)
    assert [document["name"] for document in many.find()] == ["late"]
    assert many.resume_bulk(result.op) == resumed
    agreed(many, events, result.op, 1100)
    (run,) = last_runs(mongo)
    assert run.state == "done"


def test_giving_the_command_again_does_nothing_twice(many: Repository, events: Events) -> None:
    first = many.soft_delete_many(filter={}, watch=At("chunk", When.AFTER))
    second = many.soft_delete_many(filter={})
    assert (second.matched, second.changed) == (600, 600)
    agreed(many, events, first.op, 500)
    agreed(many, events, second.op, 600)
    late = many.resume_bulk(first.op)  # the rest of the first finds everything marked
    assert (late.changed, late.unchanged, late.left) == (500, 600, 0)
    assert len(events()) == 1100


def test_a_document_that_no_longer_matches_is_left(many: Repository, events: Events) -> None:
    def meanwhile() -> None:
        many.collection.update_many({"price": {"$in": [1050, 1051]}}, {"$set": {"price": -1}})
        many.collection.delete_one({"price": 1052})

    result = many.soft_delete_many(filter={"price": {"$gte": 0}}, watch=At("chunk", When.AFTER, act=meanwhile))
    assert (result.matched, result.changed, result.unchanged, result.failures) == (1100, 1097, 3, 0)
    agreed(many, events, result.op, 1097)


def test_a_frozen_operation_knows_its_update(many: Repository, events: Events) -> None:
    result = many.update_many({}, {"$inc": {"price": 5}, "$push": {"tags": "up"}}, watch=At("chunk", When.AFTER))
    assert result.left > 0
    done = many.resume_bulk(result.op)
    assert done.changed == 1100
    assert sorted(document["price"] for document in many.find()) == list(range(5, 1105))
    assert {tuple(document["tags"]) for document in many.find()} == {("up",)}
    assert len(events(op=result.op)) == 1100


def test_two_at_once_do_not_both_go_on(many: Repository, events: Events, mongo: Mongo) -> None:
    result = many.soft_delete_many(filter={}, watch=At("chunk", When.AFTER))
    with pytest.raises(Locked, match=result.op):
        many.resume_bulk(result.op, watch=At("chunk", When.BEFORE, act=lambda: finished(many, result.op)))
    agreed(many, events, result.op, 1100)
    (run,) = last_runs(mongo)
    assert run.state == "done"  # the one that lost does not say how it ended


def test_what_is_done_meanwhile_is_not_begun_again(many: Repository, mongo: Mongo) -> None:
    """Another process finishes between the look at the row and the resumption."""
    result = many.soft_delete_many(filter={}, watch=At("chunk", When.AFTER))
    ledger = Ledger(mongo)
    row = ledger.get(result.op)
    many.resume_bulk(result.op)
    for position in (row["position"], 1100):
        with pytest.raises(Locked, match=result.op):
            ledger.resumed(result.op, row["startedAt"], position=position)
    assert ledger.get(result.op)["state"] == "done"


def finished(products: Repository, op: str) -> None:
    products.resume_bulk(op)


def test_what_cannot_be_resumed(many: Repository, repository: Callable[..., Repository], tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no operation"):
        many.resume_bulk("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    result = many.soft_delete_many(filter={}, watch=At("chunk", When.AFTER))
    with pytest.raises(UsageError, match="of Product"):
        repository("Category").resume_bulk(result.op)
    for path in (tmp_path / "spool" / result.op).iterdir():
        path.unlink()
    with pytest.raises(NotFound, match="are not here"):
        many.resume_bulk(result.op)


def test_an_error_is_recorded(many: Repository, mongo: Mongo) -> None:
    def spoil() -> None:
        raise DatabaseError("the server is unwell")

    with pytest.raises(DatabaseError, match="unwell"):
        many.soft_delete_many(filter={}, watch=At("chunk", When.AFTER, act=spoil))
    (run,) = last_runs(mongo)
    assert run.state == "failed"


def test_an_error_of_one_that_was_overtaken_is_not_recorded(many: Repository, mongo: Mongo) -> None:
    def overtaken() -> None:
        mongo.collection("datactl_ops").update_one({}, {"$inc": {"position": 1}})
        raise DatabaseError("the server is unwell")

    with pytest.raises(DatabaseError, match="unwell"):
        many.soft_delete_many(filter={}, watch=At("chunk", When.BEFORE, act=overtaken))
    assert last_runs(mongo)[0].state == "running"


def test_one_bad_document_does_not_hold_up_the_others(many: Repository, events: Events) -> None:
    """The server refuses one update of a chunk: the chunk is made smaller until that document stands alone."""
    many.collection.create_index("sku", unique=True, sparse=True)
    many.collection.update_one({"price": 777}, {"$set": {"sku": "taken"}})
    result = many.update_many({"price": {"$in": [700, 777]}}, {"sku": "taken"})
    assert (result.changed, result.unchanged, result.failures) == (0, 1, 1)
    assert result.failed[0].code == "duplicate_key"
    assert events(op=result.op) == []
    many.collection.update_many({}, {"$unset": {"sku": ""}})
    many.collection.update_one({"price": 600}, {"$set": {"inventory": {"quantity": 1}}})
    lowered = many.update_many({}, {"$inc": {"inventory.quantity": -1}})
    assert (lowered.changed, lowered.failures) == (1, 1099)
    assert len(events(op=lowered.op)) == 1


def test_large_documents_make_small_transactions(repository: Callable[..., Repository], events: Events) -> None:
    loose = repository("Loose")
    loose.collection.insert_many([{"_id": number, "v": "x" * 3_000_000} for number in range(7)])
    watch = At("none", When.BEFORE)
    result = loose.soft_delete_many(filter={}, watch=watch)
    assert result.changed == 7
    assert [step.done for step in watch.of("mark", When.PROGRESS)] == [2, 4, 6, 7]
    assert len(events(op=result.op)) == 7
    assert loose.restore_many(filter={}).changed == 7
    changed = loose.update_many({}, {"$set": {"v": "y" * 3_000_000}})
    assert changed.changed == 7
    assert {row["payload"]["after"]["v"][0] for row in events(op=changed.op)} == {"y"}


def test_an_id_of_null_is_an_id(repository: Callable[..., Repository], events: Events) -> None:
    """First in the first chunk, first in the second, and alone."""
    loose = repository("Loose")
    for ids in ([None, *range(700)], [*range(500), None, *range(500, 700)], [None]):
        loose.collection.delete_many({})
        loose.collection.insert_many([{"_id": each, "v": 0} for each in ids])
        result = loose.soft_delete_many(filter={})
        assert (result.matched, result.changed, result.left, result.stopped) == (len(ids), len(ids), 0, False)
        assert loose.count() == 0
        assert len(events(op=result.op)) == len(ids)


def test_it_is_not_done_before_all_are_decided(many: Repository, mongo: Mongo, tmp_path: Path) -> None:
    """The frozen ids come to an end too early: that is an error, and not a success."""
    result = many.soft_delete_many(filter={}, watch=At("chunk", When.AFTER))
    frozen = tmp_path / "spool" / result.op / "ids.bson"
    frozen.write_bytes(frozen.read_bytes()[: -22 * 100])  # a document {_id: ObjectId} is 22 bytes
    with pytest.raises(DatabaseError, match="at document 1,000 of 1,100"):
        many.resume_bulk(result.op)
    assert last_runs(mongo)[0].state == "failed"
    assert frozen.exists()


def test_more_than_were_confirmed_are_not_changed(
    many: Repository, events: Events, mongo: Mongo, tmp_path: Path
) -> None:
    changes: tuple[Callable[[], object], ...] = (
        lambda: many.soft_delete_many(filter={}, expected=1099),
        lambda: many.update_many({}, {"$inc": {"price": 1}}, expected=3),
    )
    for change in changes:
        with pytest.raises(Declined, match="1,100 documents match now") as caught:
            change()
        assert caught.value.exit_code == 12
        assert caught.value.details["matched"] == 1100
    assert many.count({"price": {"$lt": 1100}}) == 1100
    assert events() == []
    assert last_runs(mongo) == []
    assert list((tmp_path / "spool").iterdir()) == []
    assert many.soft_delete_many(filter={"price": {"$lt": 10}}, expected=10).changed == 10
    assert many.update_many({"price": {"$lt": 20}}, {"price": 0}, expected=11).changed == 10


def test_a_document_that_the_server_cannot_update_is_listed(
    repository: Callable[..., Repository], events: Events
) -> None:
    """Of the operators' own errors, none ends the work on the others, and none tells what the document holds."""
    loose = repository("Loose")
    updates: list[tuple[Any, Any]] = [
        ({"$inc": {"v": 1}}, 1),  # TypeMismatch
        ({"$push": {"v": 1}}, [1]),  # BadValue
        ({"$set": {"v.a.b": 1}}, {"a": {}}),  # PathNotViable
    ]
    for update, good in updates:
        loose.collection.delete_many({})
        bad = {7, 300}
        loose.collection.insert_many([{"_id": n, "v": {"a": "s3cret"} if n in bad else good} for n in range(520)])
        result = loose.update_many({}, update)
        assert (result.changed, result.failures) == (518, 2), update
        assert {problem.where for problem in result.failed} == {"7", "300"}
        assert {problem.code for problem in result.failed} == {"document_rejected"}
        assert "s3cret" not in str(result)
        assert len(events(op=result.op)) == 518


def test_documents_that_the_model_refuses_do_not_make_the_chunks_small(many: Repository, mongo: Mongo) -> None:
    many.collection.update_many({"price": {"$gte": 5}}, {"$set": {"inventory": {"quantity": 0}}})
    many.collection.update_many({"price": {"$lt": 5}}, {"$set": {"inventory": {"quantity": 1}}})
    watch = At("none", When.BEFORE)
    result = many.update_many({}, {"$inc": {"inventory.quantity": -1}}, watch=watch)
    assert (result.changed, result.failures) == (5, 1095)
    assert [step.done for step in watch.of("update", When.PROGRESS)] == [500, 1000, 1100]
    assert last_runs(mongo)[0].counts == {"matched": 1100, "changed": 5, "unchanged": 0, "failed": 1095}


def test_a_create_that_was_stopped_says_where_to_go_on(products: Repository) -> None:
    items = [{"name": f"n{number}", "price": 1 if number % 10 else -1} for number in range(1200)]
    stopped = products.create_many(iter(items), watch=At("chunk", When.AFTER))
    assert (stopped.position, stopped.changed, stopped.failures) == (500, 450, 50)
    rest = products.create_many(items[stopped.position :])
    assert rest.position == 700
    assert products.count() == 1080


def test_nothing_to_do(products: Repository, mongo: Mongo) -> None:
    result = products.soft_delete_many(filter={"name": "no"})
    assert (result.matched, result.changed, result.left, result.stopped) == (0, 0, 0, False)
    assert last_runs(mongo)[0].state == "done"
    assert products.soft_delete_many(ids=[]).matched == 0
    assert products.soft_delete_many(ids=[ObjectId()]).failures == 1


def test_without_a_spool_directory_it_is_the_systems_temporary_one(products: Repository, mongo: Mongo) -> None:
    products.collection.insert_many([{"name": "x", "price": 1} for _ in range(600)])
    plain = Repository(products.model, mongo, products.registry)
    stopped = plain.soft_delete_many(filter={}, watch=At("chunk", When.AFTER))
    other = Repository(products.model, mongo, products.registry)
    assert other.resume_bulk(stopped.op).changed == 600
