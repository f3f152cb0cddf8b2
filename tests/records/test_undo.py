"""Undo: each kind of change is taken back where nothing has changed since, and the rest is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from datactl.errors import Locked, NotFound, UsageError
from datactl.mongo import Mongo
from datactl.records.undoing import UndoResult
from datactl.steps import Step, Watcher, When
from tests.records.undo_desk import EVENT_KEY, Desk, but_time


@pytest.fixture
def desk(mongo: Mongo, tmp_path: Path) -> Desk:
    return Desk(mongo, tmp_path, EVENT_KEY)


def make(desk: Desk, **fields: Any) -> Any:
    return desk.items.create({"name": "lamp", **fields})["_id"]


# -- values ------------------------------------------------------------------------------------------------------------


def test_an_update_is_taken_back_path_by_path(desk: Desk) -> None:
    known = make(desk, price=Decimal128("1.50"), place={"row": 1, "box": "a"})
    before = desk.stored("Item", known)
    desk.items.update_by_id(known, {"$set": {"price": 2, "place.row": Int64(7), "extra": [1]}, "$unset": {"name": ""}})
    changed = desk.stored("Item", known)
    result = desk.undo(desk.op_of("ItemUpdated", known))
    now = desk.stored("Item", known)
    assert dict(result.fates) == {"undone": 1}
    assert but_time(now) == but_time(before)
    assert type(now["place"]["row"]) is int
    assert now["updatedAt"] > changed["updatedAt"] or now["updatedAt"] >= before["updatedAt"]


def test_what_changed_since_stays_and_says_by_whom(desk: Desk) -> None:
    known = make(desk, price=1, place={"row": 1, "box": 1})
    desk.items.update_by_id(known, {"$set": {"price": 2, "place.row": 2, "place.box": 2}})
    op = desk.op_of("ItemUpdated", known)
    desk.items.update_by_id(known, {"price": 3})
    later = desk.op_of("ItemUpdated", known)
    desk.raw("Item").update_one({"_id": known}, {"$set": {"place.box": 9}})
    (fate,) = desk.dry(op)
    assert fate.kind == "partly"
    assert {each.path: each.op for each in fate.changed} == {"price": later, "place.box": None}
    assert f"price changed since by op {later}; place.box changed since by another program" == fate.why
    desk.undo(op)
    now = desk.stored("Item", known)
    assert (now["price"], now["place"]) == (3, {"row": 1, "box": 9})


@pytest.mark.parametrize("other", [1.0, Int64(1), True, "1", Decimal128("1")])
def test_another_type_is_another_value(desk: Desk, other: Any) -> None:
    known = make(desk, price=0)
    desk.items.update_by_id(known, {"price": 1})
    desk.raw("Item").update_one({"_id": known}, {"$set": {"price": other}})
    assert dict(desk.undo(desk.op_of("ItemUpdated", known)).fates) == {"changed since": 1}
    assert desk.stored("Item", known)["price"] == other


def test_a_removed_parent_is_not_made_anew(desk: Desk) -> None:
    known = make(desk, place={"row": 1, "box": 1})
    desk.items.update_by_id(known, {"$unset": {"place.row": ""}})
    op = desk.op_of("ItemUpdated", known)
    desk.raw("Item").update_one({"_id": known}, {"$unset": {"place": ""}})
    assert dict(desk.undo(op).fates) == {"changed since": 1}
    assert "place" not in desk.stored("Item", known)


def test_doing_it_again_does_nothing_twice(desk: Desk) -> None:
    known = make(desk, price=1)
    desk.items.update_by_id(known, {"$inc": {"price": 1}})
    op = desk.op_of("ItemUpdated", known)
    desk.undo(op)
    events = desk.mongo.collection("outboxes").count_documents({})
    assert dict(desk.undo(op).fates) == {"already so": 1}
    assert desk.mongo.collection("outboxes").count_documents({}) == events


def test_an_undo_is_an_operation_with_events_and_can_be_undone(desk: Desk) -> None:
    ids = [make(desk, price=n) for n in range(3)]
    op = desk.items.update_many({}, {"$inc": {"price": 10}}).op
    changed = [desk.stored("Item", known)["price"] for known in ids]
    result = desk.undo(op, reason="too dear")
    row = desk.mongo.collection("datactl_ops").find_one({"_id": result.op})
    assert (row["kind"], row["state"], row["actor"], row["reason"]) == ("undo", "done", "bob", "too dear")
    assert row["detail"]["undoes"] == op
    assert row["counts"]["changed"] == row["counts"]["matched"] == 3
    assert desk.mongo.collection("outboxes").count_documents({"op": result.op, "eventType": "ItemUpdated"}) == 3
    assert desk.mongo.collection("datactl_ops").find_one({"_id": op})["undoneBy"] == result.op
    again = desk.undo(result.op)
    assert dict(again.fates) == {"undone": 3}
    assert [desk.stored("Item", known)["price"] for known in ids] == changed
    assert "undoneBy" not in desk.mongo.collection("datactl_ops").find_one({"_id": op})


def test_secret_values_come_back_with_the_key_and_are_named_without(desk: Desk) -> None:
    people = [{"name": "eve", "phone": "1"}, {"name": "joe", "phone": "2"}]
    known = make(desk, token="old", people=people, price=1)
    before = desk.stored("Item", known)
    desk.items.update_by_id(known, {"token": "new", "people": [], "price": 2})
    op = desk.op_of("ItemUpdated", known)
    keyless = desk.undoer(event_key=None)
    (fate,) = keyless.fates(keyless.plan(op))
    assert (fate.kind, fate.code) == ("partly", "secret_unknown")
    assert "token" in fate.why
    assert "people" in fate.why
    desk.undo(op)
    assert but_time(desk.stored("Item", known)) == but_time(before)


# -- documents that came and went --------------------------------------------------------------------------------------


def test_a_created_document_leaves_by_way_of_the_vault_and_comes_back(desk: Desk) -> None:
    known = make(desk, token="s", people=[{"name": "eve", "phone": "1"}])
    made = desk.stored("Item", known)
    result = desk.undo(desk.op_of("ItemCreated", known))
    assert dict(result.fates) == {"undone": 1}
    assert desk.stored("Item", known) is None
    assert desk.remover().offered(desk.registry.model("Item"), [known])[0] == made
    assert dict(desk.undo(result.op).fates) == {"undone": 1}
    assert desk.stored("Item", known) == made


def test_a_created_document_that_changed_stays(desk: Desk) -> None:
    ids = desk.items.create_many([{"name": f"n{n}", "price": n} for n in range(4)])
    docs = list(desk.raw("Item").find().sort("price", 1))
    desk.items.update_by_id(docs[0]["_id"], {"price": 9})
    desk.raw("Item").update_one({"_id": docs[1]["_id"]}, {"$set": {"note": 1}})
    desk.raw("Item").delete_one({"_id": docs[2]["_id"]})
    assert dict(desk.undo(ids.op).fates) == {"undone": 1, "already so": 1, "changed since": 2}
    assert {each["_id"] for each in desk.raw("Item").find()} == {docs[0]["_id"], docs[1]["_id"]}


def test_a_mark_is_taken_back_to_what_was_there_before(desk: Desk) -> None:
    fresh, was_back = make(desk), make(desk)
    desk.items.soft_delete(was_back)
    desk.items.restore(was_back)  # leaves `deleted: false`
    before = {known: desk.stored("Item", known) for known in (fresh, was_back)}
    result = desk.items.soft_delete_many(filter={})
    assert dict(desk.undo(result.op).fates) == {"undone": 2}
    for known, document in before.items():
        assert but_time(desk.stored("Item", known)) == but_time(document)


def test_a_restore_is_taken_back_with_its_marks(desk: Desk) -> None:
    known = make(desk, price=1)
    desk.items.soft_delete(known, reason="old")
    before = desk.stored("Item", known)
    desk.items.restore(known, set={"price": 2})
    assert dict(desk.undo(desk.op_of("ItemRestored", known)).fates) == {"undone": 1}
    assert but_time(desk.stored("Item", known)) == but_time(before)


def test_a_mark_of_another_deletion_stays(desk: Desk) -> None:
    known = make(desk)
    first = desk.items.soft_delete(known).op
    desk.items.restore(known)
    assert dict(desk.undo(first).fates) == {"already so": 1}
    second = desk.items.soft_delete(known).op
    (fate,) = desk.dry(first)
    assert (fate.kind, fate.changed[0].op) == ("changed since", second)
    desk.undo(first)
    assert desk.stored("Item", known)["deletedOp"] == second


def test_a_deleted_document_that_was_archived_since_comes_back(desk: Desk) -> None:
    ids = [make(desk, price=n) for n in range(3)]
    before = {known: desk.stored("Item", known) for known in ids}
    op = desk.items.soft_delete_many(ids=ids).op
    desk.archive("Item")
    assert desk.raw("Item").count_documents({}) == 0
    assert dict(desk.undo(op).fates) == {"undone": 3}
    for known, document in before.items():
        assert but_time(desk.stored("Item", known)) == but_time(document)


def test_one_that_was_deleted_again_and_then_archived_stays_there(desk: Desk) -> None:
    known = make(desk)
    first = desk.items.soft_delete(known).op
    desk.items.restore(known)
    desk.items.soft_delete(known)
    desk.archive("Item")
    assert dict(desk.undo(first).fates) == {"changed since": 1}
    assert desk.stored("Item", known) is None


def test_one_whose_mark_another_program_changed_before_it_was_archived_stays_there(desk: Desk) -> None:
    known = make(desk)
    op = desk.items.soft_delete(known).op
    desk.raw("Item").update_one({"_id": known}, {"$set": {"deletedBy": "somebody else"}})
    desk.archive("Item")
    assert dict(desk.undo(op).fates) == {"changed since": 1}
    assert desk.stored("Item", known) is None


def test_one_that_was_removed_since_stays_removed(desk: Desk) -> None:
    known = make(desk)
    first = desk.items.soft_delete(known).op
    second = desk.items.remove(known).op
    (fate,) = desk.dry(first)
    assert (fate.kind, fate.why) == ("changed since", f"it is not in MongoDB any more: op {second}")
    assert dict(desk.undo(first).fates) == {"changed since": 1}


def test_one_that_vanished_altogether_is_not_possible(desk: Desk) -> None:
    known = make(desk)
    op = desk.items.soft_delete(known).op
    desk.raw("Item").delete_one({"_id": known})
    (fate,) = desk.dry(op)
    assert (fate.kind, fate.code) == ("not possible", "not_found")
    assert dict(desk.undo(op).fates) == {"not possible": 1}


def test_a_removal_is_taken_back_byte_by_byte(desk: Desk) -> None:
    settings = desk.repository("Setting")
    for n in range(3):
        settings.create({"_id": f"s{n}", "value": [n, Int64(n), {"a": Decimal128("1.0")}]})
    before = list(desk.raw("Setting").find().sort("_id", 1))
    op = settings.remove_many(filter={}).op
    assert desk.raw("Setting").count_documents({}) == 0
    result = desk.undo(op)
    assert dict(result.fates) == {"undone": 3}
    assert list(desk.raw("Setting").find().sort("_id", 1)) == before
    assert dict(desk.undo(op).fates) == {"already so": 3}
    assert dict(desk.undo(result.op).fates) == {"undone": 3}
    assert desk.raw("Setting").count_documents({}) == 0


def test_a_removed_document_that_was_marked_comes_back_marked(desk: Desk) -> None:
    known = make(desk)
    desk.items.soft_delete(known, reason="old")
    before = desk.stored("Item", known)
    op = desk.items.remove(known).op
    assert dict(desk.undo(op).fates) == {"undone": 1}
    assert desk.stored("Item", known) == before


def test_a_taken_unique_value_stands_against_it(desk: Desk) -> None:
    one, other, third = make(desk, sku="a"), make(desk, sku="b"), make(desk, sku="c")
    op = desk.items.soft_delete_many(ids=[one, other]).op
    desk.items.update_by_id(third, {"sku": "d"})
    for index in desk.registry.model("Item").unique_keys:
        command = index.as_command()
        desk.raw("Item").create_index(list(command.pop("key").items()), **command)
    make(desk, sku="a")
    make(desk, sku="c")
    (fate,) = [fate for fate in desk.dry(op) if fate.id == one]
    assert (fate.kind, fate.code) == ("not possible", "unique_taken")
    assert dict(desk.undo(op).fates) == {"undone": 1, "not possible": 1}
    assert desk.stored("Item", one)["deleted"] is True
    undoer = desk.undoer()
    result = undoer.undo(undoer.plan(desk.op_of("ItemUpdated", third)))
    assert dict(result.fates) == {"not possible": 1}
    assert result.left_as_is[0].code == "duplicate_key"


# -- groups ------------------------------------------------------------------------------------------------------------


def shelf_with(desk: Desk, number: int) -> tuple[Any, list[Any], Any]:
    shelf = desk.repository("Shelf").create({"name": "s"})["_id"]
    items = [make(desk, shelf=shelf, price=n) for n in range(number)]
    near = make(desk, near=[shelf, ObjectId()])
    return shelf, items, near


def test_a_cascade_comes_back_whole(desk: Desk) -> None:
    shelf, items, near = shelf_with(desk, 5)
    before = {known: desk.stored("Item", known) for known in (*items, near)}
    op = desk.repository("Shelf").soft_delete(shelf).op
    assert desk.stored("Item", near)["near"] != before[near]["near"]
    assert all(desk.stored("Item", known)["deletedOp"] == op for known in items)
    result = desk.undo(op)
    assert dict(result.fates) == {"undone": 7}
    assert desk.stored("Shelf", shelf)["deleted"] is False
    for known, document in before.items():
        assert but_time(desk.stored("Item", known)) == but_time(document)
    assert dict(desk.undo(result.op).fates) == {"undone": 7}
    assert desk.stored("Shelf", shelf)["deletedOp"] == op


def test_children_of_one_that_cannot_come_stay_as_well(desk: Desk) -> None:
    shelf, items, near = shelf_with(desk, 3)
    op = desk.repository("Shelf").soft_delete(shelf).op
    desk.raw("Shelf").update_one({"_id": shelf}, {"$set": {"deletedOp": "another"}})
    fates = {fate.id: fate for fate in desk.dry(op)}
    assert fates[shelf].kind == "changed since"
    assert {(fates[known].kind, fates[known].code) for known in items} == {("not possible", "reference_deleted")}
    assert (fates[near].kind, fates[near].code) == ("not possible", "reference_deleted")
    assert dict(desk.undo(op).fates) == {"changed since": 1, "not possible": 4}


def test_one_that_is_referred_to_does_not_go(desk: Desk) -> None:
    shelf = desk.repository("Shelf").create({"name": "s"})["_id"]
    op = desk.op_of("ShelfCreated", shelf)
    item = make(desk, shelf=shelf)
    (fate,) = desk.dry(op)
    assert (fate.kind, fate.code) == ("not possible", "restricted")
    assert str(item) in fate.why
    assert dict(desk.undo(op).fates) == {"not possible": 1}
    assert desk.stored("Shelf", shelf) is not None


# -- which operation ---------------------------------------------------------------------------------------------------


def test_an_operation_is_named_by_its_beginning(desk: Desk) -> None:
    known = make(desk, price=1)
    op = desk.op_of("ItemCreated", known)
    assert desk.undoer().plan(op[:-4].lower()).account.op == op
    with pytest.raises(NotFound):
        desk.undoer().plan("ZZZZ")
    make(desk)
    with pytest.raises(UsageError, match="several operations"):
        desk.undoer().plan(op[:3])


class StopsAfterOneChunk(Watcher):
    """Asks to stop once a chunk is done."""

    done = False

    def see(self, step: Step) -> None:
        self.done = self.done or (step.name == "chunk" and step.when is When.AFTER)

    def stopping(self) -> bool:
        return self.done


def test_a_stopped_operation_is_undone_and_cannot_be_carried_on(desk: Desk) -> None:
    desk.raw("Item").insert_many({"name": "x", "price": 1} for _ in range(600))
    stopped = desk.items.update_many({}, {"$inc": {"price": 1}}, watch=StopsAfterOneChunk())
    assert (stopped.changed, stopped.left) == (500, 100)
    undone = desk.undo(stopped.op)
    assert dict(undone.fates) == {"undone": 500}
    with pytest.raises(Locked, match="was undone"):
        desk.items.resume_bulk(stopped.op)
    assert desk.raw("Item").count_documents({"price": 1}) == 600


def test_one_that_still_runs_commits_nothing_once_it_is_undone(desk: Desk) -> None:
    desk.raw("Item").insert_many({"name": "x", "price": 1} for _ in range(600))
    undone: list[UndoResult] = []

    class UndoesInBetween(Watcher):
        """Undoes the operation it watches, behind its first chunk."""

        def see(self, step: Step) -> None:
            if step.name == "chunk" and step.when is When.AFTER and not undone:
                undoer = desk.undoer()
                undone.append(undoer.undo(undoer.plan(step.detail["op"])))

    with pytest.raises(Locked, match="was undone"):
        desk.items.update_many({}, {"$inc": {"price": 1}}, watch=UndoesInBetween())
    assert dict(undone[0].fates) == {"undone": 500}
    assert desk.raw("Item").count_documents({"price": 1}) == 600


def test_a_stopped_undo_is_carried_on(desk: Desk) -> None:
    desk.raw("Item").insert_many({"name": "x", "price": 1} for _ in range(600))
    op = desk.items.update_many({}, {"$inc": {"price": 1}}).op
    first = desk.undo_some(op, StopsAfterOneChunk())
    assert (dict(first.fates), first.stopped, first.left) == ({"undone": 500}, True, 100)
    rest = desk.undoer().resume(first.op)
    assert (dict(rest.fates), rest.stopped) == ({"undone": 600}, False)
    assert desk.raw("Item").count_documents({"price": 1}) == 600


def test_what_was_archived_is_not_undone(desk: Desk) -> None:
    desk.items.soft_delete(make(desk))
    desk.archive("Item")
    row = desk.mongo.collection("datactl_ops").find_one({"kind": "archive"})
    with pytest.raises(UsageError, match="archived"):
        desk.undoer().plan(row["_id"])


def test_lost_events_are_counted(desk: Desk) -> None:
    ids = [make(desk, price=n) for n in range(3)]
    op = desk.items.update_many({}, {"$inc": {"price": 10}}).op
    desk.mongo.collection("outboxes").delete_one({"op": op, "aggregateId": ids[0]})
    desk.mongo.collection("outboxes").update_one({"op": op, "aggregateId": ids[1]}, {"$unset": {"payload": ""}})
    result = desk.undo(op)
    assert (dict(result.fates), result.lost, result.failures) == ({"undone": 1, "not possible": 1}, 1, 2)
    desk.mongo.collection("outboxes").delete_many({"op": op})
    with pytest.raises(NotFound, match="no longer there"):
        desk.undoer().plan(op)
