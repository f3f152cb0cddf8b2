"""Writers and other removals all through a removal: no edit that was acknowledged is lost, nothing is removed twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

import bson
import pytest

from datactl.records import BulkResult
from datactl.steps import Step, Watcher
from tests.archive.desk import account
from tests.archive.racing import Writer, at_work, edits_of
from tests.archive.removing import RemovalDesk

Told = Callable[[str, str], None]


class Meddler(Watcher):
    """Edits documents at the worst moment: when their copies are committed."""

    def __init__(self, desk: RemovalDesk, writer: Writer) -> None:
        self._desk = desk
        self._writer = writer

    def see(self, step: Step) -> None:
        if (step.name, step.when) == ("manifest.put", "after"):
            for each in self._desk.logs.find({}, {"_id": 1}).limit(3):
                self._writer.write(each["_id"])


def race(desk: RemovalDesk, documents: int, told: Told) -> None:
    before = desk.insert({**bson.decode(each), "edits": 0} for each in _lines(desk, documents))
    ids = [bson.decode(each)["_id"] for each in before.values()]
    writers = [Writer(desk, ids, seed) for seed in range(2)]
    meddling = Writer(desk, ids, 9)
    with at_work(writers):
        result = desk.repository().delete_many(filter={}, watch=Meddler(desk, meddling))
    acknowledged = edits_of([*writers, meddling])
    live, archived = desk.live(), desk.archived()
    lost = 0
    for key, document in before.items():
        copies = archived.get(key, [])
        assert len(copies) + (key in live) == 1
        found = bson.decode(copies[0] if copies else live[key])
        lost += acknowledged[bson.decode(document)["_id"]] - found["edits"]
    assert lost == 0
    assert sum(meddling.edits.values()) > 0
    assert (result.changed, result.kept) == (len(archived), len(live))
    assert len(desk.events()) == len(archived)
    edited = sum(bson.decode(copies[0])["edits"] > 0 for copies in archived.values())
    told(
        "removal races",
        f"{documents:,} documents, {acknowledged.total():,} acknowledged edits, 0 lost; removed {result.changed:,} "
        f"({edited:,} of them edited before), kept {result.kept:,}",
    )


def _lines(desk: RemovalDesk, documents: int) -> list[bytes]:
    made = list(desk.lines(documents).values())
    desk.logs.delete_many({})
    return made


def test_no_acknowledged_edit_is_lost(logs: RemovalDesk, told: Told) -> None:
    race(logs, 600, told)


@pytest.mark.real
def test_no_acknowledged_edit_is_lost_among_many(logs: RemovalDesk, told: Told) -> None:
    race(logs, 10_000, told)


def test_two_removals_of_the_same_documents_remove_each_once(logs: RemovalDesk) -> None:
    before = logs.lines(1_200)
    results: list[BulkResult] = []
    together = threading.Barrier(2)

    def remove() -> None:
        together.wait(30)
        results.append(logs.repository().delete_many(filter={}))

    threads = [threading.Thread(target=remove) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(results) == 2
    assert sum(each.changed for each in results) == len(before)
    assert account(logs, before).archived == len(before)
    assert sorted(b"\x07" + each["aggregateId"].binary for each in logs.events()) == sorted(before)
