"""What stands against a restore (another document, values taken or missing), and values given on the way."""

from __future__ import annotations

import bson
import pytest
from bson import ObjectId

from datactl.errors import InvalidDocument, RestoreConflict
from datactl.schema import Registry, define_model
from tests.archive.desk import Desk
from tests.archive.restoring import archived_ids, restored_events
from tests.archive.watching import At


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


@pytest.mark.parametrize("same", ["_id", "slug"])
def test_a_key_that_is_taken_at_the_last_moment(desk: Desk, same: str) -> None:
    (lost,) = archived_ids(desk, 1, slug="one")
    desk.posts.create_index("slug", unique=True)
    other = {"_id": lost if same == "_id" else ObjectId(), "slug": "one" if same == "slug" else "two", "title": "x"}
    report = desk.restorer().restore("Post", [lost], watch=At("insert", "before", lambda: desk.insert([other])))
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
        desk.archive()
    values = {"_id": str(ObjectId()), "serial": "2", "address.zip": "1", "address": {"zip": "1"}, "deleted": True}
    with pytest.raises(InvalidDocument):
        desk.restorer().restore("Post", [document["_id"]], set={path: values[path]})
    assert desk.live() == (before if marked else {})
    assert (desk.archived() == {}) is marked
