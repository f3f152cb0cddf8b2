"""What an earlier run left is brought to its end by the next one, and by nobody else's rules than today's."""

from __future__ import annotations

from typing import Any

import bson
import pytest

from datactl.archive import removal
from datactl.archive.documents import ids_filter
from datactl.errors import DatabaseError, StoreFull
from datactl.vault import Aborted, SegmentName, SegmentWriter
from tests.archive.desk import Desk, account
from tests.archive.stores import WrappedStore

DUE = 40


def run(desk: Desk, days: int = 90) -> Any:
    archiver = desk.archiver()
    return archiver.run(archiver.plan("Post", days))


def left_behind(desk: Desk, at: str) -> dict[bytes, bytes]:
    """Due documents, and a run over them that failed before it could put an object under `at`."""
    before = desk.insert(desk.marked(DUE))
    inner = desk.store
    desk.store = store = WrappedStore(inner)

    def refuse(key: str) -> None:
        if key.startswith(at):
            raise StoreFull("no space")

    store.before_put = refuse
    with pytest.raises(StoreFull):
        run(desk)
    desk.store = inner
    return before


def committed_and_still_there(desk: Desk) -> dict[bytes, bytes]:
    """A manifest without receipt, and every document in MongoDB: what a kill right after the commit leaves."""
    before = left_behind(desk, "receipts/")
    again = desk.insert(desk.posts_again(before, DUE))
    assert again == before
    return before


def test_a_plan_tells_what_is_to_be_settled(desk: Desk) -> None:
    left_behind(desk, "indexes/")
    assert desk.archiver().plan("Post", 90).unsettled == 1


def test_a_segment_without_manifest_is_given_up(desk: Desk) -> None:
    before = left_behind(desk, "indexes/")
    (name,) = desk.vault.segments_without_manifest("Post")
    report = run(desk)
    assert (report.settled.aborted, report.archived) == (1, DUE)
    assert isinstance(desk.vault.manifest("Post", name), Aborted)
    assert account(desk, before).archived == DUE


def test_what_a_later_run_writes_is_left_alone(desk: Desk) -> None:
    writer = SegmentWriter("t.posts", "Post", name=SegmentName.new(99, 1))
    writer.add(bson.encode({"_id": 1}))
    desk.vault.put_segment(writer.finish())
    report = run(desk)
    assert (report.epoch, report.settled.aborted) == (1, 0)
    assert list(desk.vault.segments_without_manifest("Post"))


def test_documents_still_there_are_removed_for_the_earlier_run(desk: Desk) -> None:
    before = committed_and_still_there(desk)
    report = run(desk)
    assert (report.settled.segments, report.settled.archived, report.archived) == (1, DUE, 0)
    assert account(desk, before).archived == DUE
    (manifest,) = desk.vault.manifests("Post")
    (event,) = desk.mongo.collection("outboxes").find({"eventType": "PostArchived"})
    assert (event["aggregateId"], event["op"]) == (manifest.name, manifest.op)


def test_documents_that_changed_since_are_stale_in_the_vault(desk: Desk) -> None:
    before = committed_and_still_there(desk)
    changed = bson.decode(next(iter(before.values())))["_id"]
    desk.posts.update_one({"_id": changed}, {"$set": {"views": -1}})
    report = run(desk)
    assert (report.settled.archived, report.settled.kept, report.archived) == (DUE - 1, 1, 1)
    after = {**before, **{key: copies[0] for key, copies in desk.archived().items()}}
    assert account(desk, after).archived == DUE
    assert desk.restorer().find("Post", changed).copies[0].offered
    desk.restorer().restore("Post", [changed]).raise_failures()
    assert desk.posts.find_one({"_id": changed})["views"] == -1


def test_documents_that_are_not_due_today_stay(desk: Desk) -> None:
    before = committed_and_still_there(desk)
    report = run(desk, days=300)
    assert (report.settled.segments, report.settled.archived, report.settled.kept) == (1, 0, DUE)
    assert desk.live() == before
    assert desk.archived() == {}
    assert run(desk).archived == DUE
    assert account(desk, before).archived == DUE


def test_held_documents_stay(desk: Desk) -> None:
    """Brought back as they were while the segment had no receipt yet."""
    before = left_behind(desk, "receipts/")
    ids = [bson.decode(document)["_id"] for document in list(before.values())[:3]]
    desk.restorer().restore("Post", ids, as_archived=True).raise_failures()
    report = run(desk)
    assert (report.settled.archived, report.settled.kept, report.archived) == (DUE - 3, 3, 0)
    found = account(desk, before)
    assert (found.live, found.archived) == (3, DUE - 3)


def test_the_ledger_tells_what_became_of_a_killed_run(desk: Desk) -> None:
    left_behind(desk, "receipts/")
    ops = desk.mongo.collection("datactl_ops")
    ops.update_many({}, {"$set": {"state": "running"}})  # as SIGKILL leaves it
    report = run(desk)
    killed = ops.find_one({"_id": {"$ne": report.op}})
    assert killed is not None
    assert (killed["state"], killed["error"], killed["settledBy"]) == ("failed", "killed", report.op)


def test_a_server_that_deletes_less_than_was_compared(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction is aborted: nothing is deleted."""
    before = desk.insert(desk.marked(DUE))
    monkeypatch.setattr(removal, "ids_filter", lambda keys: ids_filter(keys[:-1]))
    with pytest.raises(DatabaseError, match="asked to remove 40 documents, the server says 39"):
        run(desk)
    assert desk.live() == before
    monkeypatch.undo()
    run(desk)
    assert account(desk, before).archived == DUE
