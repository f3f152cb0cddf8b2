"""A restore whose copy is overtaken between its look-up and its insert, or whose commit goes unanswered."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect, OperationFailure

from datactl.archive import Place
from datactl.errors import NotFound, RestoreConflict
from tests.archive.desk import Desk
from tests.archive.watching import At


def archived_one(desk: Desk) -> dict[str, Any]:
    (document,) = desk.marked(1)
    desk.insert([{**document, "title": "first"}])
    desk.archive()
    return document


def brought_back_edited_and_archived(desk: Desk, document: dict[str, Any], title: str = "second") -> None:
    """What another user does meanwhile."""
    desk.restorer().restore("Post", [document["_id"]]).raise_failures()
    marks = {"deleted": True, "deletedAt": document["deletedAt"]}
    desk.posts.update_one({"_id": document["_id"]}, {"$set": {"title": title, **marks}})
    assert desk.archive().archived == 1


def test_the_copy_that_was_made_meanwhile_is_the_one_that_comes_back(desk: Desk) -> None:
    document = archived_one(desk)
    watch = At("insert", "before", lambda: brought_back_edited_and_archived(desk, document))
    report = desk.restorer().restore("Post", [document["_id"]], watch=watch)
    report.raise_failures()
    assert desk.posts.find_one({"_id": document["_id"]})["title"] == "second"
    found = desk.restorer().find("Post", document["_id"])
    assert [copy.restored for copy in found.copies] == [True, True]
    assert report.restored[0].copy is not None
    assert report.restored[0].copy.segment == found.copies[0].segment
    assert desk.mongo.collection("outboxes").count_documents({"eventType": "PostRestored"}) == 2


def test_a_document_made_anew_and_archived_meanwhile(desk: Desk) -> None:
    """Not brought back: inserted under its `_id` by another program; the copy of the look-up has no receipt for it."""
    first, document = archived_one(desk), archived_one(desk)

    def made_anew() -> None:
        desk.insert([{**document, "title": "second"}])
        assert desk.archive().archived == 1

    report = desk.restorer().restore("Post", [first["_id"], document["_id"]], watch=At("insert", "after", made_anew))
    report.raise_failures()
    assert desk.posts.find_one({"_id": document["_id"]})["title"] == "second"


def test_a_copy_that_another_restore_brought_back_meanwhile_is_not_brought_back_again(desk: Desk) -> None:
    document = archived_one(desk)

    def brought_back_and_deleted_for_good() -> None:
        desk.restorer().restore("Post", [document["_id"]]).raise_failures()
        desk.posts.delete_one({"_id": document["_id"]})

    watch = At("insert", "before", brought_back_and_deleted_for_good)
    report = desk.restorer().restore("Post", [document["_id"]], watch=watch)
    with pytest.raises(NotFound):
        report.raise_failures()
    assert desk.live() == {}
    assert desk.mongo.collection("datactl_restores").count_documents({}) == 0


def test_one_that_is_overtaken_each_time_is_given_up(desk: Desk) -> None:
    document = archived_one(desk)
    watch = At("insert", "before", lambda: brought_back_edited_and_archived(desk, document), times=100)
    report = desk.restorer().restore("Post", [document["_id"]], watch=watch)
    with pytest.raises(RestoreConflict, match="times in a row"):
        report.raise_failures()
    assert watch.left == 95  # looked up five times
    assert desk.live() == {}
    desk.restorer().restore("Post", [document["_id"]]).raise_failures()
    assert desk.posts.find_one({"_id": document["_id"]})["title"] == "second"


@pytest.fixture
def lost_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit is done and its answer lost; asked again, the server knows no such transaction."""
    real = ClientSession.commit_transaction
    asked: dict[ClientSession, int] = {}

    def commit(session: ClientSession) -> None:
        asked[session] = asked.get(session, 0) + 1
        if asked[session] % 3 == 1:
            real(session)
            error = AutoReconnect("connection closed")
            error._add_error_label("UnknownTransactionCommitResult")
            raise error
        if asked[session] % 3 == 2:
            raise OperationFailure("no such transaction", 251, {"errorLabels": ["TransientTransactionError"]})
        real(session)  # of the attempt that finds everything done

    monkeypatch.setattr(ClientSession, "commit_transaction", commit)


@pytest.mark.usefixtures("lost_replies")
def test_a_restore_whose_commit_went_unanswered_is_reported_restored(desk: Desk) -> None:
    document = archived_one(desk)
    report = desk.restorer().restore("Post", [document["_id"]])
    report.raise_failures()
    assert [(each.id, each.came_from) for each in report.restored] == [(document["_id"], Place.ARCHIVED)]
    assert desk.posts.count_documents({"_id": document["_id"]}) == 1
    assert desk.mongo.collection("outboxes").count_documents({"eventType": "PostRestored"}) == 1
    assert desk.mongo.collection("datactl_restores").count_documents({}) == 0
    assert desk.restorer().find("Post", document["_id"]).copies[0].restored


def test_somebody_elses_document_is_no_commit_of_ones_own(desk: Desk) -> None:
    document = archived_one(desk)
    watch = At("insert", "before", lambda: desk.insert([{**document, "_id": document["_id"], "n": ObjectId()}]))
    with pytest.raises(RestoreConflict):
        desk.restorer().restore("Post", [document["_id"]], watch=watch).raise_failures()
