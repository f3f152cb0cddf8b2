"""A document that a run meets twice: the copy that left MongoDB last is the one that comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import bson
import pytest
from bson import Int64

from datactl.archive import archiver as archiving
from datactl.archive import due, removal, rules
from datactl.archive.rules import next_of
from datactl.records.clock import ServerClock
from datactl.schema import Registry, define_model
from datactl.steps import Watcher
from datactl.vault import Manifest, SegmentName, SegmentWriter
from tests.archive.desk import Desk, account
from tests.archive.watching import At


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of five documents."""
    monkeypatch.setattr(due, "windows", lambda *given: rules.windows(*given, least=5))


def day_by_day(desk: Desk, count: int) -> list[dict[str, Any]]:
    """One document marked on each day, so that every five are a window; not inserted."""
    now = desk.mongo.server_time()
    return [{**each, "deletedAt": now - timedelta(days=200 - day)} for day, each in enumerate(desk.marked(count))]


@pytest.mark.usefixtures("small_windows")
def test_a_document_that_was_edited_and_dated_anew_while_the_run_reads(desk: Desk) -> None:
    documents = day_by_day(desk, 20)
    desk.insert(documents)
    twice = documents[0]["_id"]
    later = desk.mongo.server_time() - timedelta(days=95)  # in a window that is still to come
    edit = {"$set": {"views": 999, "deletedAt": later}}
    report = desk.archive(watch=At("segment.put", "progress", lambda: desk.posts.update_one({"_id": twice}, edit)))
    assert (report.archived, report.kept_counts) == (20, {"changed": 1})
    assert [copy.removed for copy in desk.restorer().find("Post", twice).copies] == [True, False]
    desk.restorer().restore("Post", [twice]).raise_failures()
    assert desk.posts.find_one({"_id": twice})["views"] == 999


@pytest.mark.usefixtures("small_windows")
def test_a_document_that_was_made_anew_under_an_equal_id_of_another_type(desk: Desk) -> None:
    fields = {"_id": {"type": "number"}, "title": {"type": "string"}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True, additional_fields=True)])
    documents = [{**each, "_id": number} for number, each in enumerate(day_by_day(desk, 12), 1)]
    desk.insert(documents)

    def make_anew() -> None:
        desk.posts.delete_one({"_id": 1})
        later = desk.mongo.server_time() - timedelta(days=95)
        desk.posts.insert_one({**documents[0], "_id": 1.0, "title": "the newer one", "deletedAt": later})

    report = desk.archive(watch=At("segment.put", "progress", make_anew))
    assert (report.archived, len(report.segments)) == (12, 2)
    desk.restorer().restore("Post", [Int64(1)]).raise_failures()
    assert desk.posts.find_one({"_id": 1})["title"] == "the newer one"


def test_a_document_that_both_selections_name_in_turn(desk: Desk) -> None:
    fields = {"kind": {"type": "string"}, "createdOn": {"type": "date"}}
    archive = {"after": "30d", "select": {"by": "createdOn", "where": {"kind": "log"}}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True, archive=archive)])
    old = desk.mongo.server_time() - timedelta(days=60)
    (document,) = desk.marked(1, kind="log", createdOn=old)
    desk.insert([document])
    edit = {"$set": {"views": 999, "deleted": False}, "$unset": {"deletedAt": ""}}
    watch = At("segment.put", "progress", lambda: desk.posts.update_one({"_id": document["_id"]}, edit))
    desk.archive(None, watch=watch)
    assert not desk.live()
    desk.restorer().restore("Post", [document["_id"]]).raise_failures()
    assert desk.posts.find_one({"_id": document["_id"]})["views"] == 999


def test_one_that_is_met_twice_unchanged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan may give one document twice (MongoDB manual, read concern `local`)."""
    before = desk.insert(desk.marked(20))

    def twice(*given: Any) -> Iterator[list[bytes]]:
        for batch in due.due_batches(*given):
            yield [*batch, *batch[:3]]

    monkeypatch.setattr(archiving, "due_batches", twice)
    assert desk.archive().archived == 20
    assert desk.live() == {}
    assert {key: copies[0] for key, copies in desk.archived().items()} == before


def committed(desk: Desk, documents: Sequence[bytes]) -> Manifest:
    """A segment of an earlier epoch without receipt, whatever is in it."""
    desk.archive()
    return committed_at(desk, SegmentName.new(desk.vault.latest_epoch("Post"), 900), documents)


def committed_at(desk: Desk, name: SegmentName, documents: Sequence[bytes]) -> Manifest:
    writer = SegmentWriter(f"{desk.mongo.database.name}.posts", "Post", name=name)
    assert writer.add_many(documents) == len(documents)
    vault, sealed = desk.vault, writer.finish()
    vault.put_segment(sealed)
    segment = vault.read_back(sealed)
    return vault.commit(segment, vault.put_sidecar(segment), op="01K6ZR7M", actor="tester")


def test_a_segment_with_two_copies_of_a_document_is_settled_by_the_last(desk: Desk) -> None:
    stale, newer = (bson.encode({**each, "_id": 7, "views": n}) for n, each in enumerate(desk.marked(2)))
    gone, equal = desk.marked(2)
    raw_equal = bson.encode(equal)
    manifest = committed(desk, [stale, raw_equal, bson.encode(gone), raw_equal, newer, bson.encode(gone)])
    desk.insert([bson.decode(newer), equal])
    report = desk.archive()
    assert (report.settled.segments, report.settled.archived, desk.live()) == (1, 3, {})
    deleted = desk.vault.receipts(manifest).deleted
    assert deleted is not None
    assert list(deleted) == [3, 4, 5]


def test_a_segment_with_a_stale_copy_behind_the_right_one(desk: Desk) -> None:
    """What is in MongoDB is not the last copy: it stays, and is copied anew."""
    right, stale = (bson.encode({**each, "_id": 7, "views": n}) for n, each in enumerate(desk.marked(2)))
    manifest = committed(desk, [right, stale])
    desk.insert([bson.decode(right)])
    report = desk.archive()
    deleted = desk.vault.receipts(manifest).deleted
    assert deleted is not None
    assert (list(deleted), report.archived) == ([], 1)


def test_the_copy_that_left_is_offered_though_another_one_is_in_its_segment(desk: Desk) -> None:
    fields = {"_id": {"type": "number"}}
    desk.registry = Registry([define_model("Post", fields, enable_soft_delete=True, additional_fields=True)])
    first, second, third = (bson.encode({**each, "_id": 7, "views": n}) for n, each in enumerate(desk.marked(3)))
    manifest = committed(desk, [first, second, third])
    desk.vault.put_deleted_receipt(manifest, [0, 1], op="01K6ZR7M")
    offered = desk.restorer().find("Post", 7).offered
    assert offered is not None
    assert offered.position == 1
    desk.restorer().restore("Post", [7]).raise_failures()
    assert desk.posts.find_one({"_id": 7})["views"] == 1


def test_a_document_that_was_removed_and_brought_back_while_the_run_copies(desk: Desk) -> None:
    """A removal holds no lease of the model. Its copy ranks higher and was brought back: a lower one is not offered."""
    before = desk.insert(desk.marked(5))
    (key, raw) = next(iter(before.items()))

    def remove_and_bring_back() -> None:
        newer = committed_at(desk, SegmentName.new(desk.vault.claim_epoch("Post"), 1), [raw])
        desk.vault.put_deleted_receipt(newer, [0], op="01K6ZR7M")
        desk.vault.put_restored_receipt(newer, [0], op="01K6ZR7N")

    report = desk.archive(watch=At("manifest.put", "after", remove_and_bring_back))
    assert (report.archived, report.kept_counts) == (4, {"copied since": 1})
    assert desk.live() == {key: raw}
    assert desk.archive().archived == 1
    assert account(desk, before).archived == 5
    desk.restorer().restore("Post", [bson.decode(raw)["_id"]]).raise_failures()


def test_equal_documents_in_one_transaction_are_deleted_once(desk: Desk) -> None:
    (document,) = desk.marked(1)
    manifest = committed(desk, [bson.encode(document)])
    (key,) = desk.insert([document])
    raw = desk.live()[key]
    clock, own = ServerClock(desk.mongo), {manifest.namespace}
    take_out = removal.Removal(desk.mongo, desk.vault, desk.model, manifest, own, lambda session: None, clock)
    chunk = [removal.StoredDocument(0, key, raw), removal.StoredDocument(1, key, raw)]
    assert [outcome.is_out for outcome in take_out.remove(chunk, Watcher())] == [True, True]
    assert desk.live() == {}


@pytest.mark.parametrize(
    ("inside", "ids", "start", "found"),
    [("", "", 0, 0), ("", "abc", 0, 3), ("b", "abc", 0, 1), ("", "abca", 0, 3), ("", "abca", 1, 4), ("a", "abb", 1, 2)],
)
def test_where_the_next_segment_begins(inside: str, ids: str, start: int, found: int) -> None:
    assert next_of({each.encode() for each in inside}, [each.encode() for each in ids], start) == found
