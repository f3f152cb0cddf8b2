"""Running the archive in a process of its own that is killed, and taking over from it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from datactl.mongo import Mongo
from datactl.steps import Step, Watcher

ROOT = Path(__file__).parents[2]
LEASE = "archive:Post"


class Recorder(Watcher):
    """Keeps every announced step, progress aside."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []

    def see(self, step: Step) -> None:
        if step.when != "progress":
            self.steps.append((step.name, str(step.when)))


def start_child(
    uri: str,
    database: str,
    vault: Path,
    *,
    at: Sequence[Any] | None = None,
    program: Sequence[str] = (),
    module: str = "tests.archive.child",
    **order: Any,
) -> subprocess.Popen[str]:
    """The archive (or a removal) in a process of its own; returns when it is about to run."""
    text = json.dumps({"uri": uri, "database": database, "vault": str(vault), "at": at, **order})
    child = subprocess.Popen(
        [*program, sys.executable, "-m", module, text],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def finish(child: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """Wait for its end: exit status, and what it printed."""
    out, _ = child.communicate(timeout=120)
    return child.returncode, json.loads(out) if out.strip() else {}


def end_open_transactions(mongo: Mongo) -> None:
    """What the server does 60 s after a client is gone (transactionLifetimeLimitSeconds), done at once."""
    mongo.client.admin.command({"killAllSessions": []})


def expire_lease(mongo: Mongo, name: str = f"^{LEASE}$") -> None:
    """What the server's clock does to holders (of leases of this pattern) that no longer beat."""
    past = mongo.server_time() - timedelta(seconds=1)
    mongo.collection("datactl_leases").update_many({"_id": {"$regex": name}}, {"$set": {"expires": past}})
