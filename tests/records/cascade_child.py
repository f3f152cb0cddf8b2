"""A process of its own that deletes or restores an author with all that goes along, and kills itself at one step.

`python -m tests.records.cascade_child JSON`: `{uri, database, spool, act, id, step, op}`. `act` is delete, restore or
resume; `step` the number of an announcement, from 0. Prints the announcements as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from bson import ObjectId

from datactl.mongo import open_mongo
from datactl.records import Repository
from datactl.steps import Step, Watcher
from tests.records.blog import MODELS


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
        authors = Repository(MODELS["Author"], mongo, MODELS, actor="ann", spool_dir=Path(order["spool"]))
        if order["act"] == "resume":
            authors.resume_bulk(order["op"], watch=killer)
        elif order["act"] == "delete":
            authors.soft_delete(ObjectId(order["id"]), reason="crash", watch=killer)
        else:
            authors.restore(ObjectId(order["id"]), reason="crash", watch=killer)
    print(json.dumps(killer.seen))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
