"""`delete` on a model without soft delete: documents go into the vault, and come back from there."""

from __future__ import annotations

import shutil
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from bson import ObjectId

from tests.commands.conftest import Project
from tests.commands.test_signals import once_under_way, started

NUMBER = 3000


def lines(project: Project, number: int) -> list[str]:
    rows = [{"_id": ObjectId(), "line": f"line {n}", "n": n} for n in range(number)]
    project.database["logs"].insert_many(rows)
    return [str(row["_id"]) for row in rows]


def live(project: Project) -> int:
    return int(project.database["logs"].count_documents({}))


def expire_leases(project: Project) -> None:
    """What the server's clock does to a holder that no longer beats."""
    past = project.workspace.mongo.server_time() - timedelta(seconds=1)
    project.database["datactl_leases"].update_many({}, {"$set": {"expires": past}})


def test_one_is_removed_and_comes_back(project: Project) -> None:
    one, _ = lines(project, 2)
    ended = project.run("delete", "Log", one, "--reason", "tidy", "-o", "table")
    assert (ended.status, ended.err) == (0, "")
    said = ended.out.splitlines()
    assert said[0] == f"removed Log {one}   into the vault"
    assert said[1].endswith(f"   back: datactl restore Log {one}")
    assert live(project) == 1
    assert project.run("get", "Log", one).status == 6
    assert project.run("archive", "find", "Log", one).json["place"] == "archived"
    assert project.run("restore", "Log", one, "-o", "table").status == 0
    assert live(project) == 2


def test_one_as_json(project: Project) -> None:
    one, _ = lines(project, 2)
    told = project.run("delete", "Log", one).json
    assert (told["kind"], told["changed"], told["before"]["line"]) == ("removed", True, "line 0")
    again = project.run("delete", "Log", one)
    assert (again.status, "[not_found]" in again.err) == (6, True)


def test_several_by_id(project: Project) -> None:
    one, two, _ = lines(project, 3)
    absent = str(ObjectId())
    ended = project.run("delete", "Log", one, absent, two, "-o", "table")
    assert ended.status == 3
    assert ended.out.splitlines()[0] == "removed 2 documents, 1 failed"
    assert absent in ended.err
    assert live(project) == 1


def test_by_filter_its_number_is_confirmed(project: Project) -> None:
    lines(project, 4)
    delete = ["delete", "Log", "--filter", "line!=x", "-o", "table"]
    asked = project.run(*delete)
    assert asked.status == 12
    assert "Log: 4 documents match (of 4 live)" in asked.err
    assert '--confirm "logs 4"' in asked.err
    assert live(project) == 4
    done = project.run(*delete, "--confirm", "logs 4")
    assert done.status == 0
    assert done.out.splitlines()[0] == "removed 4 documents"
    assert "one back: datactl restore Log ID" in done.err
    assert live(project) == 0
    row = project.run("ops", "list", "Log", "-o", "json").json[0]
    assert (row["kind"], row["state"], row["counts"]["changed"]) == ("remove", "done", 4)


def test_a_vault_that_cannot_be_used_keeps_everything(project: Project, tmp_path: Path) -> None:
    one, two, *_ = lines(project, 5)
    assert project.run("delete", "Log", one).status == 0
    (tmp_path / "file").write_text("no directory")
    for vault in (f"file:{tmp_path}/elsewhere", f"file:{tmp_path}/file/vault", "memory:"):
        for arguments in ([two], ["--filter", "line!=x", "--yes"]):
            ended = project.run("delete", "Log", *arguments, "--vault", vault)
            assert ended.status == 2, ended.err
            assert "error: " in ended.err
    assert live(project) == 4
    assert project.run("ops", "list", "Log", "-o", "json").json == []


def test_a_killed_removal_is_carried_on(project: Project) -> None:
    lines(project, NUMBER)
    process = started(project, "delete", "Log", "--filter", "line!=x", "--yes")
    row = once_under_way(project, process, "remove")
    process.kill()
    process.communicate(timeout=60)
    assert 0 < live(project) < NUMBER
    expire_leases(project)
    project.workspace.mongo.client.admin.command({"killAllSessions": []})
    ended = project.run("ops", "resume", row["_id"], "-o", "table")
    assert (ended.status, ended.out.splitlines()[0]) == (0, f"removed {NUMBER:,} documents")
    assert live(project) == 0
    assert project.database["outboxes"].count_documents({"eventType": "LogDeleted"}) == NUMBER
    again = project.run("ops", "resume", row["_id"])
    assert (again.status, "done already" in again.err) == (0, True)


def test_the_first_signal_finishes_the_transaction(project: Project) -> None:
    lines(project, NUMBER)
    process = started(project, "delete", "Log", "--filter", "line!=x", "--yes", "-o", "table")
    row = once_under_way(project, process, "remove")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    left = live(project)
    assert 0 < left < NUMBER
    assert f"removed {NUMBER - left:,} documents" in out.decode()
    assert f"{left:,} left" in err.decode()
    assert f"next: datactl ops resume {row['_id']}" in err.decode()
    assert project.run("archive", "plan", "-o", "json").json[0]["model"] == "Post"  # nothing to settle: it was closed
    assert project.run("ops", "resume", row["_id"]).status == 0
    assert live(project) == 0


def test_what_a_dead_removal_left_is_settled_by_the_archive(project: Project) -> None:
    (one,) = lines(project, 1)
    assert project.run("archive", "Log").status == 2
    assert project.run("delete", "Log", one).status == 0
    vault = _vault(project)
    (segment,) = project.run("archive", "list", "Log").json
    shutil.rmtree(vault / "receipts" / "Log" / segment["name"])  # it was killed before
    planned = {row["model"]: row["unsettled"] for row in project.run("archive", "plan", "-o", "json").json}
    assert planned["Log"] == 1
    ended = project.run("archive", "-o", "table")
    assert ended.status == 0
    assert "Log: settled an earlier run: 1 finished, 0 given up, 1 document archived" in ended.out
    assert "Log" not in {row["model"] for row in project.run("archive", "plan", "-o", "json").json}


def _vault(project: Project) -> Any:
    return Path(project.workspace.settings.vault.removeprefix("file:"))
