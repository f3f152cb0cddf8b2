"""Ages are judged by the server's clock: a machine whose own clock is wrong archives the same documents."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.archive.desk import Desk, account
from tests.archive.killing import finish, start_child

pytestmark = pytest.mark.real

DAYS = timedelta(days=1)


@pytest.mark.parametrize("shift", ["-200d", "+200d", "-5000d"])
def test_a_wrong_clock_makes_the_same_plan(desk: Desk, shift: str) -> None:
    """libfaketime sets the clock of a real process; its steady clock is left alone."""
    due = desk.insert(desk.marked(40, days=91))
    young = desk.insert(desk.marked(30, days=89))
    program = ("faketime", "-f", shift, "env", "FAKETIME_DONT_FAKE_MONOTONIC=1")
    child = start_child(desk.uri, desk.mongo.database.name, desk.directory, days=90, program=program)
    status, printed = finish(child)
    assert (status, printed["planned"], printed["archived"]) == (0, 40, 40)
    age = desk.mongo.server_time() - datetime.fromisoformat(printed["cutoff"])
    assert 90 * DAYS <= age < 91 * DAYS
    assert desk.live() == young
    assert account(desk, due | young).archived == 40
    # The process did live in another time: its vault's dates, which decide nothing, are of that time.
    (manifest,) = desk.vault.manifests("Post")
    assert abs(manifest.created_at - desk.mongo.server_time()) > 100 * DAYS


def test_a_later_run_of_an_earlier_time_still_ranks_higher(desk: Desk) -> None:
    """The rank of a copy is its run's epoch, never a time."""
    (document,) = desk.marked(1)
    desk.insert([document])
    desk.archive()
    desk.restorer().restore("Post", [document["_id"]]).raise_failures()
    at = desk.mongo.server_time() - timedelta(days=100)
    desk.posts.update_one({"_id": document["_id"]}, {"$set": {"edition": 2, "deleted": True, "deletedAt": at}})
    child = start_child(
        desk.uri, desk.mongo.database.name, desk.directory, days=90, program=("faketime", "-f", "-3000d")
    )
    assert finish(child)[1]["archived"] == 1
    found = desk.restorer().find("Post", document["_id"])
    assert [copy.offered for copy in found.copies] == [True, False]
    assert found.copies[0].archived_at < found.copies[1].archived_at
    desk.restorer().restore("Post", [document["_id"]]).raise_failures()
    assert desk.posts.find_one({"_id": document["_id"]})["edition"] == 2
