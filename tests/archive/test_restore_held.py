"""What is restored is held back from the archive, where its mark or a selection would name it again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bson import ObjectId

from datactl.archive import Place
from datactl.errors import RestoreConflict, UsageError
from datactl.schema import Registry, define_model
from tests.archive.desk import Desk


def test_as_archived_keeps_the_bytes_and_takes_no_values(desk: Desk) -> None:
    before = desk.insert(documents := desk.marked(2))
    desk.archive()
    ids = [document["_id"] for document in documents]
    with pytest.raises(UsageError):
        desk.restorer().restore("Post", ids, as_archived=True, set={"title": "x"})
    desk.restorer().restore("Post", ids, as_archived=True).raise_failures()
    assert desk.live() == before
    held = desk.mongo.collection("datactl_holds").find_one({"id": ids[0]})
    assert held is not None
    month = held["until"] - desk.mongo.server_time()
    assert timedelta(days=29, hours=23) < month <= timedelta(days=30)


SELECTING = {"after": "30d", "select": {"by": "createdOn", "where": {"kind": "log"}}}


@pytest.mark.parametrize("came_from", [Place.ARCHIVED, Place.MARKED])
def test_what_a_selection_names_is_held_when_it_is_live_again(desk: Desk, came_from: Place) -> None:
    fields = {"kind": {"type": "string"}, "createdOn": {"type": "date"}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True, archive=SELECTING)])
    old = desk.mongo.server_time() - timedelta(days=100)
    (document,) = desk.marked(1, kind="log", createdOn=old)
    desk.insert([document])
    if came_from is Place.ARCHIVED:
        assert desk.archive().archived == 1
    report = desk.restorer().restore("Post", [document["_id"]])
    assert [each.came_from for each in report.restored] == [came_from]
    assert desk.archive().archived == 0
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
    assert desk.archive().archived == 1


def test_as_archived_holds_a_document_that_has_its_mark_still(desk: Desk) -> None:
    before = desk.insert(documents := desk.marked(2))
    report = desk.restorer().restore("Post", [documents[0]["_id"]], as_archived=True)
    assert (report.unchanged, report.restored) == ((documents[0]["_id"],), ())
    assert desk.archive().archived == 1
    assert desk.live() == dict(list(before.items())[:1])
