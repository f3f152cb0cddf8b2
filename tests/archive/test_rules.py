"""The archive's decisions as values: the due range cut into windows, and what becomes of a document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datactl.archive.rules import Outcome, Selection, cutoff, milliseconds, outcome, windows

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MARKED = Selection({"deleted": True}, "deletedAt")
DAY = 86_400_000


@given(st.dictionaries(st.integers(-20_000, 20_400).map(lambda n: n * DAY), st.integers(1, 2_000)))
def test_windows_cover_the_due_range_without_gap_or_overlap(days: dict[int, int]) -> None:
    cut = windows(MARKED, days, NOW, least=1_000)
    assert cut[0].since is None
    assert cut[-1].until == milliseconds(NOW)
    assert [each.since for each in cut[1:]] == [each.until for each in cut[:-1]]
    assert sum(each.documents for each in cut) == sum(days.values())
    assert all(each.documents >= 1_000 for each in cut[:-1])


def test_one_window_where_nothing_was_counted() -> None:
    (only,) = windows(MARKED, {}, NOW)
    assert list(only.filter()) == ["deleted", "deletedAt"]
    assert list(only.filter()["deletedAt"]) == ["$lt"]


def test_a_cutoff_before_all_time() -> None:
    assert cutoff(NOW, 90) == NOW - timedelta(days=90)
    assert cutoff(NOW, 10**7).year == 1


@pytest.mark.parametrize(
    ("stored", "due", "held", "expected"),
    [
        (b"same", True, False, Outcome.REMOVE),
        (b"same", True, True, Outcome.HELD),
        (b"same", False, False, Outcome.NOT_DUE),
        (b"same", False, True, Outcome.HELD),
        (b"other", True, False, Outcome.CHANGED),
        (b"other", True, True, Outcome.CHANGED),
        (None, True, False, Outcome.VANISHED),
        (None, False, True, Outcome.VANISHED),
    ],
)
def test_what_becomes_of_a_document(stored: bytes | None, due: bool, held: bool, expected: Outcome) -> None:
    assert outcome(b"same", stored, due=due, held=held) is expected
    assert expected.is_out == (expected in (Outcome.REMOVE, Outcome.VANISHED))
