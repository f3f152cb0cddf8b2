"""What an earlier run left is brought to its end by the next one, and by nobody else's rules than today's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import bson
import pytest

from datactl.archive import removal
from datactl.archive.documents import ids_filter
from datactl.archive.holds import HOLDS
from datactl.errors import DatabaseError, VaultDamaged
from datactl.objects import files
from datactl.schema import Registry, define_model
from datactl.vault import Aborted, SegmentName, SegmentWriter
from datactl.vault.names import manifest_key
from tests.archive.desk import Desk, account, desk_at
from tests.archive.watching import At
from tests.mongo.answers import lose_the_reply

DUE = 40


def left_behind(desk: Desk, at: str, documents: list[dict[str, Any]] | None = None) -> dict[bytes, bytes]:
    """Due documents, and a run over them that failed before it could put an object under `at`."""
    before = desk.insert(documents or desk.marked(DUE))
    with desk.refusing(at):
        desk.archive()
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
    report = desk.archive()
    assert (report.settled.aborted, report.archived) == (1, DUE)
    assert isinstance(desk.vault.manifest("Post", name), Aborted)
    assert account(desk, before).archived == DUE


def test_what_a_later_run_writes_is_left_alone(desk: Desk) -> None:
    desk.archive()
    namespace = desk.mongo.namespace(desk.model.collection)
    writer = SegmentWriter(namespace, "Post", name=SegmentName.new(99, 1))
    writer.add(bson.encode({"_id": 1}))
    desk.vault.put_segment(writer.finish())
    report = desk.archive()
    assert (report.epoch, report.settled.aborted) == (2, 0)
    assert list(desk.vault.segments_without_manifest("Post"))


def test_documents_still_there_are_removed_for_the_earlier_run(desk: Desk) -> None:
    before = committed_and_still_there(desk)
    report = desk.archive()
    assert (report.settled.segments, report.settled.archived, report.archived) == (1, DUE, 0)
    assert account(desk, before).archived == DUE
    (manifest,) = desk.vault.manifests("Post")
    (event,) = desk.mongo.collection("outboxes").find({"eventType": "PostArchived"})
    assert (event["aggregateId"], event["op"]) == (manifest.name, manifest.op)


def test_documents_that_changed_since_are_stale_in_the_vault(desk: Desk) -> None:
    before = committed_and_still_there(desk)
    changed = bson.decode(next(iter(before.values())))["_id"]
    desk.posts.update_one({"_id": changed}, {"$set": {"views": -1}})
    report = desk.archive()
    assert (report.settled.archived, report.settled.kept, report.archived) == (DUE - 1, 1, 1)
    after = {**before, **{key: copies[0] for key, copies in desk.archived().items()}}
    assert account(desk, after).archived == DUE
    assert desk.restorer().find("Post", changed).copies[0].offered
    desk.restorer().restore("Post", [changed]).raise_failures()
    assert desk.posts.find_one({"_id": changed})["views"] == -1


def test_documents_that_are_not_due_today_stay(desk: Desk) -> None:
    before = committed_and_still_there(desk)
    report = desk.archive(days=300)
    assert (report.settled.segments, report.settled.archived, report.settled.kept) == (1, 0, DUE)
    assert desk.live() == before
    assert desk.archived() == {}
    assert desk.archive().archived == DUE
    assert account(desk, before).archived == DUE


@pytest.mark.parametrize("brought_back", [False, True])
def test_held_documents_stay(desk: Desk, brought_back: bool) -> None:
    """They were there still, or are brought back as they were while the segment has no receipt yet."""
    before = left_behind(desk, "receipts/") if brought_back else committed_and_still_there(desk)
    ids = [bson.decode(document)["_id"] for document in list(before.values())[:3]]
    desk.restorer().restore("Post", ids, as_archived=True).raise_failures()
    report = desk.archive()
    kept = 0 if brought_back else 3
    assert (report.settled.archived, report.settled.kept, report.archived) == (DUE - 3, kept, 0)
    found = account(desk, before)
    assert (found.live, found.archived) == (3, DUE - 3)


def end_holds(desk: Desk) -> None:
    """What thirty days do."""
    past = desk.mongo.server_time() - timedelta(seconds=1)
    desk.mongo.collection(HOLDS).update_many({}, {"$set": {"until": past}})


@pytest.mark.parametrize("marked", [True, False])
def test_one_that_was_brought_back_before_the_settlement_is_copied_anew(desk: Desk, marked: bool) -> None:
    """No copy of that rank is offered any more: to take it out with one would be to lose it."""
    if marked:
        before = left_behind(desk, "receipts/")
    else:
        archive = {"after": "90 days", "select": {"by": "at", "where": {"title": "x"}}}
        fields = {"title": "string", "at": "date"}
        desk.registry = Registry([define_model("Post", fields, archive=archive, additional_fields=True)])
        old = desk.mongo.server_time() - timedelta(days=200)
        before = left_behind(desk, "receipts/", [{"_id": number, "title": "x", "at": old} for number in range(DUE)])
    assert desk.live() == {}
    ids = [bson.decode(document)["_id"] for document in list(before.values())[:3]]
    desk.restorer().restore("Post", ids, as_archived=marked).raise_failures()
    end_holds(desk)
    report = desk.archive()
    assert (report.settled.archived, report.archived, desk.live()) == (DUE - 3, 3, {})
    assert account(desk, before).archived == DUE
    assert desk.vault.holdings("Post").documents == DUE
    desk.restorer().restore("Post", ids).raise_failures()


def test_one_that_was_copied_anew_and_brought_back_stays_for_an_older_segment(desk: Desk) -> None:
    """The older one could not be read for a while, and kept nothing waiting."""
    before = committed_and_still_there(desk)
    (manifest,) = desk.vault.manifests("Post")
    path = desk.directory / manifest.segment_key
    whole = damage(path)
    assert desk.archive().archived == DUE
    ids = [bson.decode(document)["_id"] for document in before.values()]
    desk.restorer().restore("Post", ids[:3], as_archived=True).raise_failures()
    end_holds(desk)
    path.write_bytes(whole)
    report = desk.archive()
    assert (report.settled.kept, report.archived, desk.live()) == (3, 3, {})
    desk.restorer().restore("Post", ids, as_archived=True).raise_failures()
    assert desk.live() == before


def test_a_manifest_is_durable_before_anything_is_deleted_for_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run may have died between the link and the fsync of the directory: a power cut would take the manifest."""
    before = committed_and_still_there(desk)
    (manifest,) = desk.vault.manifests("Post")
    desk = desk_at(desk.mongo, desk.directory)  # a process of its own
    real = files.sync_directory
    live_at: list[int] = []

    def fsync(directory: Path) -> None:
        real(directory)
        if directory == (desk.directory / manifest_key("Post", manifest.name)).parent:
            live_at.append(len(desk.live()))

    monkeypatch.setattr(files, "sync_directory", fsync)
    assert desk.archive().settled.archived == DUE
    assert live_at[:1] == [DUE]
    assert account(desk, before).archived == DUE


def damage(path: Path) -> bytes:
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:30] + bytes((whole[30] ^ 1,)) + whole[31:])
    return whole


@pytest.mark.parametrize("kind", ["segment", "manifest"])
def test_one_that_is_damaged_is_told_and_keeps_nothing_waiting(desk: Desk, kind: str) -> None:
    before = committed_and_still_there(desk)
    (manifest,) = desk.vault.manifests("Post")
    key = manifest.segment_key if kind == "segment" else manifest_key("Post", manifest.name)
    path = desk.directory / key
    whole = damage(path)
    # Documents of the damaged one are in MongoDB still: copied anew, by a segment of a higher rank.
    other = left_behind(desk, "receipts/")
    report = desk.archive()
    (told,) = report.settled.damaged
    assert key in told
    assert (report.settled.segments, report.settled.archived) == (1, 2 * DUE)
    assert desk.vault.receipts(manifest).deleted is None
    ids = [bson.decode(document)["_id"] for document in (before | other).values()]
    assert desk.live() == {}
    path.write_bytes(whole)
    assert desk.archive().settled.damaged == ()
    desk.restorer().restore("Post", ids, as_archived=True).raise_failures()
    assert desk.live() == before | other


def test_a_receipt_that_cannot_be_written_keeps_no_other_waiting(desk: Desk) -> None:
    documents = desk.marked(2)
    desk.insert(documents)
    desk.archive()
    (manifest,) = desk.vault.manifests("Post")
    rows = desk.mongo.collection("datactl_restores")
    lost = {"model": "Post", "segment": "00000001-000009-0123456789abcdef", "position": 0}
    mine = {"model": "Post", "segment": manifest.name, "position": 1}
    rows.insert_many({"_id": each, "op": "01K6ZR7M", "actor": None} for each in (lost, mine))
    desk.restorer().restore("Post", [documents[0]["_id"]]).raise_failures()
    assert list(desk.vault.receipts(manifest).restored) == [0, 1]
    assert [row["_id"] for row in rows.find()] == [lost]
    desk.insert(desk.marked(1))
    report = desk.archive()
    assert report.archived == 1
    assert len(report.settled.damaged) == 1


@pytest.mark.parametrize("which", [0, 1])
def test_a_manifest_that_cannot_be_read_hides_what_is_older_and_no_more(desk: Desk, which: int) -> None:
    old, new = desk.marked(2)
    for document in (old, new):
        desk.insert([document])
        desk.archive()
    damage(desk.directory / manifest_key("Post", [each.name for each in desk.vault.manifests("Post")][which]))
    assert len(desk.restorer().restore("Post", [new["_id"]]).restored) == which ^ 1
    report = desk.restorer().restore("Post", [old["_id"]])
    assert [type(each.error) for each in report.failed] == [VaultDamaged]


def test_the_ledger_tells_what_became_of_a_killed_run(desk: Desk) -> None:
    left_behind(desk, "receipts/")
    ops = desk.mongo.collection("datactl_ops")
    ops.update_many({}, {"$set": {"state": "running"}})  # as SIGKILL leaves it
    report = desk.archive()
    killed = ops.find_one({"_id": {"$ne": report.op}})
    assert killed is not None
    assert (killed["state"], killed["error"], killed["settledBy"]) == ("failed", "killed", report.op)
    own = ops.find_one({"_id": report.op})
    assert own is not None
    assert (own["state"], own.get("error"), own.get("settledBy")) == ("done", None, None)


def test_documents_that_left_in_a_commit_without_answer_count_as_archived(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried again, the transaction finds nothing: it was this run that took them out."""
    before = desk.insert(desk.marked(DUE))
    watch = At("delete", "before", lambda: lose_the_reply(monkeypatch))
    report = desk.archive(watch=watch)
    assert (report.archived, report.kept_counts) == (DUE, {})
    assert account(desk, before).archived == DUE


def test_a_server_that_deletes_less_than_was_compared(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction is aborted: nothing is deleted."""
    before = desk.insert(desk.marked(DUE))
    monkeypatch.setattr(removal, "ids_filter", lambda keys: ids_filter(keys[:-1]))
    with pytest.raises(DatabaseError, match="asked to remove 40 documents, the server says 39"):
        desk.archive()
    assert desk.live() == before
    monkeypatch.undo()
    desk.archive()
    assert account(desk, before).archived == DUE
