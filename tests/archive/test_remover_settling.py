"""An archive run, or a later removal, meets what another removal left: a living one is let be, a dead one is closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson
import pytest
from bson import ObjectId

from datactl.archive import Archiver, Restorer, VaultRemover, bind
from datactl.errors import LeaseLost, Locked, NotSoftDeletable, StoreFull, VaultMismatch
from datactl.records import Repository
from datactl.records.operations import Context, new_op
from datactl.records.removing import Removing
from datactl.schema import Model, Registry, define_model
from datactl.vault import Aborted
from tests.archive.desk import POST, SEGMENT_BYTES, account
from tests.archive.killing import expire_lease
from tests.archive.removing import RemovalDesk
from tests.archive.watching import At, Both, Paused

DOCUMENTS = 40


@contextmanager
def paused(logs: RemovalDesk, name: str, when: str) -> Iterator[list[Any]]:
    """A removal of every log that stands still there; in the end it goes on, and its result or error is in the list."""
    watch = Paused(name, when)
    ended: list[Any] = []

    def remove() -> None:
        try:
            ended.append(logs.repository().delete_many(filter={}, watch=watch))
        except LeaseLost as error:
            ended.append(error)

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        assert watch.reached.wait(60)
        yield ended
    finally:
        watch.go.set()
        thread.join()


def unreceipted(logs: RemovalDesk) -> int:
    return len(list(logs.vault.manifests_without_receipt("Log")))


def test_nothing_of_a_model_without_soft_delete_is_archived(logs: RemovalDesk) -> None:
    logs.lines(1)
    assert logs.archiver().models() == []
    with pytest.raises(NotSoftDeletable):
        logs.archiver().plan("Log")


def test_a_dead_removal_is_closed_by_an_archive_run(logs: RemovalDesk) -> None:
    before = logs.left_behind("receipts/", DOCUMENTS)
    assert logs.archiver().models() == ["Log"]
    assert logs.archiver().plan("Log").unsettled == 1
    report = logs.archive()
    assert (report.settled.segments, report.settled.archived, report.settled.damaged) == (1, DOCUMENTS, ())
    assert account(logs, before).archived == DOCUMENTS
    assert logs.archiver().models() == []
    assert not logs.events("LogArchived")


def test_a_dead_removal_is_closed_by_the_next_one(logs: RemovalDesk) -> None:
    before = logs.left_behind("receipts/", DOCUMENTS)
    other = logs.lines(1)
    logs.repository().remove(bson.decode(next(iter(other.values())))["_id"])
    assert unreceipted(logs) == 0
    assert account(logs, before | other).archived == DOCUMENTS + 1


def test_what_a_dead_removal_did_not_remove_stays(logs: RemovalDesk) -> None:
    """It was given up behind its manifest: settling it deletes nothing more."""
    before = logs.lines(DOCUMENTS)
    with pytest.raises(StoreFull):
        logs.repository().delete_many(filter={}, watch=At("manifest.put", "after", _fail))
    assert unreceipted(logs) == 1
    report = logs.archive()
    assert (report.settled.segments, report.settled.archived, report.settled.kept) == (1, 0, DOCUMENTS)
    assert logs.live() == before
    assert logs.archived() == {}
    row = logs.mongo.collection("datactl_ops").find_one({"kind": "remove"})
    assert row is not None
    assert logs.repository().resume_bulk(row["_id"]).changed == DOCUMENTS
    assert account(logs, before).archived == DOCUMENTS


def _fail() -> None:
    raise StoreFull("no space")


def test_a_segment_without_manifest_of_a_dead_removal_is_given_up(logs: RemovalDesk) -> None:
    before = logs.left_behind("indexes/", DOCUMENTS)
    (name,) = logs.vault.segments_without_manifest("Log")
    assert logs.archive().settled.aborted == 1
    assert isinstance(logs.vault.manifest("Log", name), Aborted)
    assert logs.live() == before


@pytest.mark.parametrize(("name", "when"), [("manifest.put", "after"), ("remove", "after"), ("receipt", "before")])
def test_a_living_removal_is_let_be(logs: RemovalDesk, name: str, when: str) -> None:
    before = logs.lines(DOCUMENTS)
    with paused(logs, name, when) as ended:
        assert unreceipted(logs) == 1
        assert logs.archiver().models() == []
        with pytest.raises(NotSoftDeletable):
            logs.archiver().plan("Log")
        other = logs.lines(1)
        logs.repository().remove(bson.decode(next(iter(other.values())))["_id"])
        assert unreceipted(logs) == 1
    assert ended[0].changed == DOCUMENTS
    assert account(logs, before | other).archived == DOCUMENTS + 1


@pytest.mark.parametrize(("name", "when"), [("segment.put", "after"), ("sidecar.put", "after"), ("remove", "after")])
def test_a_living_removal_is_let_be_by_an_archive_run_of_its_model(logs: RemovalDesk, name: str, when: str) -> None:
    """A run over the same model, which has soft delete by now: it gives up no segment of a removal at work."""
    before = logs.lines(DOCUMENTS)
    soft = Registry([_soft()])
    archiver = Archiver(logs.mongo, logs.vault, soft, segment_bytes=SEGMENT_BYTES)
    with paused(logs, name, when) as ended:
        report = archiver.run(archiver.plan("Log", 90))
        assert (report.settled.aborted, report.settled.segments, report.settled.damaged) == (0, 0, ())
    assert ended[0].changed == DOCUMENTS
    assert account(logs, before).archived == DOCUMENTS


def _soft() -> Model:
    return define_model("Log", {"line": {"type": "string"}}, enable_soft_delete=True, additional_fields=True)


@pytest.mark.parametrize(("name", "when"), [("manifest.put", "after"), ("receipt", "before")])
def test_one_that_slept_beyond_its_lease_commits_nothing_more(logs: RemovalDesk, name: str, when: str) -> None:
    before = logs.lines(DOCUMENTS)
    logs.lease_ttl_s = 300  # no heartbeat comes in between
    with paused(logs, name, when) as ended:
        expire_lease(logs.mongo, "^remove:")
        there = logs.live()
        assert logs.archive().settled.segments == 1
    if name == "manifest.put":
        assert isinstance(ended[0], LeaseLost)
        assert there == logs.live() == before
        assert logs.archived() == {}
        assert not logs.events()
    else:
        assert there == {}
        assert account(logs, before).archived == DOCUMENTS
    assert unreceipted(logs) == 0


def test_two_processes_do_not_carry_on_the_same_removal(logs: RemovalDesk) -> None:
    """The second one waits for the lease; here it is told at once."""
    before = logs.lines(2)
    operation = Context(new_op(), "tester", None, logs.mongo.server_time())
    with Removing(logs.remover(), logs.model, operation):
        with pytest.raises(Locked), Removing(logs.remover(), logs.model, operation):
            pass
        with Removing(logs.remover(), logs.model, Context(new_op(), None, None, operation.at)) as another:
            ids = [bson.decode(each)["_id"] for each in before.values()]
            assert [len(fates) for fates in another.remove(ids)] == [2]
    assert account(logs, before).archived == 2


def test_an_archive_run_that_meets_what_a_removal_took_leaves_it_the_copy(logs: RemovalDesk) -> None:
    """Copied by age as it was then, changed, removed with a copy of its own: that one is what restore brings back."""
    registry = Registry([POST])
    posts = logs.mongo.collection(POST.collection)
    then = logs.mongo.server_time().replace(year=2020)
    document = {"_id": ObjectId(), "views": 1, "deleted": True, "deletedAt": then, "deletedBy": "tester"}
    posts.insert_one(document)
    repository = Repository(
        POST, logs.mongo, registry, remover=lambda: _remover(logs, registry), spool_dir=logs.directory.parent / "spool"
    )
    early = Context(new_op(), None, None, logs.mongo.server_time())
    with Removing(repository.remover, POST, early) as removing:  # its epoch is lower than that of the archive run

        def overtake() -> None:
            posts.update_one({"_id": document["_id"]}, {"$set": {"views": 2}})
            assert [each.fate for fates in removing.remove([document["_id"]]) for each in fates] == ["removed"]

        archiver = Archiver(logs.mongo, logs.vault, registry, segment_bytes=SEGMENT_BYTES)
        # Between its copy and its manifest: a removal that sees the manifest takes a higher rank.
        report = archiver.run(archiver.plan("Post", 90), watch=At("segment.put", "before", overtake))
    assert dict(report.kept_counts) == {"deleted": 1}
    Restorer(logs.mongo, logs.vault, registry).restore("Post", [document["_id"]]).raise_failures()
    assert posts.find_one({"_id": document["_id"]})["views"] == 2


def _remover(logs: RemovalDesk, registry: Registry) -> VaultRemover:
    return VaultRemover(logs.mongo, logs.vault, registry, segment_bytes=SEGMENT_BYTES)


def test_a_removal_below_the_rank_of_a_later_copy_takes_a_new_epoch(logs: RemovalDesk) -> None:
    """Removed and brought back by others since its epoch was claimed: its copy must rank above theirs."""
    before = logs.lines(1)
    (only,) = [bson.decode(each)["_id"] for each in before.values()]
    with Removing(logs.remover(), logs.model, Context(new_op(), None, None, logs.mongo.server_time())) as early:
        logs.repository().remove(only)
        logs.restorer().restore("Log", [only]).raise_failures()
        logs.logs.update_one({"_id": only}, {"$set": {"number": 7}})
        fates = [each for chunk in early.remove([only]) for each in chunk]
        assert [each.fate for each in fates] == ["changed"]
        assert early.one(only).fate == "removed"
    logs.restorer().restore("Log", [only]).raise_failures()
    assert logs.logs.find_one({"_id": only})["number"] == 7


def test_a_vault_that_lies_behind_the_removals_is_refused(logs: RemovalDesk) -> None:
    """Brought back from an older copy: the epochs that removals claimed are known to the database."""
    logs.lines(2)
    first, second = [each["_id"] for each in logs.logs.find()]
    logs.repository().remove(first)
    (logs.directory / "epochs" / "Log" / f"{1:010d}").unlink()
    with pytest.raises(VaultMismatch, match="lie behind"):
        logs.repository().remove(second)
    assert logs.logs.count_documents({}) == 1


def test_a_damaged_segment_keeps_no_other_waiting(logs: RemovalDesk) -> None:
    before = logs.left_behind("receipts/", DOCUMENTS)
    (manifest,) = logs.vault.manifests("Log")
    path = logs.directory / manifest.segment_key
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:40] + b"?" + whole[41:])
    other = logs.lines(1)
    logs.repository().remove(bson.decode(next(iter(other.values())))["_id"])
    report = logs.archive()
    assert [manifest.segment_key in each for each in report.settled.damaged] == [True]
    path.write_bytes(whole)
    assert logs.archive().settled.damaged == ()
    assert account(logs, before | other).archived == DOCUMENTS + 1


def test_the_binding_is_made_by_a_first_removal(logs: RemovalDesk) -> None:
    logs.lines(1)
    logs.repository().delete_many(filter={})
    identity = logs.vault.identity()
    assert identity is not None
    assert bind(logs.mongo, logs.vault).names == {logs.mongo.database.name}


def test_of_two_removals_the_one_that_took_it_has_the_copy_that_comes_back(logs: RemovalDesk) -> None:
    """Two removals copy a document; the one of the lower rank takes it out as it is then, the other one dies."""
    before = logs.lines(1)
    (only,) = [bson.decode(each)["_id"] for each in before.values()]
    with Removing(logs.remover(), logs.model, Context(new_op(), None, None, logs.mongo.server_time())) as early:

        def overtake() -> None:
            logs.logs.update_one({"_id": only}, {"$set": {"number": 2}})
            assert early.one(only).fate == "removed"

        watch = Both(At("segment.put", "before", overtake), At("manifest.put", "after", _fail))
        with pytest.raises(StoreFull):
            logs.repository().delete_many(ids=[only], watch=watch)
    assert logs.restorer().find("Log", only).place == "archived"
    assert unreceipted(logs) == 1
    logs.restorer().restore("Log", [only]).raise_failures()
    assert logs.logs.find_one({"_id": only})["number"] == 2
    assert logs.archive().settled.segments == 1
    assert logs.archived() == {}
