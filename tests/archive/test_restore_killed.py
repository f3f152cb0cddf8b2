"""A restore that is killed between its insert and its receipt: finished by whoever comes next, and once."""

from __future__ import annotations

import signal

import bson
import pytest
from bson import ObjectId

from datactl.archive import Place, RestoreReport
from datactl.mongo import CODEC
from tests.archive.desk import Desk, account
from tests.archive.killing import finish, start_child
from tests.archive.restoring import archived_ids, restored_events

OTHERS = ("deletedAt", "deletedBy")


def killed_restore(desk: Desk, ids: list[ObjectId], at: tuple[str, str, int]) -> None:
    restore = [str(lost) for lost in ids]
    child = start_child(desk.uri, desk.mongo.database.name, desk.directory, at=at, restore=restore)
    status, _ = finish(child)
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
    desk.archive()
    ids = [document["_id"] for document in documents]
    bare = {key: _bare(document) for key, document in before.items()}
    killed_restore(desk, ids, at)
    if finished_by == "archive":
        desk.archive()
        assert not list(desk.mongo.collection("datactl_restores").find())
        found = account(desk, {**before, **desk.live()})
        assert found.live + found.archived == 3
    report: RestoreReport = desk.restorer().restore("Post", ids)
    report.raise_failures()
    assert len(report.restored) + len(report.unchanged) == 3
    check_restored_once(desk, ids, bare)


def _bare(document: bytes) -> bytes:
    """As a restored document is: `deleted: false` in its place, no other mark."""
    values = bson.decode(document, CODEC)
    return bson.encode({name: value for name, value in (values | {"deleted": False}).items() if name not in OTHERS})


def test_between_the_insert_and_its_receipt_find_offers_no_copy(desk: Desk) -> None:
    (lost,) = archived_ids(desk, 1)
    killed_restore(desk, [lost], ("insert", "after", 1))
    found = desk.restorer().find("Post", lost)
    assert (found.place, found.offered) == (Place.LIVE, None)
    assert [copy.restored for copy in found.copies] == [True]
