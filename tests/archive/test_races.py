"""Writers all through an archive run: no edit that was acknowledged is lost, wherever the document ends up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import bson
import pytest

from datactl.mongo import raw_id
from datactl.steps import Step, Watcher
from tests.archive.desk import Desk, account
from tests.archive.racing import Writer, at_work, edits_of

Told = Callable[[str, str], None]

DOCUMENTS = 10_000
WRITERS = 4
ACTS = ("edit", "restore", "delete")


class Meddler(Watcher):
    """Changes documents at the worst moments: copied and committed, or just compared and about to be deleted."""

    def __init__(self, desk: Desk, writer: Writer) -> None:
        self._desk = desk
        self._writer = writer
        self._compared = 0

    def see(self, step: Step) -> None:
        if (step.name, step.when) == ("manifest.put", "after"):
            for what, each in zip(("edit", "restore"), self._next(2), strict=False):
                self._writer.write(each, what)
        if (step.name, step.when) == ("compare", "after"):
            self._compared += 1
            if self._compared % 5 == 1:  # not the attempt that follows
                for each in self._next(1):
                    self._writer.write(each, "edit")

    def _next(self, count: int) -> list[Any]:
        """Documents of the segment at hand: those that were marked first and are still there."""
        due = {"deleted": True, "deletedAt": {"$gte": self._desk.mongo.server_time() - timedelta(days=150)}}
        return [each["_id"] for each in self._desk.posts.find(due, {"_id": 1}).sort("deletedAt", 1).limit(count)]


def run_against_writers(desk: Desk, documents: int, told: Told) -> None:
    before = desk.insert({**each, "edits": 0} for each in desk.marked(documents))
    ids = [bson.decode(document)["_id"] for document in before.values()]
    writers = [Writer(desk, ids, seed, ACTS) for seed in range(WRITERS)]
    meddling = Writer(desk, ids, WRITERS)
    with at_work(writers):
        report = desk.archive(watch=Meddler(desk, meddling))
    assert report.kept_counts["changed"] > 0
    assert report.kept_counts["restored"] > 0
    assert report.kept_counts.get("vanished", 0) == 0
    edits = edits_of([*writers, meddling])
    done: Counter[str] = sum((writer.done for writer in (*writers, meddling)), Counter())
    assert min(done[what] for what in ACTS) > 0

    archived = desk.archived()
    held = {**desk.live(), **{key: copies[0] for key, copies in archived.items()}}
    assert held.keys() == before.keys()
    found = {each: bson.decode(held[_key(each)])["edits"] for each in edits}
    lost = {each: (count, found[each]) for each, count in edits.items() if count != found[each]}
    assert not lost, f"acknowledged and found edits differ: {lost}"
    edited_and_archived = sum(1 for each in edits if edits[each] and _key(each) in archived)
    first = account(desk, held)
    assert first.archived == report.archived

    desk.archive()
    second = account(desk, held)
    assert all(bson.decode(document)["deleted"] is False for document in desk.live().values())
    told(
        "races",
        f"{documents:,} documents, {edits.total():,} acknowledged changes ({dict(done)}), 0 lost; archived "
        f"{report.archived:,} ({edited_and_archived:,} of them edited before), kept {dict(report.kept_counts)}; "
        f"after a second run {second.archived:,} archived, {second.live:,} live",
    )


def _key(id: Any) -> bytes:
    return raw_id(bson.encode({"_id": id}))


def test_no_edit_is_lost(desk: Desk, told: Told) -> None:
    run_against_writers(desk, 2_000, told)


@pytest.mark.real
def test_no_edit_is_lost_among_ten_thousand(desk: Desk, told: Told) -> None:
    run_against_writers(desk, DOCUMENTS, told)
