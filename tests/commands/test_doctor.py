"""`datactl doctor`: 0 with warnings, 5 when something fails; the checklist; runs that wait or were missed."""

from __future__ import annotations

import ast
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from datactl.cli import WORDS
from datactl.inspect.doctor import CHECKS, Doctor, Level
from datactl.inspect.doctor.lines import PRODUCTION
from datactl.reference.doctor_page import page
from datactl.workspace import Workspace
from tests.commands.conftest import MODELS, Outcome, Project, Run

ROOT = Path(__file__).parents[2]


def line(ended: Outcome, check: str) -> Any:
    return next(row for row in ended.json if row["check"] == check)


def lines(ended: Outcome, check: str) -> list[Any]:
    return [row for row in ended.json if row["check"] == check]


def test_warnings_alone_end_with_0(project: Project) -> None:
    ended = project.run("doctor")
    assert ended.status == 0, ended.err
    assert {row["level"] for row in ended.json} <= {"ok", "warn"}
    assert [row["check"] for row in ended.json] == sorted((row["check"] for row in ended.json), key=list(CHECKS).index)
    assert {row["check"] for row in ended.json} == set(CHECKS) - set(PRODUCTION)
    assert "nothing failed" in ended.err
    assert project.database["posts"].count_documents({}) == 0


def test_a_failing_check_ends_with_5_and_its_remedy(project: Project) -> None:
    dotenv = project.directory / ".env"
    dotenv.write_text("")
    dotenv.chmod(0o644)
    ended = project.run("doctor", "-o", "json")
    assert (ended.status, ended.error["code"]) == (5, "findings")
    assert ended.error["next"] == f"chmod 600 {dotenv}"
    subprocess.run(shlex.split(ended.error["next"]), check=True)
    assert project.run("doctor").status == 0


def test_each_line_of_a_table_stands_with_what_mends_it(project: Project) -> None:
    (project.directory / ".env").write_text("")
    (project.directory / ".env").chmod(0o644)
    shown = project.run("doctor", "-o", "table").out.splitlines()
    at = next(place for place, text in enumerate(shown) if text.startswith("fail  secret_files"))
    assert shown[at + 1].strip() == f"next: chmod 600 {project.directory / '.env'}"


def test_what_cannot_be_reached_hides_nothing_else(run: Run) -> None:
    Path("models.yaml").write_text(MODELS)
    ended = run("doctor", "--production", "--uri", "mongodb://maria:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=200")
    assert ended.status == 5
    assert line(ended, "connection")["level"] == "fail"
    assert line(ended, "vault_write")["level"] == "ok"
    assert {row["check"] for row in ended.json} >= set(PRODUCTION)
    assert "hunter2" not in ended.out + ended.err


def test_without_models_or_database_it_says_what_is_missing(run: Run) -> None:
    ended = run("doctor")
    assert ended.status == 5
    assert line(ended, "models")["next"] == "datactl init"
    assert "DATACTL_URI" in line(ended, "connection")["next"]


def test_a_models_file_with_mistakes_is_one_failing_line(project: Project) -> None:
    models = project.directory / "models.yaml"
    models.write_text(models.read_text().replace("type: decimal", "type: decimul"))
    ended = project.run("doctor")
    assert ended.status == 5
    assert [row["check"] for row in ended.json if row["level"] == "fail"] == ["models"]
    assert "decimul" in line(ended, "models")["what"]
    assert line(ended, "transactions")["level"] == "ok"


def test_a_file_that_is_no_yaml_is_an_error_of_its_own(project: Project) -> None:
    """The settings stand in it too: without them it is not known which database this is about."""
    (project.directory / "models.yaml").write_text("models: [\n")
    assert project.run("doctor").status == 2


def test_two_answers_at_once_are_refused(project: Project) -> None:
    assert project.run("doctor", "--grants", "--production").status == 2


# -- runs --


def begun(project: Project, state: str, **more: Any) -> str:
    op = f"01M{len(list(project.database['datactl_ops'].find())):023}"
    row: Mapping[str, Any] = {
        "_id": op,
        "kind": "update",
        "model": "Post",
        "startedAt": datetime.now(UTC) - timedelta(days=2),
        "state": state,
        "position": 3,
        "counts": {"matched": 10},
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    project.database["datactl_ops"].insert_one({**row, **more})
    return op


def ended_process() -> int:
    """The id of a process that is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_operations_that_wait_are_named(project: Project) -> None:
    begun(project, "done")
    begun(project, "running")  # this process is alive: it is at work
    begun(project, "running", host="elsewhere", startedAt=datetime.now(UTC))
    assert line(project.run("doctor"), "operations")["level"] == "ok"
    killed = begun(project, "running", pid=ended_process())
    stopped = begun(project, "stopped")
    failed = begun(project, "failed")
    stale = begun(project, "running", host="elsewhere")
    archive = begun(project, "running", host="elsewhere", kind="archive", startedAt=datetime.now(UTC))
    found = {row["what"].split()[0]: row for row in lines(project.run("doctor"), "operations")}
    assert set(found) == {killed, stopped, failed, stale, archive}
    assert "was killed, at 3 of 10" in found[killed]["what"]
    assert "was stopped" in found[stopped]["what"]
    assert "for more than a day" in found[stale]["what"]
    assert "was killed on elsewhere" in found[archive]["what"]
    assert found[killed]["next"] == f"datactl ops show {killed}"
    assert found[archive]["next"] == "datactl archive Post"
    assert {row["level"] for row in found.values()} == {"warn"}


def test_a_missed_archive_run_is_named(project: Project) -> None:
    project.create(2)
    assert project.run("delete", "Post", "--filter", "views>=0", "--yes").status == 0
    project.age(days=92)  # due for two days: within the pause that a timer may have
    assert line(project.run("doctor"), "archive_runs")["level"] == "ok"
    project.age(days=98)
    found = line(project.run("doctor"), "archive_runs")
    assert found["level"] == "warn"
    assert "2 documents of Post have been due for more than 7 d; no run is on record" in found["what"]
    assert found["next"].startswith("datactl archive Post")
    assert project.run("archive", "Post").status == 0
    after = line(project.run("doctor"), "archive_runs")
    assert after["level"] == "ok"
    assert f"Post: the last run, {datetime.now(UTC):%Y-%m-%d}, is done" in after["what"]


def test_another_databases_vault_is_one_failing_line(project: Project) -> None:
    (post,) = project.create(1)
    project.run("delete", "Post", post)
    assert project.run("archive", "Post", "0").status == 0
    ended = project.run("doctor", "--production", "--vault", "file:elsewhere")
    failed = [row["check"] for row in ended.json if row["level"] == "fail"]
    assert failed == ["vault", "credentials", "restore_test"]
    assert "see the check `vault`" in line(ended, "archive_runs")["next"]
    assert "see the check `vault`" in line(ended, "restore_test")["next"]
    assert not (project.directory / "elsewhere").exists()


# -- production --


def test_every_box_of_the_checklist_is_answered(project: Project) -> None:
    ended = project.run("doctor", "--production")
    found = {row["check"]: row for row in ended.json if row["area"] == "production"}
    assert tuple(found) == PRODUCTION
    assert found["credentials"]["level"] == "fail"
    assert ended.status == 5
    assert all(row["next"] for row in found.values() if row["level"] != "ok")
    for check in ("lifecycle", "alerts", "outbox"):
        assert found[check]["level"] == "warn"
        assert "this version" in found[check]["what"]


def test_retention_is_ticked_by_choosing_it(project: Project) -> None:
    assert line(project.run("doctor", "--production"), "retention")["level"] == "warn"
    chosen = project.run("doctor", "--production", env={"ARCHIVE_RETENTION_DAYS": "90"})
    assert line(chosen, "retention")["level"] == "ok"


def test_the_restore_test_is_ticked_by_a_restore_from_the_vault(project: Project) -> None:
    def box() -> Any:
        return line(project.run("doctor", "--production"), "restore_test")

    assert box()["level"] == "warn"
    (post,) = project.create(1)
    project.run("delete", "Post", post)
    project.age()
    project.run("archive", "Post")
    assert box()["level"] == "fail"
    assert project.run("restore", "Post", post).status == 0
    assert box()["level"] == "ok"
    for receipt in (project.directory / ".datactl/vault/receipts").rglob("restored-*"):
        os.utime(receipt, (0, 0))
    assert box()["level"] == "warn"


def test_dead_events_fail_the_box_of_the_outbox(project: Project) -> None:
    project.create(2)
    project.database["outboxes"].update_one({}, {"$set": {"retryCount": 5, "lastError": "gone"}})
    found = line(project.run("doctor", "--production"), "outbox")
    assert found["level"] == "fail"
    assert found["what"].startswith("2 events pending, 1 of them dead")


@pytest.fixture
def examined(project: Project) -> Iterator[Any]:
    """`examined(**environ)`: the boxes of the checklist, as seen in this environment."""
    with Workspace(project.workspace.settings) as workspace:

        def boxes(**environ: str) -> dict[str, Any]:
            doctor = Doctor(
                workspace.settings,
                environ,
                lambda: workspace.registry,
                lambda: workspace.mongo,
                lambda: workspace.vault,
            )
            return {each.check: each for each in doctor.lines(production=True)}

        yield boxes


def test_logs_are_collected_where_stderr_is_the_journal(examined: Any) -> None:
    here = os.fstat(2)
    assert examined()["logs"].level is Level.WARN
    assert examined(JOURNAL_STREAM="1:1")["logs"].level is Level.WARN
    assert examined(JOURNAL_STREAM=f"{here.st_dev}:{here.st_ino}")["logs"].level is Level.OK


def test_the_commands_that_mend_are_commands() -> None:
    named = set()
    for path in (ROOT / "datactl/inspect/doctor").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("warn", "fail"):
                texts = [each.value for each in ast.walk(call.args[-1]) if isinstance(each, ast.Constant)]
                named |= set(re.findall(r"datactl ([a-z]+)", " ".join(map(str, texts))))
    assert {"archive", "stats", "doctor", "restore"} <= named
    assert named <= set(WORDS)


def test_the_page_says_what_doctor_does() -> None:
    assert (ROOT / "docs/doctor.md").read_text(encoding="utf-8") == page(), "python -m datactl.reference"
