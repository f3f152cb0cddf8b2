"""Documents of a model without soft delete are removed: copied first, then gone, with one event each."""

from __future__ import annotations

import uuid
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.int64 import Int64

from datactl.errors import ConfigError, Declined, NotFound, PreconditionFailed, UsageError, WriteConflict
from datactl.records import Repository
from datactl.records.operations import Context, new_op
from datactl.records.remover import Fate
from datactl.records.removing import Removing
from tests.archive.desk import account
from tests.archive.removing import LOGS, RemovalDesk
from tests.archive.watching import At


def ids_of(before: dict[bytes, bytes]) -> list[ObjectId]:
    return [bson.decode(document)["_id"] for document in before.values()]


def context() -> Context:
    return Context(new_op(), "tester", "tidy", bson.decode(bson.encode({"at": ObjectId().generation_time}))["at"])


def test_one_is_removed_by_way_of_the_vault(logs: RemovalDesk) -> None:
    before = logs.lines(3)
    first, *_ = ids_of(before)
    change = logs.repository().delete(first, reason="tidy")
    assert (change.kind, change.changed, change.seq) == ("removed", True, 1)
    assert change.before is not None
    assert change.before["number"] == 0
    found = account(logs, before)
    assert (found.live, found.archived) == (2, 1)
    (event,) = logs.events()
    (manifest,) = logs.vault.manifests("Log")
    assert (event["aggregateId"], event["op"], event["actor"], event["reason"]) == (
        first,
        change.op,
        "tester",
        "tidy",
    )
    assert bson.encode(event["payload"]["before"]) == before[b"\x07" + first.binary]
    assert event["payload"]["after"] is None
    assert event["payload"]["archived"] == {"segment": manifest.name, "position": 0}
    assert (manifest.cause, manifest.op, manifest.cutoff) == ("delete", change.op, None)
    receipts = logs.vault.receipts(manifest)
    assert receipts.deleted is not None
    assert list(receipts.deleted) == [0]
    leases = logs.mongo.collection("datactl_leases")
    assert leases.count_documents({}) == 0
    assert logs.mongo.collection("datactl_fences").count_documents({}) == 0


def test_many_are_removed_in_several_segments_and_transactions(logs: RemovalDesk) -> None:
    before = logs.lines(1_500)
    result = logs.repository().delete_many(filter={"number": {"$lt": 1_400}}, reason="tidy")
    assert (result.matched, result.changed, result.unchanged, result.failures, result.kept) == (1_400, 1_400, 0, 0, 0)
    found = account(logs, before)
    assert (found.live, found.archived) == (100, 1_400)
    assert len(list(logs.vault.manifests("Log"))) > 1
    assert sorted(event["aggregateId"] for event in logs.events()) == sorted(ids_of(before)[:1_400])
    row = logs.mongo.collection("datactl_ops").find_one({"_id": result.op})
    assert row is not None
    assert (row["kind"], row["state"], row["position"], row["counts"]["changed"]) == ("remove", "done", 1_400, 1_400)
    assert not list((logs.directory.parent / "spool").iterdir())


def test_ids_that_are_not_there_have_failed_and_one_given_twice_is_one(logs: RemovalDesk) -> None:
    before = logs.lines(2)
    first, second = ids_of(before)
    absent = ObjectId()
    result = logs.repository().remove_many(ids=[first, absent, second, first])
    assert (result.matched, result.changed, result.failures) == (3, 2, 1)
    assert [(each.where, each.code) for each in result.failed] == [(str(absent), "not_found")]
    assert account(logs, before).archived == 2


def test_only_ids_that_are_not_there_put_nothing_in_the_vault(logs: RemovalDesk) -> None:
    result = logs.repository().remove_many(ids=[ObjectId(), ObjectId()])
    assert (result.changed, result.failures) == (0, 2)
    assert not list(logs.vault.manifests("Log"))
    assert not list(logs.vault.segments_without_manifest("Log"))


@pytest.mark.parametrize("value", [Int64(1), 1.0, "a", uuid.UUID(int=7), {"a": 1}, None, b"x"], ids=repr)
def test_an_id_of_any_type(logs: RemovalDesk, value: Any) -> None:
    logs.logs.insert_one({"_id": value, "line": "x"})
    (fates,) = _removed(logs, [value])
    assert [each.fate for each in fates] == [Fate.REMOVED]
    assert logs.logs.count_documents({}) == 0
    (back,) = logs.remover().bring_back(logs.model, [value], context())
    assert (back.changed, back.error) == (True, None)
    assert logs.logs.count_documents({"line": "x"}) == 1


def _removed(logs: RemovalDesk, ids: list[Any], **options: Any) -> list[Any]:
    with Removing(logs.remover(), logs.model, context()) as removing:
        return list(removing.remove(ids, **options))


def test_a_number_is_found_whatever_its_type(logs: RemovalDesk) -> None:
    logs.logs.insert_one({"_id": Int64(1), "line": "x"})
    (fates,) = _removed(logs, [1, 1.0])
    assert [each.fate for each in fates] == [Fate.REMOVED, Fate.MISSING]


def test_a_wrong_etag_keeps_it(logs: RemovalDesk) -> None:
    before = logs.lines(1)
    (only,) = ids_of(before)
    repository = logs.repository()
    with pytest.raises(PreconditionFailed):
        repository.remove(only, if_match='"0000"')
    assert logs.live() == before
    assert not list(logs.vault.manifests("Log"))
    repository.remove(only, if_match=repository.etag(only))
    assert account(logs, before).archived == 1


def test_one_that_is_not_there(logs: RemovalDesk) -> None:
    with pytest.raises(NotFound):
        logs.repository().remove(ObjectId())


def test_neither_ids_nor_filter(logs: RemovalDesk) -> None:
    with pytest.raises(UsageError):
        logs.repository().remove_many()


def test_without_a_vault_there_is_no_removal(logs: RemovalDesk) -> None:
    before = logs.lines(1)
    bare = Repository(logs.model, logs.mongo, LOGS)
    for act in (lambda: bare.delete(ids_of(before)[0]), lambda: bare.delete_many(filter={})):
        with pytest.raises(ConfigError):
            act()
    assert logs.live() == before


def test_more_than_were_confirmed_are_declined(logs: RemovalDesk) -> None:
    before = logs.lines(3)
    with pytest.raises(Declined):
        logs.repository().delete_many(filter={}, expected=2)
    assert logs.live() == before
    assert logs.mongo.collection("datactl_ops").count_documents({}) == 0


def test_what_is_not_allowed_is_not_packed(logs: RemovalDesk) -> None:
    before = logs.lines(3)
    first, second, third = ids_of(before)
    error = UsageError("this one stays")
    (fates,) = _removed(logs, [first, second, third], allow=lambda each: error if each["number"] == 1 else None)
    assert [(each.fate, each.error) for each in fates] == [
        (Fate.REMOVED, None),
        (Fate.REFUSED, error),
        (Fate.REMOVED, None),
    ]
    (manifest,) = logs.vault.manifests("Log")
    assert manifest.documents == 2
    found = account(logs, before)
    assert (found.live, found.archived) == (1, 2)


def test_what_is_refused_in_the_transaction_stays(logs: RemovalDesk) -> None:
    before = logs.lines(3)
    error = UsageError("this one stays")
    sessions: list[Any] = []

    def refusals(session: Any, documents: Any) -> list[UsageError | None]:
        sessions.append(session)
        return [error if each["number"] == 1 else None for each in documents]

    (fates,) = _removed(logs, ids_of(before), refusals=refusals)
    assert [each.fate for each in fates] == [Fate.REMOVED, Fate.REFUSED, Fate.REMOVED]
    assert fates[1].error is error
    assert sessions
    assert None not in sessions
    found = account(logs, before)
    assert (found.live, found.archived) == (1, 2)


def test_what_the_caller_writes_is_committed_with_the_removal_or_not_at_all(logs: RemovalDesk) -> None:
    before = logs.lines(1_100)
    notes = logs.mongo.collection("notes")
    notes.insert_one({"_id": "count", "n": 0})

    def inside(session: Any, fates: Any) -> None:
        notes.update_one({"_id": "count"}, {"$inc": {"n": len(fates)}}, session=session)
        if fates[-1].id == ids_of(before)[-1]:
            raise UsageError("no more")

    with pytest.raises(UsageError, match="no more"):
        _removed(logs, ids_of(before), inside=inside)
    row = notes.find_one({"_id": "count"})
    assert row is not None
    assert row["n"] == 1_100 - len(logs.live())
    assert 0 < row["n"] < 1_100


def test_one_that_changed_meanwhile_is_copied_anew(logs: RemovalDesk) -> None:
    """Changed once, right before its removal: the second copy is what leaves."""
    before = logs.lines(1)
    (only,) = ids_of(before)
    change = lambda: logs.logs.update_one({"_id": only}, {"$inc": {"number": 1}})  # noqa: E731
    watch = At("manifest.put", "after", change)
    with Removing(logs.remover(), logs.model, context(), watch=watch) as removing:
        assert removing.one(only).fate is Fate.REMOVED
    (copies,) = logs.archived().values()
    assert [bson.decode(copy)["number"] for copy in copies] == [1]
    assert len(list(logs.vault.manifests("Log"))) == 2


def test_one_that_changes_all_the_time_stays(logs: RemovalDesk) -> None:
    before = logs.lines(1)
    (only,) = ids_of(before)

    class Changes(At):
        def see(self, step: Any) -> None:
            if (step.name, step.when) == ("manifest.put", "after"):
                logs.logs.update_one({"_id": only}, {"$inc": {"number": 1}})

    watch = Changes("", "", lambda: None)
    with pytest.raises(WriteConflict), Removing(logs.remover(), logs.model, context(), watch=watch) as removing:
        removing.one(only)
    assert logs.logs.count_documents({}) == 1
    assert logs.archived() == {}
    assert not logs.events()


def test_of_many_those_that_change_all_the_time_are_kept_and_told(logs: RemovalDesk) -> None:
    before = logs.lines(20)
    busy = ids_of(before)[3]

    class Changes(At):
        def see(self, step: Any) -> None:
            if (step.name, step.when) == ("manifest.put", "after"):
                logs.logs.update_one({"_id": busy}, {"$inc": {"touched": 1}})

    result = logs.repository().delete_many(filter={}, watch=Changes("", "", lambda: None))
    assert (result.matched, result.changed, result.kept, result.failures) == (20, 19, 1, 0)
    assert [row["_id"] for row in logs.logs.find()] == [busy]
    row = logs.mongo.collection("datactl_ops").find_one({"_id": result.op})
    assert row is not None
    assert (row["state"], row["counts"]["kept"], row["counts"]["changed"]) == ("done", 1, 19)


def test_of_many_those_that_changed_once_are_removed_in_the_end(logs: RemovalDesk) -> None:
    before = logs.lines(20)
    busy = ids_of(before)[3]
    watch = At("manifest.put", "after", lambda: logs.logs.update_one({"_id": busy}, {"$set": {"touched": 1}}))
    result = logs.repository().delete_many(filter={}, watch=watch)
    assert (result.changed, result.kept) == (20, 0)
    assert logs.live() == {}
    (copy,) = logs.archived()[b"\x07" + busy.binary]
    assert bson.decode(copy)["touched"] == 1


def test_one_that_matches_no_longer_is_left(logs: RemovalDesk) -> None:
    before = logs.lines(20)
    out = ids_of(before)[3]
    watch = At("spool", "after", lambda: logs.logs.update_one({"_id": out}, {"$set": {"number": -1}}))
    result = logs.repository().delete_many(filter={"number": {"$gte": 0}}, watch=watch)
    assert (result.matched, result.changed, result.unchanged, result.failures) == (20, 19, 1, 0)
    assert [row["_id"] for row in logs.logs.find()] == [out]


def test_a_filter_may_name_ids(logs: RemovalDesk) -> None:
    before = logs.lines(20)
    wanted = ids_of(before)[:5]
    result = logs.repository().delete_many(filter={"_id": {"$in": wanted}, "number": {"$gte": 2}})
    assert (result.changed, result.failures) == (3, 0)
    assert account(logs, before).archived == 3


def test_secret_fields_are_withheld_from_the_event_and_kept_in_the_copy(logs: RemovalDesk) -> None:
    before = logs.insert([{"_id": ObjectId(), "line": "x", "key": "s3cret"}])
    change = logs.repository().remove(ids_of(before)[0])
    (event,) = logs.events()
    assert "key" not in event["payload"]["before"]
    assert event["payload"]["withheld"] == ["key"]
    assert "key" not in (change.before or {})
    assert account(logs, before).archived == 1


def test_large_documents_are_removed_within_bounds(logs: RemovalDesk) -> None:
    """Their events do not fit a row, nor two of them a transaction, nor all of them one read."""
    before = logs.insert({"_id": ObjectId(), "line": "x" * 9_500_000} for _ in range(5))
    result = logs.repository().delete_many(filter={})
    assert result.changed == 5
    assert account(logs, before).archived == 5


def test_a_plan_counts_and_changes_nothing(logs: RemovalDesk) -> None:
    before = logs.lines(5)
    plan = logs.repository().plan_delete({"number": {"$lt": 2}})
    assert (plan.matching, plan.live_total, plan.collection) == (2, 5, logs.model.collection)
    assert logs.live() == before
