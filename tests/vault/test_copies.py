"""Which copy is the archived one: the rule on hand-made histories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from datactl.vault import Candidate, Manifest, Member, Rank, SegmentName, Stored, archived_copy

NOTHING = Stored(0, "")


@dataclass(frozen=True)
class Copy:
    """A copy as history left it; `name` differs from the rank for a compacted one."""

    rank: tuple[int, int]
    receipt: bool | None
    restored: bool = False
    name: tuple[int, int] | None = None
    supersedes: Sequence[tuple[int, int]] = ()


def named(pair: tuple[int, int]) -> str:
    return str(SegmentName(*pair, nonce="0" * 16))


def candidate(copy: Copy) -> Candidate:
    manifest = Manifest(
        model="Post",
        name=named(copy.name or copy.rank),
        namespace="blog.posts",
        op="OP1",
        actor=None,
        reason=None,
        cause="age",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        cutoff=None,
        tier="warm",
        rank=Rank(*copy.rank),
        supersedes=tuple(map(named, copy.supersedes)),
        documents=1,
        raw_bytes=22,
        members=1,
        pages=1,
        pages_offset=100,
        segment=NOTHING,
        metadata=NOTHING,
        index=NOTHING,
    )
    member = Member(0, 1, 1, 0, 1, 0, b"")
    return Candidate(manifest, member, 0, 0, b"", copy.receipt, copy.restored)


def chosen(history: Sequence[Copy], *, absent: bool) -> tuple[int, int] | None:
    ranked = sorted(map(candidate, history), key=lambda c: (c.rank, c.manifest.name), reverse=True)
    found = archived_copy(ranked, absent=absent)
    if found is None:
        return None
    name = SegmentName.parse(found.manifest.name)
    return name.epoch, name.number


HISTORIES: dict[str, tuple[list[Copy], tuple[int, int] | None, tuple[int, int] | None]] = {
    # name: (copies, archived copy if the document is absent, if it is in MongoDB)
    "never archived": ([], None, None),
    "archived": ([Copy((1, 0), True)], (1, 0), (1, 0)),
    "it changed meanwhile and stayed": ([Copy((1, 0), False)], None, None),
    "the run died after its manifest": ([Copy((1, 0), None)], (1, 0), None),
    "archived and restored": ([Copy((1, 0), True, restored=True)], None, None),
    "restored, then archived again": ([Copy((1, 0), True, restored=True), Copy((2, 0), True)], (2, 0), (2, 0)),
    "restored from the newer copy": ([Copy((1, 0), True), Copy((2, 0), True, restored=True)], None, None),
    "stale copy first, archived by the next run": ([Copy((1, 0), False), Copy((2, 0), True)], (2, 0), (2, 0)),
    "archived, and a newer copy that is stale": ([Copy((1, 0), True), Copy((2, 0), False)], (1, 0), (1, 0)),
    "restored, and the next run died": ([Copy((1, 0), True, restored=True), Copy((2, 0), None)], (2, 0), None),
    "archived, and a later run that died": ([Copy((1, 0), True), Copy((2, 0), None)], (2, 0), (1, 0)),
    "restored from a copy without receipt": ([Copy((1, 0), None, restored=True)], None, None),
    "a restore above, nothing deleted there": ([Copy((1, 0), True), Copy((2, 0), False, restored=True)], None, None),
    "a restore below does not count": ([Copy((1, 0), True, restored=True), Copy((1, 1), True)], (1, 1), (1, 1)),
    "the number counts within an epoch": ([Copy((3, 9), True), Copy((3, 10), True)], (3, 10), (3, 10)),
    "a compacted copy stands for its source": (
        [Copy((1, 0), True), Copy((1, 0), True, name=(5, 0), supersedes=[(1, 0)])],
        (5, 0),
        (5, 0),
    ),
    "it keeps its source's rank": (
        [Copy((1, 0), True), Copy((1, 0), True, name=(5, 0), supersedes=[(1, 0)]), Copy((2, 0), True)],
        (2, 0),
        (2, 0),
    ),
    "a receipt written later for the source counts": (
        [Copy((1, 0), True), Copy((1, 0), None, name=(5, 0), supersedes=[(1, 0)])],
        (5, 0),
        (5, 0),
    ),
    "a restore recorded at the source counts": (
        [Copy((1, 0), True, restored=True), Copy((1, 0), True, name=(5, 0), supersedes=[(1, 0)])],
        None,
        None,
    ),
    "a restore recorded at the compacted copy counts": (
        [Copy((1, 0), True), Copy((1, 0), True, restored=True, name=(5, 0), supersedes=[(1, 0)])],
        None,
        None,
    ),
    "compacted twice": (
        [
            Copy((1, 0), True),
            Copy((1, 0), True, name=(5, 0), supersedes=[(1, 0)]),
            Copy((1, 0), True, name=(6, 0), supersedes=[(5, 0)]),
        ],
        (6, 0),
        (6, 0),
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_the_archived_copy(name: str) -> None:
    copies, if_absent, if_there = HISTORIES[name]
    assert chosen(copies, absent=True) == if_absent
    assert chosen(copies, absent=False) == if_there


def test_copies_are_taken_only_as_far_as_needed() -> None:
    """An older sidecar is not read, so its damage does no harm, when a newer copy decides."""
    taken = []

    def lazily() -> Iterator[Candidate]:
        for epoch in (3, 2, 1):
            taken.append(epoch)
            yield candidate(Copy((epoch, 0), True))

    found = archived_copy(lazily(), absent=True)
    assert found
    assert found.rank == Rank(3, 0)
    assert taken == [3, 2]  # the next one, to see that it has another rank


def test_time_decides_nothing() -> None:
    early, late = candidate(Copy((1, 0), True)), candidate(Copy((2, 0), True))
    early = replace(early, manifest=replace(early.manifest, created_at=datetime(2030, 1, 1, tzinfo=UTC)))
    assert archived_copy([late, early], absent=True) is late
