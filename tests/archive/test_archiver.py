"""The archive run: what is due, what stays and why, what is reported, and going on after a stop."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import bson
import pytest
from bson import ObjectId
from pymongo.collection import Collection

from datactl.archive import Kept, Place
from datactl.archive.documents import leads_through_list, may_lead_through_list, readable_id
from datactl.errors import NotSoftDeletable, UsageError
from datactl.mongo import Capabilities, raw_id
from datactl.schema import Registry, define_model
from datactl.steps import Step, Watcher
from tests.archive.desk import Desk, account
from tests.archive.killing import Recorder
from tests.archive.watching import At


def test_a_plan_counts_and_changes_nothing(desk: Desk) -> None:
    due = desk.insert(desk.marked(30, days=100))
    before = due | desk.insert(desk.marked(4, days=80))
    before |= desk.insert({**each, "deletedAt": odd} for each, odd in zip(desk.marked(4), UNDATED, strict=True))
    before |= desk.insert({**each, "deleted": False} for each in desk.marked(5))
    plan = desk.archiver().plan("post", 90)
    assert (plan.model, plan.collection, plan.days) == ("Post", "posts", 90)
    assert (plan.documents, plan.size) == (30, sum(map(len, due.values())))
    assert (plan.undated, plan.held, plan.unsettled, plan.indexed) == (4, 0, 0, True)
    age = desk.mongo.server_time() - plan.cutoff
    assert timedelta(days=90) <= age < timedelta(days=90, minutes=1)
    assert desk.live() == before
    assert not list(desk.store.list(""))


UNDATED = (None, "2020-01-01", 1_577_836_800, {"at": 1})


def test_what_is_due_leaves_and_the_rest_stays(desk: Desk) -> None:
    due = desk.insert(desk.marked(700))
    staying = desk.insert(desk.marked(4, days=80))
    staying |= desk.insert({**each, "deletedAt": odd} for each, odd in zip(desk.marked(4), UNDATED, strict=True))
    staying |= desk.insert({**each, "deleted": False} for each in desk.marked(5))
    report = desk.archive(reason="spring cleaning")
    assert (report.archived, report.kept, report.stopped, report.left) == (700, (), False, 0)
    assert desk.live() == staying
    assert account(desk, due | staying).archived == 700
    manifests = list(desk.vault.manifests("Post"))
    assert [manifest.name for manifest in manifests] == list(report.segments)
    assert sum(manifest.documents for manifest in manifests) == 700
    assert report.size == sum(map(len, due.values()))
    assert report.stored == sum(manifest.segment.size for manifest in manifests)
    assert {(each.op, each.actor, each.reason) for each in manifests} == {(report.op, "tester", "spring cleaning")}
    row = desk.mongo.collection("datactl_ops").find_one({"_id": report.op})
    assert row is not None
    assert (row["kind"], row["state"], row["counts"]["changed"], row["position"]) == ("archive", "done", 700, 700)
    events = list(desk.mongo.collection("outboxes").find({"eventType": "PostArchived"}))
    assert [each["aggregateId"] for each in events] == list(report.segments)
    assert sum(each["payload"]["archived"]["removed"] for each in events) == 700
    assert not list(desk.mongo.collection("datactl_fences").find())


def test_a_list_of_dates_is_no_date(desk: Desk) -> None:
    """A comparison looks into lists; what is planned and what is taken are one set."""
    long_ago = desk.mongo.server_time() - timedelta(days=100)
    one, two, three = desk.marked(3)
    lists = desk.insert([{**one, "deletedAt": [long_ago]}, {**two, "deletedAt": [desk.mongo.server_time(), long_ago]}])
    due = desk.insert([three])
    plan = desk.archiver().plan("Post", 90)
    assert (plan.documents, plan.undated) == (1, 2)
    assert desk.archive().archived == 1
    assert desk.live() == lists
    assert account(desk, due | lists).archived == 1


def test_a_date_inside_a_list_is_no_date(desk: Desk) -> None:
    fields = {"items": {"type": "array", "of": {"type": "object", "fields": {"at": {"type": "date"}}}}}
    archive = {"after": "30d", "select": {"by": "items.at", "where": {}}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=False, archive=archive)])
    old = desk.mongo.server_time() - timedelta(days=60)
    before = desk.insert([{"_id": ObjectId(), "items": [{"at": old}]}])
    before |= desk.insert([{"_id": ObjectId(), "items": {"at": old}}])
    plan = desk.archiver().plan("Post")
    assert (plan.documents, plan.undated) == (1, 1)
    assert desk.archiver().run(plan).archived == 1
    assert account(desk, before).live == 1


@pytest.mark.parametrize(
    ("document", "path", "on_the_way"),
    [
        ({"a": {"at": 1}, "at": 2}, "at", False),
        ({"a": 1, "at": [2]}, "at", True),
        ({"a": {"at": [2]}, "at": 2}, "at", False),
        ({"a": [{"at": 2}]}, "a.at", True),
        ({"b": 1, "a": {"at": [2]}}, "a.at", True),
        ({"a": {"at": 2, "b": {"at": [1]}}}, "a.at", False),
        ({"at": [2], "a": 1}, "a.at", False),
        ({"at": [2]}, "a.at", False),
    ],
)
def test_where_a_list_is_on_the_way_to_a_value(document: dict[str, Any], path: str, on_the_way: bool) -> None:
    raw = bson.encode(document)
    assert leads_through_list(raw, path) is on_the_way
    assert may_lead_through_list(raw, path) or not on_the_way


@pytest.mark.parametrize("kind", ["hashed", "text", "2dsphere"])
def test_an_index_without_the_order_of_dates_is_none(desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {"i": {"key": [("deletedAt", kind)]}}
    monkeypatch.setattr(Collection, "index_information", lambda collection: told)
    assert desk.archiver().plan("Post", 90).indexed is False
    told["j"] = {"key": [("deleted", 1), ("deletedAt", -1)]}
    assert desk.archiver().plan("Post", 90).indexed is True


@pytest.mark.parametrize(
    ("key", "refused"), [(["tenant"], True), (["_id", "tenant"], True), (["_id"], False), ([], False)]
)
def test_a_collection_sharded_by_something_else_is_refused(
    desk: Desk, key: list[str], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = desk.insert(desk.marked(2))
    plan = desk.archiver().plan("Post", 90)
    monkeypatch.setattr(Capabilities, "topology", "sharded")
    rows = desk.mongo.client["config"]["collections"]
    row = {"_id": f"{desk.mongo.database.name}.posts", "key": dict.fromkeys(key, 1)}
    if key:
        rows.insert_one(row)
    try:
        if refused:
            for act in (lambda: desk.archiver().plan("Post", 90), lambda: desk.archiver().run(plan)):
                with pytest.raises(UsageError, match="tenant"):
                    act()
            assert desk.live() == before
        else:
            assert desk.archive().archived == 2
    finally:
        rows.delete_one({"_id": row["_id"]})


def test_an_id_that_is_no_text_is_told_with_a_replacement_character() -> None:
    """Not UTF-8, as an old driver may have written it: a report stops no run."""
    assert readable_id(b"\x02\x03\x00\x00\x00\xff\xfe\x00") == "\ufffd\ufffd"
    assert readable_id(raw_id(bson.encode({"_id": 7}))) == 7


def test_running_again_finds_nothing(desk: Desk) -> None:
    before = desk.insert(desk.marked(50))
    desk.archive()
    again = desk.archive()
    assert (again.archived, again.segments, bool(again.settled)) == (0, (), False)
    assert account(desk, before).archived == 50


def test_the_model_decides_the_age_and_the_command_overrides_it(desk: Desk) -> None:
    desk.insert(desk.marked(3, days=40))
    fields = {"title": {"type": "string"}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True, archive={"after": "30d"})])
    assert desk.archiver().plan("Post").documents == 3
    assert desk.archiver().plan("Post", 50).documents == 0
    assert desk.archiver(retention_days=10).plan("Post").days == 30
    with pytest.raises(UsageError):
        desk.archiver().plan("Post", -1)
    assert desk.archiver().plan("Post", 4_000_000).documents == 0


def test_a_model_of_which_nothing_comes_due(desk: Desk) -> None:
    desk.registry = Registry([define_model("Post", {"title": {"type": "string"}}, enable_soft_delete=False)])
    with pytest.raises(NotSoftDeletable):
        desk.archiver().plan("Post", 90)


def test_documents_that_changed_meanwhile_stay_and_are_named(desk: Desk) -> None:
    documents = desk.marked(20)
    desk.insert(documents)
    changed, restored, gone, retyped = (each["_id"] for each in documents[:4])

    def meddle() -> None:
        desk.posts.update_one({"_id": changed}, {"$set": {"views": 10**6}})
        desk.posts.update_one({"_id": restored}, {"$set": {"deleted": False}, "$unset": {"deletedAt": ""}})
        desk.posts.delete_one({"_id": gone})
        desk.posts.update_one({"_id": retyped}, {"$set": {"views": float(documents[3]["views"])}})

    report = desk.archive(watch=At("manifest.put", "after", meddle))
    assert report.archived == 16
    assert set(report.kept) == {
        Kept(changed, "changed"),
        Kept(retyped, "changed"),  # equal in value, not in type
        Kept(restored, "restored"),
        Kept(gone, "vanished"),
    }
    live = {document["_id"]: document for document in map(bson.decode, desk.live().values())}
    assert live.keys() == {changed, restored, retyped}
    assert live[changed]["views"] == 10**6
    # What vanished counts as taken out: the vault has the only copy.
    assert desk.restorer().find("Post", str(gone)).place is Place.ARCHIVED
    assert desk.archive().archived == 2


def test_a_document_that_keeps_changing_does_not_keep_the_run_going(desk: Desk) -> None:
    documents = desk.marked(1_700)
    desk.insert(documents)

    class Restless(Watcher):
        touched = 0

        def see(self, step: Step) -> None:
            if (step.name, step.when) == ("manifest.put", "after"):
                Restless.touched += desk.posts.update_many({"views": {"$lt": 3}}, {"$inc": {"edits": 1}}).modified_count

    report = desk.archive(watch=Restless())
    assert (len(report.segments), Restless.touched) == (2, 6)  # the second time they had been passed
    assert (report.archived, report.kept_counts) == (1_697, {"changed": 3})


def test_held_documents_are_counted_and_left_alone(desk: Desk) -> None:
    before = desk.insert(desk.marked(10))
    desk.archive()
    ids = [bson.decode(document)["_id"] for document in list(before.values())[:3]]
    desk.restorer().restore("Post", ids, as_archived=True).raise_failures()
    plan = desk.archiver().plan("Post", 90)
    assert (plan.documents, plan.held) == (3, 3)
    report = desk.archive()
    assert (report.archived, report.segments) == (0, ())  # not even copied
    assert account(desk, before).live == 3
    past = desk.mongo.server_time() - timedelta(seconds=1)
    desk.mongo.collection("datactl_holds").update_many({}, {"$set": {"until": past}})
    assert desk.archive().archived == 3
    assert account(desk, before).archived == 10


class StopAfter(Watcher):
    """Asks to stop after so many announcements of a step."""

    def __init__(self, name: str, when: str, count: int) -> None:
        self._at = (name, when)
        self._left = count

    def see(self, step: Step) -> None:
        self._left -= (step.name, step.when) == self._at

    def stopping(self) -> bool:
        return self._left <= 0


@pytest.mark.parametrize("at", [("delete", "before"), ("segment.put", "before"), ("settle", "before")])
def test_a_stopped_run_finishes_its_segment_and_goes_on_when_run_again(desk: Desk, at: tuple[str, str]) -> None:
    before = desk.insert(desk.marked(1_700))
    stopped = desk.archive(watch=StopAfter(*at, 1))
    assert stopped.stopped
    assert len(stopped.segments) == (0 if at[0] == "settle" else 1)
    assert stopped.archived + stopped.left == 1_700
    assert account(desk, before).archived == stopped.archived
    assert not list(desk.vault.manifests_without_receipt("Post"))
    row = desk.mongo.collection("datactl_ops").find_one({"_id": stopped.op})
    assert row is not None
    assert (row["state"], row["left"]) == ("stopped", stopped.left)
    rest = desk.archive()
    assert rest.archived == stopped.left
    assert account(desk, before).archived == 1_700


def test_documents_marked_at_one_moment_are_all_taken(desk: Desk) -> None:
    """A bulk soft delete marks with one date: no page of the range may part them."""
    at = desk.mongo.server_time() - timedelta(days=100)
    before = desk.insert({**each, "deletedAt": at} for each in desk.marked(1_200))
    assert desk.archive().archived == 1_200
    assert account(desk, before).archived == 1_200


def test_a_collection_without_an_index(desk: Desk) -> None:
    desk.posts.drop_indexes()
    before = desk.insert(desk.marked(30))
    plan = desk.archiver().plan("Post", 90)
    assert (plan.indexed, plan.documents, len(plan.windows)) == (False, 30, 1)
    assert desk.archive().archived == 30
    assert account(desk, before).archived == 30


def test_live_documents_that_a_selection_names(desk: Desk) -> None:
    fields = {"kind": {"type": "string"}, "createdOn": {"type": "date"}}
    archive = {"after": "30d", "select": {"by": "createdOn", "where": {"kind": "log"}}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True, archive=archive)])
    old = desk.mongo.server_time() - timedelta(days=60)
    logs = desk.insert({"_id": ObjectId(), "kind": "log", "createdOn": old} for _ in range(5))
    others = desk.insert({"_id": ObjectId(), "kind": "note", "createdOn": old} for _ in range(5))
    marked = desk.insert(desk.marked(2))
    plan = desk.archiver().plan("Post")
    assert (plan.documents, len(plan.windows)) == (7, 2)
    assert desk.archiver().run(plan).archived == 7
    assert desk.live() == others
    assert account(desk, logs | others | marked).archived == 7
    # Back again, it would be due at once: it is held.
    back = bson.decode(next(iter(logs.values())))["_id"]
    desk.restorer().restore("Post", [back]).raise_failures()
    assert desk.archiver().run(desk.archiver().plan("Post")).archived == 0
    assert len(desk.live()) == 6


def test_every_effect_is_announced_before_and_after(desk: Desk) -> None:
    desk.insert(desk.marked(10))
    recorder = Recorder()
    desk.archive(watch=recorder)
    order = [name for name, when in recorder.steps if when == "before"]
    assert order == [
        *("epoch", "lease", "settle", "segment.put", "segment.read_back", "sidecar.put", "manifest.put"),
        *("delete", "compare", "event", "receipt", "ledger.close"),
    ]
