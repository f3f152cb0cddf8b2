"""Groups come back as they are by then: what was done to their members since, or is done meanwhile, is not undone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datactl.archive import Restorer
from datactl.errors import NotFound
from datactl.mongo import Mongo
from datactl.schema import parse_models
from datactl.steps import Step, Watcher, When
from tests.records.undo_desk import Desk

MODELS = parse_models("""
models:
  P:
    fields: {_id: int, v: int}
  S:
    fields: {_id: int, p: {type: int, ref: P, onDelete: cascade}}
  H:
    enableSoftDelete: false
    fields: {_id: int, p: {type: int, ref: P, onDelete: cascade}}
  T:
    enableSoftDelete: false
    fields: {_id: int}
  C:
    fields: {_id: int, t: {type: int, ref: T, onDelete: cascade}}
  K:
    fields:
      _id: int
      s: {type: int, ref: S, onDelete: cascade}
      k: {type: int, ref: K, onDelete: cascade}
""")


class At(Watcher):
    """Does something once, before a step; and wants to stop behind another, if that is named."""

    def __init__(self, name: str, act: Callable[[], Any] = lambda: None, *, stop: str | None = None) -> None:
        self._name = name
        self._act: Callable[[], Any] | None = act
        self._stop = stop
        self._stopping = False

    def see(self, step: Step) -> None:
        if step.name == self._name and step.when is When.BEFORE and self._act is not None:
            act, self._act = self._act, None
            act()
        if step.name == self._stop and step.when is When.AFTER:
            self._stopping = True

    def stopping(self) -> bool:
        return self._stopping


@pytest.fixture
def desk(mongo: Mongo, tmp_path: Path) -> Desk:
    desk = Desk(mongo, tmp_path, registry=MODELS)
    desk.raw("P").insert_one({"_id": 1, "v": 1})
    desk.raw("S").insert_many([{"_id": n, "p": 1} for n in (10, 11, 12)])
    desk.raw("H").insert_many([{"_id": n, "p": 1} for n in (20, 21, 22)])
    desk.raw("K").insert_many([{"_id": n, "s": n - 20} for n in (30, 31, 32)])
    desk.raw("K").insert_one({"_id": 40, "s": 10, "k": 30})
    return desk


def restorer(desk: Desk, actor: str = "ann") -> Restorer:
    return Restorer(desk.mongo, desk.vault, desk.registry, actor=actor)


def live(desk: Desk, model: str) -> set[Any]:
    return {row["_id"] for row in desk.raw(model).find({"deleted": {"$ne": True}})}


def test_what_another_operation_deleted_since_stays_deleted(desk: Desk) -> None:
    desk.repository("P").delete(1)
    restorer(desk).restore("P", [1], only=True)
    restorer(desk).restore("S", [10], only=True)
    restorer(desk).restore("H", [20])
    desk.repository("S").delete(10, reason="spam")
    desk.repository("H").delete(20, reason="spam")
    desk.archive("S")
    restorer(desk).restore("P", [1]).raise_failures()
    assert live(desk, "S") == {11, 12}
    assert live(desk, "H") == {21, 22}


def test_a_group_that_came_back_is_not_looked_for_again(desk: Desk) -> None:
    desk.repository("P").delete(1)
    restorer(desk).restore("P", [1]).raise_failures()
    desk.repository("H").remove(21, reason="asked for")
    assert restorer(desk).restore("P", [1]).along == {}
    assert live(desk, "H") == {20, 22}


def test_what_an_undo_deleted_again_belongs_to_the_group_still(desk: Desk) -> None:
    desk.repository("P").delete(1)
    back = restorer(desk).restore("P", [1])
    desk.undo(back.op)
    assert live(desk, "H") == set()
    restorer(desk).restore("P", [1]).raise_failures()
    assert live(desk, "H") == {20, 21, 22}
    assert live(desk, "K") == {30, 31, 32, 40}


def test_a_stopped_restore_is_not_carried_on_for_another_group(desk: Desk) -> None:
    desk.repository("P").delete(1)
    stopped = restorer(desk, "bob").restore("P", [1], reason="his", watch=At("", stop="root"))
    assert stopped.stopped
    desk.raw("S").insert_one({"_id": 13, "p": 1})
    second = desk.repository("P").delete(1)
    report = restorer(desk, "carol").restore("P", [1], reason="hers")
    assert report.op != stopped.op
    assert (report.deleted_by, live(desk, "S")) == (second.op, {13})
    rows = desk.mongo.collection("outboxes").find({"op": report.op})
    assert {(row["actor"], row["reason"]) for row in rows} == {("carol", "hers")}


def test_the_same_group_is_carried_on_under_the_same_operation(desk: Desk) -> None:
    desk.repository("P").delete(1)
    stopped = restorer(desk, "bob").restore("P", [1], watch=At("", stop="root"))
    report = restorer(desk, "carol").restore("P", [1])
    assert report.op == stopped.op
    assert live(desk, "S") == {10, 11, 12}


@pytest.mark.parametrize("step", ["restore", "bring_back"])
def test_a_parent_that_is_deleted_meanwhile_keeps_its_children(desk: Desk, step: str) -> None:
    desk.repository("P").delete(1)
    watch = At(step, lambda: desk.repository("P").delete(1, reason="again"))
    report = restorer(desk).restore("P", [1], watch=watch)
    gone = {"restore": "S", "bring_back": "H"}[step]
    assert live(desk, gone) == set()
    assert {each.where for each in report.left_along} >= {f"{gone} {row}" for row in {"S": (10, 11), "H": (20,)}[gone]}
    for model, field, parent in (("S", "p", "P"), ("H", "p", "P"), ("K", "s", "S")):
        for row in desk.raw(model).find({"deleted": {"$ne": True}}):
            assert row[field] in live(desk, parent)


def test_children_that_came_back_in_the_moment_in_which_their_parent_went_are_told(desk: Desk) -> None:
    desk.repository("P").delete(1)

    def act() -> None:
        desk.raw("P").update_one({"_id": 1}, {"$set": {"deleted": True}})

    report = restorer(desk).restore("P", [1], watch=At("bring_back", act))
    assert live(desk, "S") == {10, 11, 12}
    assert {each.where for each in report.left_along} == {"S 10", "S 11", "S 12", "H 20", "H 21", "H 22"}


def test_a_member_that_did_not_come_back_keeps_its_own_children_of_its_model_too(desk: Desk) -> None:
    desk.repository("P").delete(1)

    def act() -> None:
        desk.raw("K").update_one({"_id": 30}, {"$set": {"deletedOp": "another"}})

    report = restorer(desk).restore("P", [1], watch=At("root", act))
    assert live(desk, "K") == {31, 32}
    assert {each.where for each in report.left_along} == {"K 30", "K 40"}


@pytest.mark.parametrize("step", ["root", "restore"])
def test_members_that_are_archived_meanwhile_come_back_all_the_same(desk: Desk, step: str) -> None:
    desk.repository("P").delete(1)

    def act() -> None:
        desk.archive("K")
        desk.archive("S")

    report = restorer(desk).restore("P", [1], watch=At(step, act))
    report.raise_failures()
    assert (live(desk, "S"), live(desk, "K")) == ({10, 11, 12}, {30, 31, 32, 40})
    assert report.along == {"S": {"restored": 3}, "H": {"restored": 3}, "K": {"restored": 4}}


def test_members_that_are_gone_meanwhile_are_told(desk: Desk) -> None:
    desk.repository("P").delete(1)
    report = restorer(desk).restore("P", [1], watch=At("restore", lambda: desk.raw("S").delete_one({"_id": 12})))
    assert {each.where for each in report.left_along} == {"S 12", "K 32"}
    assert live(desk, "K") == {30, 31, 40}


# -- carrying on without the frozen ids --------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [[1], [1, 2]])
def test_what_is_left_to_go_along_needs_no_spool(desk: Desk, ids: list[int]) -> None:
    desk.raw("P").insert_one({"_id": 2})
    result = desk.repository("P").delete_many(ids=ids, watch=At("", stop="chunk"))
    assert (result.stopped, live(desk, "S")) == (True, {10, 11, 12})
    shutil.rmtree(desk.directory / "spool")
    assert not desk.repository("P").resume_bulk(result.op).stopped
    assert live(desk, "S") == live(desk, "H") == live(desk, "K") == set()


def test_what_is_left_to_go_along_with_removed_ones_needs_no_spool(desk: Desk) -> None:
    desk.raw("T").insert_one({"_id": 1})
    desk.raw("C").insert_one({"_id": 2, "t": 1})
    result = desk.repository("T").delete_many(ids=[1], watch=At("", stop="remove"))
    assert (result.stopped, live(desk, "C")) == (True, {2})
    shutil.rmtree(desk.directory / "spool")
    assert not desk.repository("T").resume_bulk(result.op).stopped
    assert live(desk, "C") == set()


def test_what_is_not_decided_needs_its_spool(desk: Desk) -> None:
    desk.raw("P").insert_many([{"_id": n} for n in range(2, 700)])
    result = desk.repository("P").delete_many(filter={}, watch=At("", stop="chunk"))
    shutil.rmtree(desk.directory / "spool")
    with pytest.raises(NotFound, match="froze"):
        desk.repository("P").resume_bulk(result.op)


# -- undo of a restore -------------------------------------------------------------------------------------------------


def test_children_of_what_has_to_stay_stay_with_it(desk: Desk) -> None:
    desk.raw("P").insert_one({"_id": 2})
    desk.raw("H").insert_one({"_id": 1, "p": 1})  # an `_id` that its parent has too
    desk.raw("S").insert_one({"_id": 1, "p": 1})
    desk.repository("P").delete(1)
    back = restorer(desk).restore("P", [1])
    desk.raw("S").insert_one({"_id": 13, "p": 1})
    assert dict(desk.undo(back.op).fates) == {"not possible": 13}
    assert live(desk, "S") == {1, 10, 11, 12, 13}
    assert live(desk, "H") == {1, 20, 21, 22}


def test_where_nothing_stands_against_it_the_whole_group_goes_again(desk: Desk) -> None:
    desk.repository("P").delete(1)
    back = restorer(desk).restore("P", [1])
    desk.repository("P").update_by_id(1, {"v": 5})
    assert dict(desk.undo(back.op).fates) == {"undone": 11}
    assert live(desk, "P") == live(desk, "S") == live(desk, "H") == live(desk, "K") == set()
