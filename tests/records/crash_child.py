"""A process of its own that soft deletes all products, and kills itself at one of its steps or after some time.

`python -m tests.records.crash_child JSON`: `{uri, database, spool, step, after_s, command, op}`. `step` is the number
of an announcement, from 0; `command` that of a command to the server, from 0 in the second chunk, before it is sent;
`after_s` runs from the opened ledger on. With `op` the operation is resumed. Prints the result as JSON, with the
seconds from the opened ledger to the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pymongo import monitoring
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from datactl.mongo import open_mongo
from datactl.records import Repository
from datactl.schema import parse_models
from datactl.steps import Step, Watcher, When
from tests.records.conftest import SHOP

SECOND_CHUNK = 8  # its announcement, counted from 1


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Killer(Watcher, CommandListener):
    """Counts the announcements, and the commands of the second chunk, and dies at one."""

    def __init__(self, at: int | None, after_s: float | None, command: int | None) -> None:
        self.commands: list[str] = []
        self._counting = False
        self._command = command
        self.seen: list[str] = []
        self.opened = time.perf_counter()
        self._at = at
        self._after_s = after_s

    def see(self, step: Step) -> None:
        if step.name == "transaction.retry":
            return
        if self._at == len(self.seen):
            kill_myself()
        self.seen.append(f"{step.name} {step.when}")
        if step.name == "chunk":
            self._counting = step.when is When.BEFORE and len(self.seen) == SECOND_CHUNK
        if self.seen[-1] == "ledger.open after":
            self.opened = time.perf_counter()
            if self._after_s is not None:
                timer = threading.Timer(self._after_s, kill_myself)
                timer.daemon = True
                timer.start()

    def started(self, event: CommandStartedEvent) -> None:
        if self._counting:
            if self._command == len(self.commands):
                kill_myself()
            self.commands.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None: ...
    def failed(self, event: CommandFailedEvent) -> None: ...


def main(order: dict[str, Any]) -> None:
    registry = parse_models(SHOP)
    killer = Killer(order.get("step"), order.get("after_s"), order.get("command"))
    monitoring.register(killer)
    with open_mongo(order["uri"], order["database"]) as mongo:
        products = Repository(registry.model("Product"), mongo, registry, actor="ann", spool_dir=Path(order["spool"]))
        if order.get("op"):
            result = products.resume_bulk(order["op"], watch=killer)
        else:
            result = products.soft_delete_many(filter={}, reason="crash", watch=killer)
    seconds = time.perf_counter() - killer.opened
    facts = {"changed": result.changed, "op": result.op, "steps": killer.seen, "commands": killer.commands}
    print(json.dumps({**facts, "seconds": seconds}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
