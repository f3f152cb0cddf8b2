"""An import killed at any step, or before any command of a chunk, and given again: nothing twice, nothing missing.

The documents of the input have no `_id`: only the ledger can tell which of them were inserted.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from datactl.mongo import Mongo

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
DOCUMENTS = 1_200  # three chunks
WRONG = 50  # each one of so many is rejected

# The last one says that it is done: given again, the import is refused (test_import.py).
STEPS = [
    *("check before", "check after", "ledger.open before", "ledger.open after"),
    *("chunk before", "chunk after", "import progress") * 3,
    *("ledger.close before", "ledger.close after"),
]
COMMANDS = ["find", "aggregate", "insert", "insert", "update", "update", "commitTransaction"]  # of one chunk


def run_child(uri: str, mongo: Mongo, place: Path, **order: Any) -> tuple[int, dict[str, Any]]:
    """Exit status, and the result if it lived to print it."""
    paths = {"path": str(place / "in.ndjson"), "state": str(place / "state"), "rejects": str(place)}
    text = json.dumps({"uri": uri, "database": mongo.database.name, **paths, **order})
    done = subprocess.run(
        [sys.executable, "-m", "tests.transfer.crash_child", text],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def write_input(place: Path) -> None:
    rows = [{"name": f"n{n:05}", "count": "no number" if n % WRONG == 7 else n} for n in range(DOCUMENTS)]
    (place / "in.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))


def require_all(mongo: Mongo, result: dict[str, Any]) -> None:
    """Every document once, with one event of one operation; every rejected line once, in order."""
    wanted = [f"n{n:05}" for n in range(DOCUMENTS) if n % WRONG != 7]
    assert [row["name"] for row in mongo.collection("items").find().sort("name", 1)] == wanted
    events = list(mongo.collection("outboxes").find())
    assert sorted(event["payload"]["after"]["name"] for event in events) == wanted
    assert {event["op"] for event in events} == {result["op"]}
    lines = Path(result["rejects"]).read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines[1::2]] == [f"n{n:05}" for n in range(7, DOCUMENTS, WRONG)]
    assert (result["read"], result["created"]) == (DOCUMENTS, len(wanted))
    assert mongo.collection("datactl_ops").count_documents({}) == 1


@pytest.mark.parametrize(
    "kill", [{"step": n} for n in range(len(STEPS) - 1)] + [{"command": n} for n in range(7)], ids=str
)
def test_killed_and_given_again(kill: dict[str, int], mongo: Mongo, engine_uri: str, tmp_path: Path) -> None:
    write_input(tmp_path)
    status, _ = run_child(engine_uri, mongo, tmp_path, **kill)
    assert status == -signal.SIGKILL
    mongo.client.admin.command("killAllSessions", [])  # what the server does 60 s after a client is gone
    status, result = run_child(engine_uri, mongo, tmp_path)
    assert status == 0
    require_all(mongo, result)


def test_these_are_the_steps(mongo: Mongo, engine_uri: str, tmp_path: Path) -> None:
    write_input(tmp_path)
    status, result = run_child(engine_uri, mongo, tmp_path)
    assert (status, result["steps"], result["commands"]) == (0, STEPS, COMMANDS)
    require_all(mongo, result)
