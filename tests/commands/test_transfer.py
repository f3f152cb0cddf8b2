"""`datactl export` and `datactl import`: what a person sees, the exit codes, and how it goes on."""

from __future__ import annotations

import csv
import json
import re
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Project
from tests.commands.test_signals import once_under_way, started


def test_out_and_in_again(project: Project) -> None:
    project.create(7)
    project.run("delete", "Post", "--filter", "views=3", "--yes")
    before = sorted(project.database["posts"].find({"deleted": False}), key=lambda post: post["views"])
    out = project.run("export", "Post", "backups", "--withhold", "-o", "table")
    assert out.status == 0, out.err
    first, back = out.out.splitlines()
    assert first.startswith("Post: exported 6 documents, ")
    assert "left out, for they are secret: token" in out.err
    again = project.run("export", "Post", "backups", "--withhold")
    assert (again.status, "never overwrites" in again.err) == (7, True)
    project.database["posts"].drop()
    tried = project.run("import", "Post", "backups", "--dry-run", "-o", "json")
    assert (tried.status, tried.json["created"], tried.json["dryRun"]) == (0, 6, True)
    assert project.database["posts"].count_documents({}) == 0
    command = shlex.split(back.removeprefix("back: "))
    done = project.run(*command[1:], "--reason", "back again", "-o", "table")
    assert (done.status, done.out.splitlines()[0]) == (0, "Post: created 6 documents")
    assert sorted(project.database["posts"].find(), key=lambda post: post["views"]) == before
    event = project.database["outboxes"].find_one(sort=[("_id", -1)])
    assert (event["eventType"], event["actor"], event["reason"]) == ("PostCreated", "maria", "back again")
    repeated = project.run(*command[1:])
    assert (repeated.status, "--again" in repeated.err) == (7, True)


@pytest.mark.parametrize("kind", ["bson", "ndjson", "csv"])
def test_the_report_as_json(kind: str, project: Project) -> None:
    project.create(2, token="s3cret-token")
    shown = project.run("export", "Post", "out", "--format", kind, "--reveal", "--filter", "views=1", "-o", "json")
    assert (shown.status, shown.json["documents"], shown.json["format"]) == (0, 1, kind)
    assert sum(file["bytes"] for file in shown.json["files"]) == shown.json["bytes"]
    assert "s3cret-token" not in shown.out + shown.err


def test_secrets_stay_where_they_are_unless_revealed(project: Project) -> None:
    project.create(2, token="s3cret-token")
    asked = project.run("export", "Post", "out")
    assert (asked.status, asked.out) == (2, "")
    assert "--reveal" in asked.err
    for kind in ("ndjson", "csv"):
        assert project.run("export", "Post", f"out-{kind}", "--format", kind).status == 0
    written = b"".join(file.read_bytes() for file in project.directory.glob("out-*/Post/*"))
    assert b"s3cret-token" not in written
    assert b"Post 1" in written


def test_what_was_rejected_is_imported_after_a_fix(project: Project) -> None:
    rows = [{"title": "a", "content": "c"}, {"title": "b", "content": "c", "views": "many"}]
    Path("new posts.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = project.run("import", "Post", "new posts.ndjson", "-o", "table")
    assert (ended.status, ended.out.splitlines()[0]) == (3, "Post: created 1 document, 1 rejected")
    assert "line 2" in ended.err
    told = ended.err.splitlines()[-1].removeprefix("next: mend ")
    file, _, onward = told.partition(", then: ")
    path = Path(shlex.split(file)[0])
    path.write_text(path.read_text().replace('"many"', "5"))
    last = project.run(*shlex.split(onward)[1:])
    assert (last.status, last.json["created"]) == (0, 1)
    assert project.database["posts"].count_documents({"views": 5}) == 1


def test_a_table_of_a_spreadsheet(project: Project) -> None:
    with Path("table.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([["title", "content", "views"], ["'=1+1", "x", "5"]])
    refused = project.run("import", "Post", "table.csv")
    assert (refused.status, "--delimiter ';'" in refused.err) == (2, True)
    assert project.run("import", "Post", "table.csv", "--delimiter", ";").status == 0
    assert project.database["posts"].find_one()["title"] == "=1+1"


def test_a_stopped_import_goes_on_with_the_same_command(project: Project) -> None:
    rows = ({"title": f"Post {n}", "content": "text", "views": n} for n in range(3_000))
    Path("in.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    process = started(project, "import", "Post", "in.ndjson")
    once_under_way(project, process, "import")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "give the same command again" in err.decode()
    ended = project.run("import", "Post", "in.ndjson", "-o", "json")
    assert (ended.status, ended.json["created"]) == (0, 3_000), ended.err
    assert "carrying on operation" in ended.err
    assert sorted(post["views"] for post in project.database["posts"].find()) == list(range(3_000))


@pytest.mark.parametrize(
    ("arguments", "status", "what"),
    [
        (("export", "Post", "out", "--format", "xml"), 2, 'unknown format "xml"'),
        (("export", "Post", "out", "--reveal", "--withhold"), 2, "only one of --reveal and --withhold"),
        (("export", "Post", "/dev/null/out", "--withhold"), 1, "/dev/null"),
        (("export", "Nobody", "out"), 2, "Nobody"),
        (("import", "Post", "nothing"), 6, "nothing is not there"),
        (("import", "Post", "models.yaml"), 2, "models.yaml"),
        (("import", "Post", ".", "--delimiter", "ab"), 2, "cannot part columns"),
        (("import", "Post", "."), 6, "holds nothing of Post"),
    ],
)
def test_bad_input(arguments: tuple[str, ...], status: int, what: str, project: Project) -> None:
    project.create(1)
    ended = project.run(*arguments)
    assert (ended.status, ended.out) == (status, "")
    assert what in ended.err
    assert project.database["posts"].count_documents({}) == 1
    assert not Path("out").exists() or not any(Path("out").iterdir())


def test_the_page_says_what_is_so(project: Project) -> None:
    """docs/transfer.md: its commands run, its lines of Python too, and a rejected line looks as it says."""
    page = (Path(__file__).parents[2] / "docs/transfer.md").read_text()
    models = project.directory / "models.yaml"
    models.write_text(models.read_text().replace("      token: {type: string, secret: true}\n", ""))
    project.create(3)
    shell, rejected, *_ = re.findall(r"^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    commands = [shlex.split(line, comments=True)[1:] for line in shell.splitlines()]
    assert [project.run(*command).status for command in commands] == [0, 0, 0]
    (python,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(python, names)
    assert (names["report"].documents, names["result"].present) == (3, 3)
    about, line = rejected.splitlines()
    Path("in.ndjson").write_text("{}\n" + line + "\n")
    ended = project.run("import", "Post", "in.ndjson", "--rejects", "out.ndjson")
    assert ended.status == 3
    written = Path("out.ndjson").read_text().splitlines()
    assert written[3] == line
    assert written[2].startswith(about.partition("[...]")[0])
    assert "`--snapshot`" in page
    for option in re.findall(r"(?<![-|])--[a-z][a-z-]+", page):
        shown = project.run("export", "--help").out + project.run("import", "--help").out
        assert option in shown or option in ("--archive", "--gzip", "--db", "--collection")
