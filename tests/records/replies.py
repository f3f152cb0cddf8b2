"""Lost replies: what was committed is not answered, and is forgotten when the driver asks again."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import pytest
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect, OperationFailure

_COMMIT = ClientSession.commit_transaction


def lose_every_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transaction is committed without an answer, and forgotten; the attempt after that is answered."""
    asked: WeakKeyDictionary[ClientSession, int] = WeakKeyDictionary()

    def commit(session: ClientSession) -> None:
        turn = asked.get(session, 0)
        asked[session] = (turn + 1) % 3
        if turn == 1:
            raise OperationFailure("no such transaction", 251, {"errorLabels": ["TransientTransactionError"]})
        _COMMIT(session)
        if turn == 0:
            raise _closed()

    monkeypatch.setattr(ClientSession, "commit_transaction", commit)


def lose_one_reply(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> None:
    """The next commit is not answered, and `meanwhile` happens before the driver asks again."""

    def commit(session: ClientSession) -> None:
        _COMMIT(session)
        monkeypatch.setattr(ClientSession, "commit_transaction", _COMMIT)
        meanwhile()
        raise _closed()

    monkeypatch.setattr(ClientSession, "commit_transaction", commit)


def _closed() -> AutoReconnect:
    error = AutoReconnect("connection closed")
    error._add_error_label("UnknownTransactionCommitResult")
    return error
