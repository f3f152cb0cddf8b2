"""Bringing documents back: from wherever they are, once, and never over another one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any

import bson
import pytest
from bson import ObjectId

from datactl.archive import Place, RestoreReport
from datactl.errors import BadId, InvalidDocument, NotFound, PartlyDone, RestoreConflict, UsageError, VaultDamaged
from datactl.mongo import CODEC, raw_id
from datactl.schema import Registry, define_model
from tests.archive.desk import Desk, account
from tests.archive.killing import ROOT, Recorder
from tests.archive.restoring import archive, archived_ids, restored_events
from tests.archive.stores import WrappedStore

OTHERS = ("deletedAt", "deletedBy")


def test_find_tells_where_a_document_is(desk: Desk) -> None:
    (archived,) = archived_ids(desk, 1)
    live, marked = desk.marked(2)
    desk.insert([{**live, "deleted": False}, marked])
    restorer = desk.restorer()
    found = restorer.find("posts", str(archived))
    (manifest,) = desk.vault.manifests("Post")
    assert (found.place, found.document, len(found.copies)) == (Place.ARCHIVED, None, 1)
    copy = found.copies[0]
    assert found.offered is copy
    assert (copy.segment, copy.member, copy.position, copy.rank) == (manifest.name, 0, 0, manifest.rank)
    assert (copy.archived_at, copy.op, copy.actor) == (manifest.created_at, manifest.op, "tester")
    assert (copy.removed, copy.restored) == (True, False)
    assert restorer.find("Post", str(live["_id"])).place is Place.LIVE
    assert restorer.find("Post", str(marked["_id"])).place is Place.MARKED
    assert restorer.find("Post", str(ObjectId())).place is Place.ABSENT


def test_find_hides_secrets(desk: Desk) -> None:
    fields = {"title": {"type": "string"}, "pin": {"type": "string", "secret": True}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True)])
    desk.insert([{"_id": (lost := ObjectId()), "title": "a", "pin": "1234"}])
    assert desk.restorer().find("Post", lost).document == {"_id": lost, "title": "a"}


def test_from_wherever_it_is(desk: Desk) -> None:
    first, second = archived_ids(desk, 2)
    marked, live = desk.marked(2)
    desk.insert([marked, {**live, "deleted": False}])
    ids = [str(first), str(marked["_id"]), str(live["_id"]), str(second), str(first)]
    report = desk.restorer().restore("Post", ids, actor="eve", reason="mistake")
    assert [(each.id, each.came_from) for each in report.restored] == [
        (first, Place.ARCHIVED),
        (marked["_id"], Place.MARKED),
        (second, Place.ARCHIVED),
    ]
    assert report.unchanged == (live["_id"],)
    assert report.failed == ()
    assert desk.posts.count_documents({"deleted": {"$ne": True}}) == 4
    assert desk.archived() == {}
    (manifest,) = desk.vault.manifests("Post")
    events = {each["aggregateId"]: each for each in restored_events(desk)}
    event = events[second]
    assert event["payload"]["archived"] == {"segment": manifest.name, "position": 1, "asArchived": False}
    assert event["payload"]["after"]["views"] == 1
    assert (event["op"], event["actor"], event["reason"], event["seq"]) == (report.op, "eve", "mistake", 1)
    assert events[marked["_id"]]["actor"] == "eve"
    assert not list(desk.mongo.collection("datactl_restores").find())
    row = desk.mongo.collection("datactl_ops").find_one({"_id": report.op})
    assert row is not None
    assert (row["kind"], row["state"], row["counts"]["changed"]) == ("restore", "done", 3)


def test_a_secret_is_in_no_event(desk: Desk) -> None:
    fields = {"title": {"type": "string"}, "pin": {"type": "string", "secret": True}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True, additional_fields=True)])
    (lost,) = archived_ids(desk, 1, pin="1234")
    desk.restorer().restore("Post", [lost]).raise_failures()
    (event,) = restored_events(desk)
    assert event["payload"]["withheld"] == ["pin"]
    assert b"1234" not in bson.encode(event)
    assert desk.posts.find_one({"_id": lost})["pin"] == "1234"


def test_what_is_nowhere_is_not_found(desk: Desk) -> None:
    archived_ids(desk, 1)
    restorer = desk.restorer()
    report = restorer.restore("Post", [ObjectId()])
    with pytest.raises(NotFound):
        report.raise_failures()
    with pytest.raises(BadId):
        restorer.restore("Post", ["no id"])
    with pytest.raises(BadId):
        restorer.restore("Post", [])


def test_one_failure_keeps_no_other(desk: Desk) -> None:
    ids = archived_ids(desk, 3)
    report = desk.restorer().restore("Post", [ids[0], ObjectId(), ids[1]])
    assert [each.id for each in report.restored] == ids[:2]
    assert [type(each.error) for each in report.failed] == [NotFound]
    with pytest.raises(PartlyDone) as caught:
        report.raise_failures()
    assert caught.value.exit_code == 3


def test_a_live_document_is_never_overwritten(desk: Desk) -> None:
    """Somebody created another one under the same `_id` since."""
    (lost,) = archived_ids(desk, 1)
    newer = desk.insert([{"_id": lost, "title": "newer", "updatedAt": desk.mongo.server_time()}])
    report = desk.restorer().restore("Post", [lost])
    with pytest.raises(RestoreConflict) as caught:
        report.raise_failures()
    assert caught.value.details["live"]["id"] == str(lost)
    assert "updatedAt" in caught.value.details["live"]
    (manifest,) = desk.vault.manifests("Post")
    assert caught.value.details["archived"]["segment"] == manifest.name
    assert desk.live() == newer
    assert restored_events(desk) == []


class Intruder(Recorder):
    """Inserts a document with the `_id` at the last moment."""

    def __init__(self, desk: Desk, document: dict[str, Any]) -> None:
        super().__init__()
        self._desk = desk
        self._document = document

    def see(self, step: Any) -> None:
        if (step.name, step.when) == ("insert", "before"):
            self._desk.insert([self._document])


@pytest.mark.parametrize("same", ["_id", "slug"])
def test_a_key_that_is_taken_at_the_last_moment(desk: Desk, same: str) -> None:
    (lost,) = archived_ids(desk, 1, slug="one")
    desk.posts.create_index("slug", unique=True)
    other = {"_id": lost if same == "_id" else ObjectId(), "slug": "one" if same == "slug" else "two", "title": "x"}
    report = desk.restorer().restore("Post", [lost], watch=Intruder(desk, other))
    with pytest.raises(RestoreConflict):
        report.raise_failures()
    assert list(map(bson.decode, desk.live().values())) == [other]
    assert restored_events(desk) == []
    assert not list(desk.mongo.collection("datactl_restores").find())


def test_every_conflict_is_listed_and_nothing_changed(desk: Desk) -> None:
    (lost,) = archived_ids(desk, 1, slug="one", authorId=ObjectId())
    other = desk.insert([{"_id": ObjectId(), "slug": "one", "title": "x"}])
    desk.registry = Registry(
        [
            define_model(
                "Post",
                {
                    "title": {"type": "string", "required": True},
                    "language": {"type": "string", "required": True},
                    "slug": {"type": "string"},
                    "authorId": {"type": "objectId", "ref": "Post"},
                },
                enable_soft_delete=True,
                unique_fields=["slug"],
                additional_fields=True,
            )
        ]
    )
    report = desk.restorer().restore("Post", [lost])
    with pytest.raises(RestoreConflict) as caught:
        report.raise_failures()
    assert {problem.where for problem in caught.value.problems} == {"/language", "/slug", "/authorId"}
    assert desk.live() == other
    values = {"language": "en", "slug": "another", "authorId": str(bson.decode(next(iter(other.values())))["_id"])}
    desk.restorer().restore("Post", [lost], set=values).raise_failures()
    document = desk.posts.find_one({"_id": lost})
    assert (document["language"], document["slug"], document["title"]) == ("en", "another", "post 0")
    assert document["deleted"] is False


def test_values_go_into_nested_places(desk: Desk) -> None:
    (lost,) = archived_ids(desk, 1, meta={"tags": [{"name": "a"}, {"name": "b"}]})
    desk.restorer().restore("Post", [lost], set={"meta.tags.1.name": "c", "meta.lang.code": "en"}).raise_failures()
    document = desk.posts.find_one({"_id": lost})
    assert document["meta"] == {"tags": [{"name": "a"}, {"name": "c"}], "lang": {"code": "en"}}


def test_values_are_given_to_a_document_that_is_only_marked(desk: Desk) -> None:
    (marked,) = desk.marked(1, meta={"tags": ["a", "b"]}, slug="taken")
    desk.insert([marked])
    desk.posts.insert_one({"title": "in the way", "slug": "taken"})
    with pytest.raises(RestoreConflict):
        desk.restorer().restore("Post", [marked["_id"]], set={"title": "x"}).raise_failures()
    assert desk.posts.find_one({"_id": marked["_id"]})["deleted"] is True

    values = {"slug": "free", "meta.tags.1": "c"}
    desk.restorer().restore("Post", [marked["_id"]], set=values).raise_failures()
    document = desk.posts.find_one({"_id": marked["_id"]})
    assert (document["deleted"], document["slug"], document["meta"]) == (False, "free", {"tags": ["a", "c"]})
    (event,) = desk.mongo.collection("outboxes").find({"aggregateId": marked["_id"]})
    assert event["eventType"] == "PostRestored"
    assert event["payload"]["before"]["slug"] == "taken"
    assert event["payload"]["after"]["slug"] == "free"


def test_as_archived_keeps_the_bytes_and_takes_no_values(desk: Desk) -> None:
    before = desk.insert(documents := desk.marked(2))
    archive(desk)
    ids = [document["_id"] for document in documents]
    with pytest.raises(UsageError):
        desk.restorer().restore("Post", ids, as_archived=True, set={"title": "x"})
    desk.restorer().restore("Post", ids, as_archived=True).raise_failures()
    assert desk.live() == before
    held = desk.mongo.collection("datactl_holds").find_one({"id": ids[0]})
    assert held is not None
    month = held["until"] - desk.mongo.server_time()
    assert timedelta(days=29, hours=23) < month <= timedelta(days=30)


def test_a_document_restored_and_archived_again_comes_back_as_it_was_last(desk: Desk) -> None:
    (lost,) = archived_ids(desk, 1)
    old = desk.mongo.server_time() - timedelta(days=100)
    for edition in range(1, 4):
        desk.restorer().restore("Post", [lost]).raise_failures()
        desk.posts.update_one({"_id": lost}, {"$set": {"edition": edition, "deleted": True, "deletedAt": old}})
        assert archive(desk).archived == 1
        found = desk.restorer().find("Post", lost)
        assert [copy.offered for copy in found.copies] == [True, *[False] * edition]
        assert [copy.restored for copy in found.copies] == [False, *[True] * edition]
    desk.restorer().restore("Post", [lost]).raise_failures()
    assert desk.posts.find_one({"_id": lost})["edition"] == 3
    # Gone by another program's hand: what came back from the vault once is not offered again.
    desk.posts.delete_one({"_id": lost})
    assert desk.restorer().find("Post", lost).place is Place.ABSENT
    with pytest.raises(NotFound):
        desk.restorer().restore("Post", [lost]).raise_failures()


def test_a_damaged_copy_is_no_reason_to_give_an_older_one(desk: Desk) -> None:
    (lost,) = archived_ids(desk, 1)
    (manifest,) = desk.vault.manifests("Post")
    path = desk.directory / manifest.segment_key
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    report = desk.restorer().restore("Post", [lost])
    with pytest.raises(VaultDamaged):
        report.raise_failures()
    assert desk.live() == {}


RESTORE = """
import json, os, sys
from pathlib import Path
from datactl.mongo import open_mongo
from tests.archive.child import SignallingWatcher
from tests.archive.desk import desk_at

order = json.loads(sys.argv[1])
with open_mongo(order["uri"], order["database"]) as mongo:
    watch = SignallingWatcher(tuple(order["at"]), 9)
    desk_at(mongo, Path(order["vault"])).restorer().restore("Post", order["ids"], watch=watch)
"""


def killed_restore(desk: Desk, ids: list[ObjectId], at: tuple[str, str, int]) -> None:
    order = {"uri": desk.uri, "database": desk.mongo.database.name, "vault": str(desk.directory), "at": at}
    order["ids"] = [str(lost) for lost in ids]
    status = subprocess.run([sys.executable, "-c", RESTORE, json.dumps(order)], cwd=ROOT, check=False).returncode
    assert status == -signal.SIGKILL


def check_restored_once(desk: Desk, ids: list[ObjectId], bare: dict[bytes, bytes]) -> None:
    assert desk.live() == bare
    assert desk.archived() == {}
    assert sorted(each["aggregateId"] for each in restored_events(desk)) == sorted(ids)
    assert not list(desk.mongo.collection("datactl_restores").find())


@pytest.mark.parametrize(
    "at",
    [
        ("insert", "before", 1),
        ("insert", "after", 1),
        ("insert", "after", 2),
        ("receipt", "before", 1),
        ("receipt", "after", 1),
    ],
)
@pytest.mark.parametrize("finished_by", ["restore", "archive"])
def test_a_restore_killed_before_its_receipt_is_finished(
    desk: Desk, at: tuple[str, str, int], finished_by: str
) -> None:
    before = desk.insert(documents := desk.marked(3))
    archive(desk)
    ids = [document["_id"] for document in documents]
    bare = {key: _bare(document) for key, document in before.items()}
    killed_restore(desk, ids, at)
    if finished_by == "archive":
        archive(desk)
        assert not list(desk.mongo.collection("datactl_restores").find())
        assert account(desk, {**before, **desk.live()})
    report: RestoreReport = desk.restorer().restore("Post", ids)
    report.raise_failures()
    assert len(report.restored) + len(report.unchanged) == 3
    check_restored_once(desk, ids, bare)


def _bare(document: bytes) -> bytes:
    """As a restored document is: `deleted: false` in its place, no other mark."""
    values = bson.decode(document, CODEC)
    return bson.encode({name: value for name, value in (values | {"deleted": False}).items() if name not in OTHERS})


SELECTING = {"after": "30d", "select": {"by": "createdOn", "where": {"kind": "log"}}}


@pytest.mark.parametrize("came_from", [Place.ARCHIVED, Place.MARKED])
def test_what_a_selection_names_is_held_when_it_is_live_again(desk: Desk, came_from: Place) -> None:
    fields = {"kind": {"type": "string"}, "createdOn": {"type": "date"}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True, archive=SELECTING)])
    old = desk.mongo.server_time() - timedelta(days=100)
    (document,) = desk.marked(1, kind="log", createdOn=old)
    desk.insert([document])
    if came_from is Place.ARCHIVED:
        assert archive(desk).archived == 1
    report = desk.restorer().restore("Post", [document["_id"]])
    assert [each.came_from for each in report.restored] == [came_from]
    assert archive(desk).archived == 0
    assert desk.posts.count_documents({"deleted": {"$ne": True}}) == 1


def test_a_refused_restore_of_what_a_selection_names_holds_nothing(desk: Desk) -> None:
    fields = {"kind": {"type": "string"}, "createdOn": {"type": "date"}, "slug": {"type": "string"}}
    options = {"enable_soft_delete": True, "unique_fields": ["slug"], "additional_fields": True}
    desk.registry = Registry([define_model("Post", fields, archive=SELECTING, **options)])
    (document,) = desk.marked(1, slug="one")
    desk.insert([document, {"_id": ObjectId(), "slug": "one"}])
    with pytest.raises(RestoreConflict):
        desk.restorer().restore("Post", [document["_id"]]).raise_failures()
    assert desk.mongo.collection("datactl_holds").count_documents({}) == 0
    assert archive(desk).archived == 1


def test_as_archived_holds_a_document_that_has_its_mark_still(desk: Desk) -> None:
    before = desk.insert(documents := desk.marked(2))
    report = desk.restorer().restore("Post", [documents[0]["_id"]], as_archived=True)
    assert (report.unchanged, report.restored) == ((documents[0]["_id"],), ())
    assert archive(desk).archived == 1
    assert desk.live() == dict(list(before.items())[:1])


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("path", ["_id", "serial", "address.zip", "address", "deleted"])
def test_what_never_changes_is_not_given_on_the_way(desk: Desk, path: str, marked: bool) -> None:
    fields = {
        "serial": {"type": "string", "immutable": True},
        "address": {"type": "object", "fields": {"zip": {"type": "string", "immutable": True}}},
    }
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True, additional_fields=True)])
    before = desk.insert([document := desk.marked(1)[0]])
    if not marked:
        archive(desk)
    values = {"_id": str(ObjectId()), "serial": "2", "address.zip": "1", "address": {"zip": "1"}, "deleted": True}
    with pytest.raises(InvalidDocument):
        desk.restorer().restore("Post", [document["_id"]], set={path: values[path]})
    assert desk.live() == (before if marked else {})
    assert (desk.archived() == {}) is marked


def test_between_the_insert_and_its_receipt_find_offers_no_copy(desk: Desk) -> None:
    (lost,) = archived_ids(desk, 1)
    killed_restore(desk, [lost], ("insert", "after", 1))
    found = desk.restorer().find("Post", lost)
    assert (found.place, found.offered) == (Place.LIVE, None)
    assert [copy.restored for copy in found.copies] == [True]


def test_a_restore_reads_little_whatever_the_vault_holds(desk: Desk) -> None:
    """A hundred segments, nothing cached, no row per document in MongoDB."""
    first = desk.marked(1)[0]
    desk.insert([first])
    archive(desk)
    for _ in range(99):
        desk.insert(desk.marked(3))
        archive(desk)
    assert len(list(desk.vault.manifests("Post"))) == 100
    desk.store = store = WrappedStore(desk.store)
    desk.restorer().restore("Post", [first["_id"]]).raise_failures()
    assert desk.live().keys() == {raw_id(bson.encode(first))}
    ranged = [key for call, key in store.keys if call == "get_range"]
    sidecar_reads = [key for key in ranged if key.startswith("indexes/")]
    assert max(sidecar_reads.count(key) for key in set(sidecar_reads)) <= 3
    assert len(set(sidecar_reads)) <= 100
    assert [key for key in ranged if key.startswith("segments/")] == [key for key in ranged if "segments/" in key]
    assert sum(key.startswith("segments/") for key in ranged) == 1
    whole = [key for call, key in store.keys if call == "get"]
    assert not [key for key in whole if key.startswith(("segments/", "indexes/"))]
    assert len([key for key in whole if key.startswith("manifests/")]) <= 100
    # Looked at again when it is inserted: what is newer than the newest known, and the receipts of the one segment.
    assert store.keys.count(("list", "manifests/Post/")) == 2
    (segment,) = {key.split("/")[2] for key in whole if key.startswith("receipts/")}
    assert store.keys.count(("get", f"receipts/Post/{segment}/deleted.json")) == 2
    names = set(desk.mongo.database.list_collection_names())
    assert desk.mongo.collection("outboxes").count_documents({"eventType": "PostArchived"}) == 100
    rows = {name: desk.mongo.collection(name).count_documents({}) for name in names}
    assert {name for name, count in rows.items() if count > 101} == set()
