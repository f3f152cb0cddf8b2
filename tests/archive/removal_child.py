"""A process of its own that removes all logs, and kills or stops itself at one of its steps, or at a command it sends.

`python -m tests.archive.removal_child JSON`: `{uri, database, vault, step, command, signal, ttl, op}`. `step` is the
number of an announcement, from 0; `command` that of a command to the server, from 0 in the second transaction, before
it is sent. With `op` the operation is carried on. Prints `ready`, then one JSON object.
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
from datactl.steps import Step, Watcher, When
from tests.archive.child import tell
from tests.archive.removing import removal_desk_at


class Killer(Watcher, CommandListener):
    """Counts the announcements, and the commands of the second removing transaction, and signals itself at one."""

    def __init__(self, step: int | None, command: int | None, number: int) -> None:
        self.seen: list[str] = []
        self.commands: list[str] = []
        self._step = step
        self._command = command
        self._number = number
        self._removes = 0
        self._counting = False

    def see(self, step: Step) -> None:
        if step.name == "transaction.retry":
            return
        if self._step == len(self.seen):
            os.kill(os.getpid(), self._number)
        self.seen.append(f"{step.name} {step.when}")
        if step.name == "remove" and step.when is When.BEFORE:
            self._removes += 1
        self._counting = self._removes == 2 and step.when is When.BEFORE and step.name == "remove"

    def started(self, event: CommandStartedEvent) -> None:
        # The heartbeat of the lease comes when it comes: it is no step of the removal.
        if self._counting and "datactl_leases" not in event.command.values() and event.command_name != "hello":
            if self._command == len(self.commands):
                os.kill(os.getpid(), self._number)
            self.commands.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None: ...
    def failed(self, event: CommandFailedEvent) -> None: ...


def main(order: dict[str, Any]) -> int:
    killer = Killer(order.get("step"), order.get("command"), order.get("signal", signal.SIGKILL))
    monitoring.register(killer)
    with open_mongo(order["uri"], order["database"]) as mongo:
        desk = removal_desk_at(mongo, Path(order["vault"]))
        desk.lease_ttl_s = order.get("ttl", 30)
        logs = desk.repository()

        def remove() -> dict[str, Any]:
            if order.get("op"):
                result = logs.resume_bulk(order["op"], watch=killer)
            else:
                result = logs.delete_many(filter={}, reason="crash", watch=killer)
            return {"op": result.op, "changed": result.changed, "steps": killer.seen, "commands": killer.commands}

        return tell(remove)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
