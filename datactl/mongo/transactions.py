"""Transactions: the retry rules of the driver specification, around work that may raise datactl's own errors.

Rules: https://github.com/mongodb/specifications/blob/master/source/transactions-convenient-api/. The driver's own
`with_transaction` is not used because it looks for error labels on driver exceptions only: work that maps its
errors (or a client bulkWrite, whose exception hides the label inside) would never be tried again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import pymongo
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from pymongo.mongo_client import MongoClient
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from datactl.errors import CannotConnect, DatabaseTimeout, DatactlError
from datactl.mongo.driver_errors import has_label, is_server_code, mapping_errors
from datactl.mongo.wording import reason_of
from datactl.steps import UNWATCHED, Watcher

T = TypeVar("T")

# Seconds in which a retry may begin (specification: 120), and its pauses.
RETRY_LIMIT_S = 120.0
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.5
_ABORT_LIMIT_S = 2.0

_TRANSIENT = "TransientTransactionError"
_UNKNOWN_COMMIT = "UnknownTransactionCommitResult"
_MAX_TIME_EXPIRED = 50
_WRITE_CONFLICT = 112


def run_transaction(
    client: MongoClient[dict[str, object]],
    work: Callable[[ClientSession], T],
    write_concern: WriteConcern,
    *,
    watch: Watcher = UNWATCHED,
) -> T:
    """`work(session)` in one snapshot transaction; its result once that is committed.

    `work` may run more than once, each time from the beginning. Retries are seen as progress steps named
    `transaction.retry`. Raises what `work` raises when that is not transient; CannotConnect when the server is gone.
    """
    give_up = time.monotonic() + RETRY_LIMIT_S
    attempt = 0
    with mapping_errors("writing in a transaction"), client.start_session() as session:
        while True:
            session.start_transaction(ReadConcern("snapshot"), write_concern, ReadPreference.PRIMARY)
            try:
                result = work(session)
                _commit(session, give_up)
            except (PyMongoError, DatactlError) as error:
                if not _worth_retrying(error) or time.monotonic() >= give_up:
                    raise
            else:
                return result
            finally:  # whatever came, an interrupt too
                _abort(session)
            attempt += 1
            watch.progress("transaction.retry", attempt, unit="attempts")
            time.sleep(random.random() * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 1.5**attempt))


def _abort(session: ClientSession) -> None:
    """End what was begun and not committed."""
    if session.in_transaction:
        # The driver keeps errors of an abort to itself; it must not look long for a server that is gone.
        with pymongo.timeout(_ABORT_LIMIT_S):
            session.abort_transaction()


def _worth_retrying(error: PyMongoError | DatactlError) -> bool:
    driver_error = error if isinstance(error, PyMongoError) else error.__cause__
    # A selection that timed out has waited its full time for a server: the run ends in bounded time.
    if isinstance(driver_error, ServerSelectionTimeoutError):
        return False
    # secantusd-rs reports a conflict inside a client bulkWrite as that write's error, without the label.
    return has_label(error, _TRANSIENT) or is_server_code(error, _WRITE_CONFLICT)


def _commit(session: ClientSession, give_up: float) -> None:
    """Commit, and commit again while its outcome is unknown (a commit that is repeated is done once)."""
    while True:
        try:
            session.commit_transaction()
        except PyMongoError as error:
            if not has_label(error, _UNKNOWN_COMMIT):
                raise
            expired = is_server_code(error, _MAX_TIME_EXPIRED)
            if not expired and not isinstance(error, ServerSelectionTimeoutError) and time.monotonic() < give_up:
                continue
            raise _unknown_outcome(error, expired) from error
        else:
            return


def _unknown_outcome(error: PyMongoError, expired: bool) -> CannotConnect | DatabaseTimeout:
    kind = DatabaseTimeout if expired else CannotConnect
    return kind(
        "the server did not answer a commit: it may or may not have been done",
        why=reason_of(error),
        next="look whether it was done; only setting, unsetting, deleting and restoring may be repeated safely. "
        "An operation on many documents goes on with: datactl ops resume OP",
        outcome="unknown",
    )
