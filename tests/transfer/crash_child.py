"""A process of its own that imports a file, and kills itself at one of its steps or at a command of its second chunk.

`python -m tests.transfer.crash_child JSON`: `{uri, database, path, state, rejects, step, command}`. `step` is the
number of an announcement, from 0; `command` that of a command to the server in the second chunk, before it is sent.
Prints the result as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pymongo import monitoring
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from datactl.mongo import open_mongo
from datactl.schema import parse_models
from datactl.steps import Step, Watcher, When
from datactl.transfer import Importer
from tests.transfer.conftest import SHOP

SECOND_CHUNK = 2


class Killer(Watcher, CommandListener):
    """Counts announcements, and the commands of the second chunk, and dies at one."""

    def __init__(self, step: int | None, command: int | None) -> None:
        self.seen: list[str] = []
        self.commands: list[str] = []
        self._step, self._command = step, command
        self._chunks = 0
        self._inside = False

    def see(self, step: Step) -> None:
        if step.name == "transaction.retry":
            return
        if self._step == len(self.seen):
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(f"{step.name} {step.when}")
        if step.name == "chunk":
            self._chunks += step.when is When.BEFORE
            self._inside = step.when is When.BEFORE and self._chunks == SECOND_CHUNK

    def started(self, event: CommandStartedEvent) -> None:
        if self._inside:
            if self._command == len(self.commands):
                os.kill(os.getpid(), signal.SIGKILL)
            self.commands.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None: ...
    def failed(self, event: CommandFailedEvent) -> None: ...


def main(order: dict[str, Any]) -> None:
    model = parse_models(SHOP).model("Item")
    killer = Killer(order.get("step"), order.get("command"))
    monitoring.register(killer)
    with open_mongo(order["uri"], order["database"]) as mongo:
        importer = Importer(
            mongo,
            actor="ann",
            event_key=None,
            state_dir=Path(order["state"]),
            rejects_dir=Path(order["rejects"]),
        )
        report = importer.run(model, importer.plan(model, Path(order["path"]), watch=killer), watch=killer)
    facts = {"op": report.op, "read": report.read, "created": report.created, "rejected": report.rejected}
    print(json.dumps({**facts, "steps": killer.seen, "commands": killer.commands, "rejects": str(report.rejects)}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
