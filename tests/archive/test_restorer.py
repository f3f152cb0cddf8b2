"""Bringing documents back: from wherever they are, once, and never over another one."""

from __future__ import annotations

from datetime import timedelta

import bson
import pytest
from bson import ObjectId

from datactl.archive import Place
from datactl.errors import BadId, NotFound, PartlyDone, VaultDamaged
from datactl.mongo import raw_id
from datactl.schema import Registry, define_model
from tests.archive.desk import Desk
from tests.archive.restoring import archived_ids, restored_events
from tests.archive.stores import WrappedStore


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


def test_a_document_restored_and_archived_again_comes_back_as_it_was_last(desk: Desk) -> None:
    (lost,) = archived_ids(desk, 1)
    old = desk.mongo.server_time() - timedelta(days=100)
    for edition in range(1, 4):
        desk.restorer().restore("Post", [lost]).raise_failures()
        desk.posts.update_one({"_id": lost}, {"$set": {"edition": edition, "deleted": True, "deletedAt": old}})
        assert desk.archive().archived == 1
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


def test_a_restore_reads_little_whatever_the_vault_holds(desk: Desk) -> None:
    """A hundred segments, nothing cached, no row per document in MongoDB."""
    first = desk.marked(1)[0]
    desk.insert([first])
    desk.archive()
    for _ in range(99):
        desk.insert(desk.marked(3))
        desk.archive()
    assert len(list(desk.vault.manifests("Post"))) == 100
    desk.store = store = WrappedStore(desk.store)
    desk.restorer().restore("Post", [first["_id"]]).raise_failures()
    assert desk.live().keys() == {raw_id(bson.encode(first))}
    ranged = [key for call, key in store.keys if call == "get_range"]
    sidecar_reads = [key for key in ranged if key.startswith("indexes/")]
    assert max(sidecar_reads.count(key) for key in set(sidecar_reads)) <= 3
    assert len(set(sidecar_reads)) <= 100
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
