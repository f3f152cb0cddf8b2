"""Restoring the copy of a segment that the operator names, whatever the receipts say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from datactl.errors import NotFound, RestoreConflict, UsageError
from datactl.vault import Vault
from tests.archive.desk import Desk
from tests.archive.restoring import archived_ids, restored_events


def lost_again(desk: Desk) -> tuple[ObjectId, str]:
    """Restored, and then gone: the database was brought back from a backup that is older than the restore."""
    (lost,) = archived_ids(desk, 1)
    desk.restorer().restore("Post", [lost]).raise_failures()
    desk.posts.delete_one({"_id": lost})
    (segment,) = desk.vault.manifests("Post")
    return lost, segment.name


def test_what_was_restored_and_lost_since_says_which_copies_there_are(desk: Desk) -> None:
    lost, segment = lost_again(desk)
    with pytest.raises(NotFound, match="no copy of it is left") as raised:
        desk.restorer().restore("Post", [lost]).raise_failures()
    assert f"segment {segment} of" in (raised.value.why or "")
    assert "brought back" in (raised.value.why or "")
    assert raised.value.next is not None
    assert raised.value.next.endswith(f"datactl restore Post {lost} --from {segment}")
    (copy,) = raised.value.details["copies"]
    assert (copy["segment"], copy["removed"], copy["restoredAt"] is not None) == (segment, True, True)


def test_a_named_copy_comes_back_although_it_was_restored(desk: Desk) -> None:
    lost, segment = lost_again(desk)
    report = desk.restorer().restore("Post", [lost], from_segment=segment)
    report.raise_failures()
    assert [(each.id, each.copy.segment) for each in report.restored if each.copy] == [(lost, segment)]
    assert desk.posts.count_documents({"_id": lost, "deleted": False}) == 1
    events = restored_events(desk)
    assert [event["payload"]["archived"]["segment"] for event in events] == [segment] * 2
    (manifest,) = desk.vault.manifests("Post")
    assert [receipt.op for receipt in desk.vault.receipts(manifest).restored_receipts][-1] == report.op
    assert desk.mongo.collection("datactl_restores").count_documents({}) == 0


def test_a_named_copy_never_takes_the_place_of_a_document(desk: Desk) -> None:
    lost, segment = lost_again(desk)
    (document,) = desk.marked(1)
    for there in ({"_id": lost, "title": "live"}, {**document, "_id": lost}):
        desk.posts.insert_one(there)
        with pytest.raises(RestoreConflict):
            desk.restorer().restore("Post", [lost], from_segment=segment).raise_failures()
        assert desk.posts.find_one({"_id": lost})["title"] == there["title"]
        desk.posts.delete_one({"_id": lost})


def test_a_named_copy_that_is_not_there(desk: Desk) -> None:
    lost, segment = lost_again(desk)
    archived_ids(desk, 1)
    (other,) = [manifest.name for manifest in desk.vault.manifests("Post") if manifest.name != segment]
    with pytest.raises(NotFound, match="has no copy"):
        desk.restorer().restore("Post", [lost], from_segment=other).raise_failures()
    with pytest.raises(NotFound, match="has no segment"):
        desk.restorer().restore("Post", [lost], from_segment="00000099-000001-0123456789abcdef")
    with pytest.raises(UsageError):
        desk.restorer().restore("Post", [lost], from_segment="the newest")


def test_an_older_copy_comes_back_by_its_name(desk: Desk) -> None:
    """The newest one is not what is wanted."""
    (lost,) = archived_ids(desk, 1, title="first")
    (first,) = desk.vault.manifests("Post")
    desk.restorer().restore("Post", [lost]).raise_failures()
    marks = {"deleted": True, "deletedAt": desk.mongo.server_time() - timedelta(days=100)}
    desk.posts.update_one({"_id": lost}, {"$set": {"title": "second", **marks}})
    desk.archive()
    desk.restorer().restore("Post", [lost], from_segment=first.name).raise_failures()
    assert desk.posts.find_one({"_id": lost})["title"] == "first"


def test_a_named_restore_killed_before_its_receipt_counts_as_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, segment = lost_again(desk)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Vault, "put_restored_receipt", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.restorer().restore("Post", [lost], from_segment=segment)
    report = desk.restorer().restore("Post", [lost], from_segment=segment)
    assert [each.id for each in report.restored] == [lost]
    assert len(restored_events(desk)) == 2
