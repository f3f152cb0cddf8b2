"""docs/adopt.md tells the truth: each command in it runs, in its order, and what it says is told is told."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.schema import parse_models
from tests.commands.conftest import Project

PAGE = (Path(__file__).parents[2] / "docs/adopt.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
FINDINGS = ("models diff", "index plan")  # drift is there to be seen: exit 5


def test_every_command_of_the_page_runs_in_its_order(project: Project) -> None:
    (project.directory / "models.yaml").unlink()
    users = [ObjectId() for _ in range(20)]
    project.database["users"].insert_many([{"_id": each} for each in users])
    project.database["posts"].insert_many([{"author": users[n % 19], "deleted": n % 2 == 0} for n in range(40)])
    ran = []
    for line in COMMANDS:
        words = shlex.split(line)
        if words[0] == "export":
            assert words[1].startswith("DATACTL_URI=mongodb://")  # the fixture says where its own database is
        elif words[0] == "grep":
            assert re.search(words[1], Path(words[2]).read_text())
        else:
            assert words[0] == "datactl", line
            ended = project.run(*words[1:])
            assert ended.status == (5 if " ".join(words[1:3]) in FINDINGS else 0), (line, ended.err)
            ran.append(words[1])
    assert {"init", "models", "index", "archive", "stats"} <= set(ran)


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_yaml_of_the_page_can_be_read(block: str) -> None:
    registry = parse_models(f"models:\n{block}  User: {{fields: {{name: string}}}}\n")
    assert registry["Post"].references[0].ref == "User"


def phrases() -> list[str]:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE)
    found = [phrase.strip() for row in rows for phrase in row.split(",")]
    return [phrase for phrase in found if phrase not in ("what is told", "---")]


def test_what_the_table_says_is_told_of_a_database_with_all_of_it(project: Project) -> None:
    (project.directory / "models.yaml").unlink()
    made = [ObjectId.from_datetime(datetime(2021, 1, 1, tzinfo=UTC) + timedelta(days=n)) for n in range(100)]
    users, companies = made[:20], [ObjectId() for _ in range(20)]
    project.database["companies"].insert_many([{"_id": each} for each in companies])
    project.database["users"].insert_many([{"_id": each, "email": "same"} for each in users])
    project.database["users"].insert_many([{"email": f"e{n}", "password": "x"} for n in range(30)])
    posts: list[dict[str, Any]] = [
        {
            "_id": each,
            "author": users[n % 20] if n else ObjectId(),
            "owner": [*users, *companies][n % 40],
            "editor": str(users[n % 20]),
            "day": "2024-01-01",
            "size": n if n % 2 else str(n),
            "note": None,
            "code": n,
            "deleted": n % 2 == 0,
            **({"old": n} if n < 50 else {}),
            **({"$set": n} if n == 3 else {}),
            **({"rank": n} if n != 7 else {}),
        }
        for n, each in enumerate(made)
    ]
    project.database["posts"].insert_many(posts)
    project.database["posts"].create_index([("code", 1)], unique=True)
    project.database["posts"].create_index([("gone", 1)])
    told = "\n".join(each["what"] for each in project.run("init", "--from-db").json["notices"])
    assert [phrase for phrase in phrases() if phrase not in told] == [], told
    assert len(phrases()) >= 14
