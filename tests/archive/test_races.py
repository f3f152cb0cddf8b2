"""Writers all through an archive run: no edit that was acknowledged is lost, wherever the document ends up."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import bson
import pytest
from pymongo.errors import OperationFailure

from datactl.mongo import raw_id
from datactl.steps import Step, Watcher
from tests.archive.desk import Desk, account

Told = Callable[[str, str], None]

DOCUMENTS = 10_000
WRITERS = 4
WRITE_CONFLICT = 112


class Writer(threading.Thread):
    """Edits, restores and re-deletes documents as another program would, and counts what was acknowledged."""

    def __init__(self, desk: Desk, ids: list[Any], seed: int) -> None:
        super().__init__()
        self._desk = desk
        self._ids = ids
        self._random = random.Random(seed)
        self._ending = threading.Event()
        self._long_ago = desk.mongo.server_time() - timedelta(days=200)
        self.edits: Counter[Any] = Counter()
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        while not self._ending.is_set():
            self.write(self._random.choice(self._ids), self._random.choice(["edit", "restore", "delete"]))

    def end(self) -> None:
        self._ending.set()
        self.join()

    def write(self, id: Any, what: str) -> bool:
        """One acknowledged change, or none."""
        wanted: dict[str, Any] = {"_id": id}
        update: dict[str, Any] = {"$inc": {"edits": 1}}
        if what == "restore":
            wanted["deleted"] = True
            update |= {"$set": {"deleted": False}, "$unset": {"deletedAt": ""}}
        if what == "delete":
            wanted["deleted"] = False
            update |= {"$set": {"deleted": True, "deletedAt": self._long_ago}}
        try:
            written = self._desk.posts.update_one(wanted, update).modified_count
        except OperationFailure as error:
            if error.code != WRITE_CONFLICT:
                raise
            return False  # not written
        if written:
            self.edits[id] += written
        self.done[what] += written
        return written == 1


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
    writers = [Writer(desk, ids, seed) for seed in range(WRITERS)]
    meddling = Writer(desk, ids, WRITERS)
    archiver = desk.archiver()
    for writer in writers:
        writer.start()
    try:
        report = archiver.run(archiver.plan("Post", 90), watch=Meddler(desk, meddling))
    finally:
        for writer in writers:
            writer.end()
    assert report.kept_counts["changed"] > 0
    assert report.kept_counts["restored"] > 0
    assert report.kept_counts.get("vanished", 0) == 0
    edits: Counter[Any] = sum((writer.edits for writer in (*writers, meddling)), Counter())
    done: Counter[str] = sum((writer.done for writer in (*writers, meddling)), Counter())
    assert min(done[what] for what in ("edit", "restore", "delete")) > 0

    archived = desk.archived()
    held = {**desk.live(), **{key: copies[0] for key, copies in archived.items()}}
    assert held.keys() == before.keys()
    found = {each: bson.decode(held[_key(each)])["edits"] for each in edits}
    lost = {each: (count, found[each]) for each, count in edits.items() if count != found[each]}
    assert not lost, f"acknowledged and found edits differ: {lost}"
    edited_and_archived = sum(1 for each in edits if edits[each] and _key(each) in archived)
    first = account(desk, held)
    assert first.archived == report.archived

    archiver.run(archiver.plan("Post", 90))
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
