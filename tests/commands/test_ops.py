"""`datactl ops`: what was stopped or killed half-way is carried on, and no document is changed twice."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from datactl.errors import CannotConnect
from datactl.render.stopping import StopNow
from datactl.steps import Step, When
from tests.commands.conftest import Outcome, Project
from tests.commands.test_signals import once_under_way, started

NUMBER = 1500
INCREASE = ("update", "Post", "--filter", "views>=0", "--json", '{"$inc": {"views": 1}}', "--yes", "-o", "table")


def filled(project: Project) -> Any:
    posts = project.database["posts"]
    posts.insert_many([{"title": f"Post {n}", "content": "text", "views": 0} for n in range(NUMBER)])
    return posts


def views(project: Project) -> Counter[int]:
    return Counter(post["views"] for post in project.database["posts"].find({}, {"views": 1}))


def resumed(project: Project, error: str) -> Outcome:
    """Run the command that the message calls the next step."""
    said = error.partition("datactl ops resume ")[2].split()[0]
    assert f"datactl ops resume {said}\n" in error
    return project.run("ops", "resume", said, "-o", "json")


def test_a_stopped_update_goes_on_and_adds_once(project: Project) -> None:
    filled(project)
    process = started(project, *INCREASE)
    row = once_under_way(project, process, "update")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert err.decode().splitlines()[-1] == f"next: datactl ops resume {row['_id']}"
    assert views(project)[0] > 0
    ended = resumed(project, err.decode())
    assert (ended.status, ended.json["op"], ended.json["changed"]) == (0, row["_id"], NUMBER)
    assert views(project) == {1: NUMBER}
    again = project.run("ops", "resume", row["_id"])
    assert (again.status, "done already" in again.err) == (0, True)
    assert views(project) == {1: NUMBER}


def test_a_killed_delete_goes_on_by_the_beginning_of_its_id(project: Project) -> None:
    posts = filled(project)
    process = started(project, "delete", "Post", "--filter", "views>=0", "--yes")
    row = once_under_way(project, process, "soft_delete")
    process.kill()
    process.communicate(timeout=60)
    assert posts.count_documents({"deleted": True}) < NUMBER
    shown = project.run("ops", "list", "-o", "json").json
    assert [(each["op"], each["state"]) for each in shown] == [(row["_id"], "running")]
    ended = project.run("ops", "resume", row["_id"][:20].lower())
    assert (ended.status, ended.json["changed"]) == (0, NUMBER)
    events = Counter(event["seq"] for event in project.database["outboxes"].find({"eventType": "PostDeleted"}))
    assert events == {1: NUMBER}


@pytest.mark.parametrize("end", [StopNow(signal.SIGINT), CannotConnect("it is gone", next="look at it")], ids=str)
def test_one_that_fails_half_way_says_how_it_goes_on(
    end: BaseException, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(project)

    def fail(_: object, step: Step) -> None:
        nonlocal op
        if step.name == "ledger.open" and step.when is When.AFTER:
            op = step.detail["op"]
            watcher_see(_, step)  # type: ignore[arg-type]
        if step.name == "update" and step.done:
            raise end

    from datactl.render.progress import ProgressWatcher

    op, watcher_see = "", ProgressWatcher.see
    with monkeypatch.context() as patched:
        patched.setattr(ProgressWatcher, "see", fail)
        ended = project.run(*INCREASE)
    assert ended.status == (4 if isinstance(end, CannotConnect) else 130)
    assert ended.err.endswith(f"datactl ops resume {op}\n")
    assert ("next: look at it\nthen: " in ended.err) == isinstance(end, CannotConnect)
    assert 0 < views(project)[1] < NUMBER
    assert resumed(project, ended.err).status == 0
    assert views(project) == {1: NUMBER}


@pytest.mark.parametrize("form", ["lines", "array"])
def test_a_stopped_create_says_where_its_input_goes_on(form: str, project: Project, tmp_path: Path) -> None:
    made = [json.dumps({"title": f"Post {n}", "content": "text", "views": n}) for n in range(NUMBER)]
    file = project.directory / "new posts.json"
    file.write_text("\n\n" + "\n".join(made) if form == "lines" else "[" + ",".join(made) + "]")
    process = started(project, "create", "Post", str(file), "-o", "table")
    once_under_way(project, process, "create")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    line = err.decode().splitlines()[-1].removeprefix("next: ")
    rest, _, create = line.partition(" | ")
    assert create == "datactl create Post -"
    if form == "array":
        assert rest.startswith("jq -c '.[")
        assert shlex.split(rest)[-1] == str(file)
        after = int(rest.partition("[")[2].partition(":")[0])
        given = "\n".join(made[after:]).encode()
    else:
        given = subprocess.run(["sh", "-c", rest], capture_output=True, check=True).stdout
    assert project.run("create", "Post", "-", stdin=given).status == 0
    found = Counter(post["views"] for post in project.database["posts"].find({}, {"views": 1}))
    assert found == Counter(range(NUMBER))


def test_what_cannot_be_resumed_says_what_to_do(project: Project) -> None:
    project.create(3)
    row = project.database["datactl_ops"].find_one({"kind": "create"})
    project.database["datactl_ops"].update_one({"_id": row["_id"]}, {"$set": {"state": "running", "position": 2}})
    shown = project.run("ops", "show", row["_id"], "-o", "json")
    assert shown.status == 0
    assert (shown.json["position"], shown.json["actor"]) == (2, "maria")
    ended = project.run("ops", "resume", row["_id"])
    assert ended.status == 2
    for said in (shown.json["next"], ended.err):
        assert "the first 2 documents" in said
        assert "tail -n +3 FILE | datactl create Post -" in said


def test_no_such_operation_and_too_short_a_beginning(project: Project) -> None:
    project.create(2)
    project.create(2)
    for word in ("show", "resume"):
        assert project.run("ops", word, "ZZZZ").status == 6
        assert project.run("ops", word, "").status == 6
        ended = project.run("ops", word, "0")
        assert (ended.status, "several" in ended.err) == (2, True)


def test_the_list_is_of_a_model_and_the_newest_first(project: Project) -> None:
    project.create(2)
    project.run("create", "Category", '[{"name": "a"}]', "--reason", "odd\x1b[2J")
    listed = project.run("ops", "list", "-o", "json").json
    assert [each["model"] for each in listed] == ["Category", "Post"]
    assert [each["model"] for each in project.run("ops", "list", "post", "-o", "json").json] == ["Post"]
    assert len(project.run("ops", "list", "--limit", "1", "-o", "json").json) == 1
    table = project.run("ops", "list", "-o", "table").out
    assert "odd\\x1b[2J" in table
    assert "\x1b" not in table


def test_a_resume_is_watched_and_can_be_stopped(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from datactl.render.progress import ProgressWatcher

    filled(project)
    with monkeypatch.context() as patched:
        patched.setattr(ProgressWatcher, "stopping", lambda _: True)
        ended = project.run(*INCREASE)
        assert ended.status == 130
        assert resumed(project, ended.err).status == 130
    assert views(project) == {0: NUMBER}
    assert resumed(project, ended.err).status == 0
    assert views(project) == {1: NUMBER}
