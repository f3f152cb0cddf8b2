"""Documents that refer to themselves and to each other come back, whatever took them away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datactl.archive import Restorer
from datactl.errors import RestoreConflict
from datactl.mongo import Mongo
from datactl.schema import parse_models
from tests.records.undo_desk import Desk

MODELS = parse_models("""
models:
  User:
    uniqueFields: [name]
    fields:
      _id: int
      name: string
      by: {type: int, ref: User}
  Node:
    enableSoftDelete: false
    enableTimestamps: false
    fields:
      _id: int
      parent: {type: int, ref: Node}
""")


@pytest.fixture
def desk(mongo: Mongo, tmp_path: Path) -> Desk:
    return Desk(mongo, tmp_path, registry=MODELS)


def restorer(desk: Desk) -> Restorer:
    return Restorer(desk.mongo, desk.vault, desk.registry, actor="ann")


def to_vault(desk: Desk, model: str) -> None:
    """What is marked, into the vault; what was removed is there."""
    if desk.registry.model(model).soft_delete:
        desk.archive(model)


def live(desk: Desk, model: str) -> set[Any]:
    return {row["_id"] for row in desk.raw(model).find({"deleted": {"$ne": True}})}


def test_a_marked_one_that_refers_to_itself(desk: Desk) -> None:
    desk.raw("User").insert_one({"_id": 1, "by": 1})
    users = desk.repository("User")
    users.delete(1)
    assert users.restore(1).changed
    users.delete(1)
    assert users.restore(1, only=True).changed
    users.delete(1)
    assert users.restore_many(filter={}).changed == 1
    users.delete(1)
    assert dict(desk.undo(desk.op_of("UserDeleted", 1)).fates) == {"undone": 1}


@pytest.mark.parametrize("model", ["User", "Node"])
@pytest.mark.parametrize("only", [False, True])
def test_one_in_the_vault_that_refers_to_itself(desk: Desk, model: str, only: bool) -> None:
    field = "by" if model == "User" else "parent"
    desk.raw(model).insert_one({"_id": 1, field: 1})
    desk.repository(model).delete(1)
    to_vault(desk, model)
    restorer(desk).restore(model, [1], only=only).raise_failures()
    assert live(desk, model) == {1}
    desk.repository(model).delete(1)
    to_vault(desk, model)
    assert dict(desk.undo(desk.op_of(f"{model}Deleted", 1)).fates) == {"undone": 1}


def test_marked_ones_that_refer_to_each_other(desk: Desk) -> None:
    desk.raw("User").insert_many([{"_id": n, "by": (n + 1) % 3} for n in range(3)])
    users = desk.repository("User")
    users.delete_many(filter={})
    assert users.restore_many(filter={}).changed == 3
    users.delete_many(filter={})
    assert [each.id for each in restorer(desk).restore("User", [0, 1, 2]).restored] == [0, 1, 2]


def test_many_that_refer_to_each_other_come_back_over_several_chunks(desk: Desk) -> None:
    desk.raw("User").insert_many([{"_id": n, "by": (n + 1) % 1100} for n in range(1100)])
    users = desk.repository("User")
    users.delete_many(filter={})
    assert users.restore_many(filter={}).changed == 1100


def test_restore_many_counts_only_what_it_brings_back(desk: Desk) -> None:
    desk.raw("User").insert_many([{"_id": 1, "by": 2}, {"_id": 2, "by": 9}, {"_id": 3, "by": 1}])
    desk.raw("User").update_many({}, {"$set": {"deleted": True}})
    with pytest.raises(RestoreConflict) as caught:
        desk.repository("User").restore_many(ids=[1, 2, 9])
    assert [(each.where, each.code) for each in caught.value.problems] == [("2/by", "reference_missing")]


@pytest.mark.parametrize("model", ["User", "Node"])
def test_those_in_the_vault_that_refer_to_each_other(desk: Desk, model: str) -> None:
    field = "by" if model == "User" else "parent"
    desk.raw(model).insert_many([{"_id": n, field: (n + 1) % 3} for n in range(3)])
    op = desk.repository(model).delete_many(filter={}).op
    to_vault(desk, model)
    restorer(desk).restore(model, [0, 1, 2]).raise_failures()
    assert live(desk, model) == {0, 1, 2}
    op = desk.repository(model).delete_many(filter={}).op
    to_vault(desk, model)
    assert dict(desk.undo(op).fates) == {"undone": 3}


def test_of_those_named_only_what_refers_to_nothing_else_comes_back(desk: Desk) -> None:
    rows = [{"_id": 1, "parent": 2}, {"_id": 2, "parent": 3}, {"_id": 3}, {"_id": 4, "parent": 5}]
    desk.raw("Node").insert_many([*rows, {"_id": 5, "parent": 9}])
    desk.repository("Node").remove_many(filter={})
    report = restorer(desk).restore("Node", [1, 2, 3, 4, 5])
    assert {each.id for each in report.restored} == {1, 2, 3} == live(desk, "Node")
    assert {each.id for each in report.failed} == {4, 5}


@pytest.mark.parametrize("model", ["User", "Node"])
def test_parents_may_have_been_removed_after_their_children(desk: Desk, model: str) -> None:
    field = "by" if model == "User" else "parent"
    desk.raw(model).insert_many([{"_id": n, field: n + 1} for n in range(240)] + [{"_id": 240}])
    op = desk.repository(model).delete_many(filter={}).op
    to_vault(desk, model)
    assert dict(desk.undo(op).fates) == {"undone": 241}
    assert len(live(desk, model)) == 241


@pytest.mark.parametrize("model", ["User", "Node"])
def test_a_dry_run_asks_of_what_is_in_the_vault_what_the_real_run_asks(desk: Desk, model: str) -> None:
    field = "by" if model == "User" else "parent"
    desk.raw(model).insert_many([{"_id": n, field: 9} for n in range(3)] + [{"_id": 9}, {"_id": 20}])
    op = desk.repository(model).delete_many(ids=[0, 1, 2, 20]).op
    to_vault(desk, model)
    desk.repository(model).delete(9)
    assert dict(desk.undo(op).fates) == {"undone": 1, "not possible": 3}  # undo compares it with a dry run


def test_a_dry_run_sees_a_unique_value_that_is_taken_from_what_is_in_the_vault(desk: Desk) -> None:
    desk.raw("User").insert_one({"_id": 1, "name": "a"})
    op = desk.repository("User").delete_many(filter={}).op
    desk.archive("User")
    desk.raw("User").insert_one({"_id": 2, "name": "a"})
    assert dict(desk.undo(op).fates) == {"not possible": 1}


# -- references that were dead before ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["User", "Node"])
@pytest.mark.parametrize("vaulted", [False, True])
def test_what_was_live_beside_a_dead_reference_is_so_again(desk: Desk, model: str, vaulted: bool) -> None:
    field = "by" if model == "User" else "parent"
    desk.raw(model).insert_many([{"_id": 1, field: 2}, {"_id": 2}, {"_id": 3, field: 99}])
    desk.repository(model).delete(2)
    op = desk.repository(model).delete_many(filter={}).op
    if vaulted:
        to_vault(desk, model)
    assert dict(desk.undo(op).fates) == {"undone": 2}
    assert live(desk, model) == {1, 3}


@pytest.mark.parametrize("model", ["User", "Node"])
def test_what_it_refers_to_and_died_since_stands_against_it(desk: Desk, model: str) -> None:
    field = "by" if model == "User" else "parent"
    desk.raw(model).insert_many([{"_id": 1, field: 2}, {"_id": 2}])
    desk.repository(model).delete(2)
    Restorer(desk.mongo, desk.vault, desk.registry).restore(model, [2]).raise_failures()
    op = desk.repository(model).delete_many(ids=[1]).op
    desk.repository(model).delete(2)
    assert dict(desk.undo(op).fates) == {"not possible": 1}


def test_one_that_is_marked_again_as_before_died_since(desk: Desk) -> None:
    desk.raw("User").insert_many([{"_id": 1, "by": 2}, {"_id": 2}])
    desk.repository("User").delete(2)
    desk.repository("User").restore(2)
    restored = desk.op_of("UserRestored", 2)
    op = desk.repository("User").delete_many(ids=[1]).op
    desk.undo(restored)
    assert dict(desk.undo(op).fates) == {"not possible": 1}


# -- what is said ------------------------------------------------------------------------------------------------------


def test_the_refusal_names_what_works(desk: Desk) -> None:
    desk.raw("User").insert_one({"_id": 1, "by": 9})
    op = desk.repository("User").delete_many(filter={}).op
    users = desk.repository("User")
    with pytest.raises(RestoreConflict) as caught:
        users.restore(1)
    wanted = f"datactl restore User 1 --set by=VALUE, or datactl undo {op} (all that was deleted with it)"
    assert caught.value.next == wanted
    with pytest.raises(RestoreConflict, match="1 conflict stands against restoring 1 document") as caught:
        users.restore_many(filter={})
    assert caught.value.next == f"nothing was changed; leave these documents out, or first {wanted}"
    desk.archive("User")
    (failure,) = restorer(desk).restore("User", [1]).failed
    assert failure.error.next == wanted
    restorer(desk).restore("User", [1], set={"by": 1}).raise_failures()


def test_against_a_unique_value_an_undo_is_no_way(desk: Desk) -> None:
    desk.raw("User").insert_one({"_id": 1, "name": "a"})
    desk.repository("User").delete(1)
    desk.raw("User").insert_one({"_id": 2, "name": "a"})
    with pytest.raises(RestoreConflict) as caught:
        desk.repository("User").restore(1)
    assert caught.value.next == "datactl restore User 1 --set name=VALUE"
