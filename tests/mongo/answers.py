"""Answers of the server that are lost, and what another process does between a question and the next one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent


def lose_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next commit is done, its answer is lost, and the server has forgotten the transaction when asked again."""
    real = ClientSession.commit_transaction
    lost: list[ClientSession] = []

    def commit(session: ClientSession) -> None:
        if lost:
            monkeypatch.undo()
            raise OperationFailure("no such transaction", 251, {"errorLabels": ["TransientTransactionError"]})
        real(session)
        lost.append(session)
        error = AutoReconnect("connection closed")
        error._add_error_label("UnknownTransactionCommitResult")
        raise error

    monkeypatch.setattr(ClientSession, "commit_transaction", commit)


class Between(CommandListener):
    """Does something once, when the server has answered a command on a collection and nobody has read the answer."""

    def __init__(self, command: str, collection: str) -> None:
        self._wanted = (command, collection)
        self._asked: int | None = None
        self.act: Callable[[], object] | None = None

    def started(self, event: CommandStartedEvent) -> None:
        if self.act is not None and (event.command_name, event.command.get(event.command_name)) == self._wanted:
            self._asked = event.request_id

    def succeeded(self, event: CommandSucceededEvent) -> None:
        if self.act is not None and event.request_id == self._asked:
            act, self.act = self.act, None
            act()

    def failed(self, event: CommandFailedEvent) -> None:
        pass
