"""Running the command line: in this process, with its output taken; or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from bson import ObjectId

from datactl.cli import WORDS, main
from datactl.commands.grammar import LeafCommand, RootGroup, SubGroup
from datactl.workspace import Workspace

VARIABLES = (
    "DATACTL_",
    "MONGODB_URI",
    "ARCHIVE_",
    "NO_COLOR",
    "FORCE_COLOR",
    "XDG_",
    "BASH_COMPLETION",
    "PYTHONUNBUFFERED",
)


@dataclass(frozen=True)
class Outcome:
    """How a command line ended: its exit status, stdout and stderr."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error object of a run with `-o json`: the last line of stderr."""
        return json.loads(self.err.splitlines()[-1])


Run = Callable[..., Outcome]


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would change datactl's answers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(VARIABLES)}
    return kept | {"TERM": "xterm-256color"} | more


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("find", "Post", stdin=b"", env={...})` in an empty project directory, inside this process."""
    for name in list(os.environ):
        if name.startswith(VARIABLES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")

    def run(*arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Outcome:
        with monkeypatch.context() as patched:
            for name, value in (env or {}).items():
                patched.setenv(name, value)
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
            capsys.readouterr()
            status = main(arguments)
            out, err = capsys.readouterr()
        assert status in declared_exits(arguments), f"{status} is not among the exit codes of its help: {err}"
        return Outcome(status, out, err)

    return run


def declared_exits(arguments: Sequence[str]) -> set[int]:
    """The exit codes that the help of this command lists; 143 is the other signal's 130."""
    command: click.Command | None = RootGroup(WORDS)
    with click.Context(RootGroup(WORDS), info_name="datactl") as ctx:
        for word in arguments:
            if isinstance(command, click.Group):
                found = command.get_command(ctx, word)
                command = found or (command if word.startswith("-") else getattr(command, "default", None))
    command = getattr(command, "default", None) if isinstance(command, SubGroup) else command
    codes = set(command.declared.exit_codes) if isinstance(command, LeafCommand) else {0, 2}
    return codes | ({143} if 130 in codes else set())


def run_process(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """The command line as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "datactl", *arguments],
        cwd=cwd,
        env=clean_environment(**(env or {})),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
    )


DATACTL = f"{shlex.quote(sys.executable)} -m datactl"


def run_shell(
    line: str, *, cwd: Path, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """A line of a shell as a process of its own; `DATACTL` in it is this one."""
    return subprocess.run(
        ["sh", "-c", line],
        cwd=cwd,
        env=clean_environment(**(env or {})),
        check=False,
        timeout=120,
        **{"capture_output": True, **options},
    )


MODELS = """\
models:
  Post:
    enableSoftDelete: true
    textSearchFields: [title, content]
    uniqueFields: [slug]
    fields:
      title: {type: string, required: true}
      content: {type: string, required: true}
      slug: {type: string}
      views: {type: int, min: 0, default: 0}
      price: {type: decimal}
      publishedAt: {type: date}
      category: {type: objectId, ref: Category}
      token: {type: string, secret: true}
  Category:
    fields:
      name: {type: string, required: true}
  Log:
    enableSoftDelete: false
    fields:
      line: {type: string}
"""


@pytest.fixture
def project(tmp_path: Path, engine_uri: str, monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[Project]:
    """A project on a database of its own, with the models Post, Category and Log; `project.run(...)`."""
    directory = tmp_path / "project"
    (directory / "models.yaml").write_text(MODELS)
    database = f"t_{ObjectId()}"
    monkeypatch.setenv("DATACTL_URI", engine_uri)
    monkeypatch.setenv("DATACTL_DATABASE", database)
    monkeypatch.setenv("DATACTL_ACTOR", "maria")
    with Workspace.open() as workspace:  # the database goes with the engine: dropping it takes longer than most tests
        yield Project(directory, run, workspace)


@dataclass(frozen=True)
class Project:
    """A directory with models.yaml; `run` runs a command line there, `workspace` is the same through Python."""

    directory: Path
    run: Run
    workspace: Workspace

    @property
    def settings(self) -> dict[str, str]:
        """The variables a process of its own needs to work on the same database."""
        names = ("DATACTL_URI", "DATACTL_DATABASE", "DATACTL_ACTOR")
        return {name: os.environ[name] for name in names}

    @property
    def database(self) -> Any:
        return self.workspace.mongo.database

    def create(self, number: int, **fields: Any) -> list[str]:
        """Create so many posts (`Post 0`, ...; views 0, 1, ...) through the command line; their ids."""
        before = self.database["posts"].distinct("_id")
        posts = [{"title": f"Post {n}", "content": "text", "views": n} | fields for n in range(number)]
        ended = self.run("create", "Post", "-", stdin=json.dumps(posts).encode())
        assert ended.status == 0, ended.err
        found = self.database["posts"].find({"_id": {"$nin": before}}, {"_id": 1}, sort=[("views", 1)])
        return [str(post["_id"]) for post in found]

    def age(self, days: int = 100) -> None:
        """Date every mark so many days back."""
        then = datetime.now(UTC) - timedelta(days=days)
        self.database["posts"].update_many({"deleted": True}, {"$set": {"deletedAt": then}})
