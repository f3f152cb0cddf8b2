"""Committing: one transaction, tried again as often as it may be, and done once.

A server that dies behind a commit has done it and does not say so: when it is up again it knows nothing of the
transaction, which is then run again from the beginning. An attempt that came as far as its commit therefore leaves a
trace by which the next one knows it: the `_id` of an event, which every attempt makes anew; or, where nothing was
changed, how far the ledger has come. What is found committed is not done again, and its outcome is the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bson import ObjectId
from pymongo.client_session import ClientSession

from datactl.errors import DuplicateKey
from datactl.events import OUTBOX
from datactl.mongo import Mongo
from datactl.records.faults import seq_was_taken
from datactl.records.writing import Outcome
from datactl.steps import UNWATCHED, Watcher

T = TypeVar("T")

# So often a transaction is run again whose number of an event another one took.
SEQ_TRIES = 10


def commit(
    mongo: Mongo,
    work: Callable[[ClientSession], T],
    *,
    event_of: Callable[[T], ObjectId | None],
    moved: Callable[[ClientSession, T], bool] | None = None,
    tries: int = SEQ_TRIES,
    watch: Watcher = UNWATCHED,
) -> T:
    """`work(session)` in one transaction; its result, once that is committed.

    `event_of` a result is one of the events that its attempt wrote. `moved` is asked of one that wrote none: whether
    the row in the ledger is where that attempt was to move it. Without it an attempt without an event wrote nothing.
    Raises what `work` raises, and DuplicateKey if the number of an event was taken `tries` times.
    """
    tried: list[T] = []

    def attempt(session: ClientSession) -> T:
        if tried and _is_done(session, tried[-1]):
            return tried[-1]
        tried.clear()
        tried.append(work(session))
        return tried[-1]

    def _is_done(session: ClientSession, result: T) -> bool:
        event = event_of(result)
        if event is not None:
            return mongo.collection(OUTBOX).find_one({"_id": event}, {"_id": 1}, session=session) is not None
        return moved is not None and moved(session, result)

    for number in range(1, tries + 1):
        try:
            return mongo.transaction(attempt, watch=watch)
        except DuplicateKey as error:
            if not seq_was_taken(error) or number == tries:
                raise
    raise AssertionError("unreachable")


def commit_outcome(
    mongo: Mongo,
    work: Callable[[ClientSession], Outcome],
    *,
    moved: Callable[[ClientSession, Outcome], bool] | None = None,
    tries: int = SEQ_TRIES,
    watch: Watcher = UNWATCHED,
) -> Outcome:
    """`commit` of what a Writer did."""
    return commit(mongo, work, event_of=_event_of, moved=moved, tries=tries, watch=watch)


def _event_of(outcome: Outcome) -> ObjectId | None:
    return outcome.event
