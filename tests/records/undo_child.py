"""A process of its own that undoes an operation, and kills itself at one of its steps.

`python -m tests.records.undo_child JSON`: `{uri, database, directory, step, undo, resume}`. `step` is the number of an
announcement, from 0; `undo` the operation to undo, `resume` the undo to carry on. Prints the fates and the steps.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from datactl.mongo import open_mongo
from datactl.steps import Step, Watcher
from tests.records.undo_desk import Desk


class Killer(Watcher):
    """Counts the announcements, and dies at one."""

    def __init__(self, at: int | None) -> None:
        self.seen: list[str] = []
        self._at = at

    def see(self, step: Step) -> None:
        if step.name == "transaction.retry":
            return
        if self._at == len(self.seen):
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(f"{step.name} {step.when}")


def main(order: dict[str, Any]) -> None:
    killer = Killer(order.get("step"))
    with open_mongo(order["uri"], order["database"]) as mongo:
        undoer = Desk(mongo, Path(order["directory"])).undoer()
        if order.get("resume"):
            result = undoer.resume(order["resume"], watch=killer)
        else:
            result = undoer.undo(undoer.plan(order["undo"]), watch=killer)
    print(json.dumps({"op": result.op, "fates": dict(result.fates), "steps": killer.seen}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
