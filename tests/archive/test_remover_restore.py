"""What was removed comes back: by restore, and under an operation of the caller's."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import ObjectId

from datactl.archive import Restorer, VaultRemover
from datactl.errors import NotFound, RestoreConflict
from datactl.records import Repository
from datactl.records.operations import Context, new_op
from datactl.schema import parse_models
from tests.archive.desk import account
from tests.archive.removing import RemovalDesk

SHOP = parse_models(
    """
models:
  Maker:
    enableSoftDelete: false
    fields: {name: {type: string, required: true}}
  Part:
    enableSoftDelete: false
    uniqueFields: [number]
    fields:
      number: {type: int, required: true}
      deleted: {type: string, required: true}
      maker: {type: objectId, ref: Maker}
"""
)


def operation(logs: RemovalDesk) -> Context:
    return Context(new_op(), "zoe", "back", logs.mongo.server_time())


def removed(logs: RemovalDesk, count: int) -> tuple[dict[bytes, bytes], list[ObjectId]]:
    before = logs.lines(count)
    assert logs.repository().delete_many(filter={}).changed == count
    return before, [bson.decode(each)["_id"] for each in before.values()]


def test_it_comes_back_as_it_was_and_may_be_removed_again(logs: RemovalDesk) -> None:
    before, (only,) = removed(logs, 1)
    for number in range(1, 4):
        logs.restorer().restore("Log", [only]).raise_failures()
        assert bson.decode(next(iter(logs.live().values())))["number"] == number - 1
        if number == 1:
            assert logs.live() == before
        logs.logs.update_one({"_id": only}, {"$set": {"number": number}})
        assert logs.repository().remove(only).seq == 1 + 2 * number
    (copies,) = logs.archived().values()
    assert bson.decode(copies[0])["number"] == 3
    kinds = [row["eventType"] for row in logs.mongo.collection("outboxes").find().sort("seq", 1)]
    assert kinds == ["LogDeleted", *["LogRestored", "LogDeleted"] * 3]


def test_many_come_back(logs: RemovalDesk) -> None:
    before, ids = removed(logs, 250)
    report = logs.restorer().restore("Log", ids)
    assert (len(report.restored), report.failed) == (250, ())
    assert logs.live() == before
    assert logs.archived() == {}


def test_what_stands_against_it_is_told(logs: RemovalDesk) -> None:
    """Today's schema, references and unique keys; a field called like a mark is a field where there are no marks."""
    maker = logs.mongo.collection("makers").insert_one({"name": "m"}).inserted_id
    parts = Repository(SHOP.model("Part"), logs.mongo, SHOP, remover=lambda: VaultRemover(logs.mongo, logs.vault, SHOP))
    part = parts.create({"number": 1, "deleted": "no", "maker": maker})["_id"]
    parts.remove(part)
    restorer = Restorer(logs.mongo, logs.vault, SHOP)
    logs.mongo.collection("makers").delete_one({"_id": maker})
    with pytest.raises(RestoreConflict) as caught:
        restorer.restore("Part", [part]).raise_failures()
    assert [each.code for each in caught.value.problems] == ["reference_missing"]
    logs.mongo.collection("makers").insert_one({"_id": maker, "name": "m"})
    other = parts.create({"number": 1, "deleted": "no"})["_id"]
    with pytest.raises(RestoreConflict) as caught:
        restorer.restore("Part", [part]).raise_failures()
    assert [each.code for each in caught.value.problems] == ["unique_taken"]
    parts.remove(other)
    restorer.restore("Part", [part]).raise_failures()
    assert parts.find_by_id(part)["deleted"] == "no"


def test_it_comes_back_under_an_operation_of_the_callers(logs: RemovalDesk) -> None:
    before, ids = removed(logs, 3)
    context = operation(logs)
    absent = ObjectId()
    answers = logs.remover().bring_back(logs.model, [*ids, absent], context)
    assert [(each.id, each.changed) for each in answers] == [*((each, True) for each in ids), (absent, False)]
    assert [type(each.error) for each in answers] == [*[type(None)] * 3, NotFound]
    assert logs.live() == before
    events = logs.events("LogRestored")
    assert {(each["op"], each["actor"], each["reason"], each["createdAt"]) for each in events} == {
        (context.op, "zoe", "back", context.at)
    }
    assert logs.mongo.collection("datactl_ops").count_documents({"_id": context.op}) == 0
    again = logs.remover().bring_back(logs.model, ids, context)
    assert [(each.changed, each.error) for each in again] == [(False, None)] * 3
    assert len(logs.events("LogRestored")) == 3


def test_one_whose_receipt_could_not_be_written_is_back_and_is_not_brought_back_twice(logs: RemovalDesk) -> None:
    before, ids = removed(logs, 2)
    context = operation(logs)
    with logs.refusing("restored-"):
        logs.remover().bring_back(logs.model, ids, context)
    assert logs.live() == before
    answers = logs.remover().bring_back(logs.model, ids, context)
    assert [each.error for each in answers] == [None, None]
    assert len(logs.events("LogRestored")) == 2
    assert logs.archived() == {}


def test_what_is_offered_is_told_without_changing_anything(logs: RemovalDesk) -> None:
    before, ids = removed(logs, 2)
    absent = ObjectId()
    offered = logs.remover().offered(logs.model, [*ids, absent])
    assert [None if each is None else each["number"] for each in offered] == [0, 1, None]
    assert account(logs, before).archived == 2


def test_a_document_in_its_place_is_not_overwritten(logs: RemovalDesk) -> None:
    _, (only,) = removed(logs, 1)
    logs.logs.insert_one({"_id": only, "line": "another"})
    (answer,) = logs.remover().bring_back(logs.model, [only], operation(logs))
    assert isinstance(answer.error, RestoreConflict)
    assert _line(logs, only) == "another"


def _line(logs: RemovalDesk, wanted: ObjectId) -> Any:
    found = logs.logs.find_one({"_id": wanted})
    return found and found["line"]
