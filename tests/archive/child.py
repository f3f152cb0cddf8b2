"""A process of its own that runs the archive, and may be told to kill or stop itself at one of the steps it announces.

`python -m tests.archive.child JSON`: `{uri, database, vault, days, ttl, restore, at: [step, when, occurrence],
signal}`. With `restore`, a list of ids, it brings these back instead. Prints `ready`, then one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datactl.errors import DatactlError
from datactl.mongo import open_mongo
from datactl.steps import Step, Watcher
from tests.archive.desk import desk_at


class SignallingWatcher(Watcher):
    """Sends its own process a signal at the n-th announcement of a step, before or after its effect."""

    def __init__(self, at: tuple[str, str, int] | None, number: int) -> None:
        self._at = at
        self._number = number
        self._seen: Counter[tuple[str, str]] = Counter()

    def see(self, step: Step) -> None:
        here = (step.name, str(step.when))
        self._seen[here] += 1
        if self._at == (*here, self._seen[here]):
            os.kill(os.getpid(), self._number)


def main(order: dict[str, Any]) -> int:
    at = tuple(order["at"]) if order.get("at") else None
    watcher = SignallingWatcher(at, order.get("signal", signal.SIGKILL))  # type: ignore[arg-type]
    with open_mongo(order["uri"], order["database"]) as mongo:
        desk = desk_at(mongo, Path(order["vault"]))
        archiver = desk.archiver(lease_ttl_s=order.get("ttl", 30))
        plan = archiver.plan("Post", order.get("days", 90))

        def archive() -> dict[str, Any]:
            report = archiver.run(plan, watch=watcher)
            facts = {"archived": report.archived, "kept": dict(report.kept_counts)}
            return {"planned": plan.documents, "cutoff": plan.cutoff.isoformat(), **facts}

        def restore() -> dict[str, Any]:
            return {"restored": len(desk.restorer().restore("Post", order["restore"], watch=watcher).restored)}

        return tell(restore if order.get("restore") else archive)


def tell(work: Callable[[], dict[str, Any]]) -> int:
    """Say that it begins, do it, and print its facts, or its error; the exit status."""
    print("ready", flush=True)
    try:
        facts = work()
    except DatactlError as error:
        print(json.dumps({"error": error.code, "what": str(error)}), flush=True)
        return error.exit_code
    print(json.dumps(facts), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
