"""A project in which something goes wrong: how the runs of error_runs are made, and how each is shown."""

from __future__ import annotations

import io
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from datactl.errors import DatactlError
from datactl.objects import ObjectStore, open_store
from datactl.render.failures import show_error
from tests.commands.conftest import DATACTL, Outcome, Project, run_shell
from tests.engines import TestEngine


@dataclass
class Shop:
    """A project in which something goes wrong, and what was run last there."""

    project: Project
    start_engine: Callable[..., TestEngine]
    standalone: Callable[[], str]
    shown: str = ""
    replaced: list[tuple[str, str]] = field(default_factory=list)

    @property
    def database(self) -> Any:
        return self.project.database

    def run(self, *words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, told: str = "") -> str:
        """Run a command line in this process; its stderr. `told` is how the line is shown, if not as it is."""
        outcome = self.outcome(*words, stdin=stdin, env=env)
        before = "".join(f"{name}={shlex.quote(value)} " for name, value in (env or {}).items())
        self.shown = told or f"$ {before}datactl {shlex.join(words)}"
        return outcome.err

    def outcome(self, *words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Outcome:
        return self.project.run(*words, stdin=stdin, env=env)

    def shell(self, line: str, told: str) -> str:
        """Run a shell's line in a process of its own; its stderr."""
        command = line.replace("datactl ", f"{DATACTL} ")
        done = run_shell(command, cwd=self.project.directory, env=self.project.settings, text=True)
        self.shown = f"$ {told}"
        return str(done.stderr)

    def python(self, line: str, act: Callable[[], object]) -> str:
        """What an error of the Python face says where it is shown as a command shows it."""
        self.shown = f">>> {line}"
        said = io.StringIO()
        with pytest.raises(DatactlError) as caught:
            act()
        show_error(caught.value, stream=said)
        return said.getvalue()

    def post(self, **fields: str) -> str:
        """A post; its id."""
        made = self.database["posts"].insert_one({"title": "Sharding", "content": "...", **fields})
        return str(made.inserted_id)

    def due(self, content: str = "b") -> None:
        """A post that was deleted long ago."""
        self.database["posts"].insert_one({"title": "a", "content": content, "deleted": True})
        self.project.age()

    @property
    def store(self) -> ObjectStore:
        return open_store(f"file:{self.project.directory}/vault")

    def archived(self) -> str:
        """A post that is in the vault; its id."""
        post = self.post(slug="sharding")
        assert self.outcome("delete", "Post", post).status == 0
        self.project.age()
        assert self.outcome("archive", "Post").status == 0
        return post

    def segment(self) -> Path:
        (path,) = self.project.directory.glob(".datactl/vault/segments/**/*.bson.gz")
        return path
