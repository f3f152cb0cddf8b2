"""Mongoose applications, run as their owners run them, and datactl beside them, in a project directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson import json_util

from tests.commands.conftest import run_process

HERE = Path(__file__).parent
SHOP = HERE / "shop"
PARTS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datactl/parts/node-interop"
TIME_LIMIT_S = 240

_AWARE = json_util.CANONICAL_JSON_OPTIONS.with_options(tz_aware=True)


@dataclass(frozen=True)
class Census:
    """What the application sees: per model the ids of its live and of its deleted documents; and some documents."""

    live: dict[str, frozenset[str]]
    deleted: dict[str, frozenset[str]]
    documents: list[dict[str, Any]]


@dataclass(frozen=True)
class Application:
    """The shop on one database."""

    uri: str
    database: str

    def seed(self) -> None:
        self._run(SHOP / "seed.mjs")

    def test(self) -> None:
        """Run the application's own tests: they must pass, and they must have run."""
        said = self._run("--test", "--test-reporter=tap", SHOP / "shop.test.mjs")
        assert "# pass 7" in said, said
        assert "# fail 0" in said, said

    def census(self, model: str | None = None, ids: Sequence[Any] = ()) -> Census:
        said = self._run(SHOP / "census.mjs", *([model, *map(str, ids)] if model else []))
        told = json.loads(said)
        seen = told["seen"]
        return Census(
            {name: frozenset(both["live"]) for name, both in seen.items()},
            {name: frozenset(both["deleted"]) for name, both in seen.items()},
            [json_util.loads(json.dumps(one), json_options=_AWARE) for one in told["documents"]],
        )

    def rewrite(self, model: str, ids: Sequence[Any]) -> None:
        """Have Mongoose read the documents, deleted or not, and save their marks."""
        self._run(SHOP / "rewrite.mjs", model, *map(str, ids))

    def _run(self, *words: str | Path) -> str:
        return run_node(self.uri, self.database, *words)


def run_node(uri: str, database: str, *words: str | Path) -> str:
    """A Node program on a database; what it printed."""
    done = subprocess.run(
        ["node", *map(str, words)],
        env={**os.environ, "NODE_PARTS": str(PARTS), "SHOP_URI": uri, "SHOP_DB": database},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Beside:
    """datactl in a directory, on an application's database."""

    uri: str
    name: str
    directory: Path

    def run(self, *words: str, status: int = 0) -> Any:
        """A command with `-o json`, which must end with this status; its data."""
        environment = {
            "DATACTL_URI": self.uri,
            "DATACTL_DATABASE": self.name,
            "DATACTL_ACTOR": "ops",
            "HOME": str(self.directory / "home"),
        }
        done = run_process(*words, "-o", "json", cwd=self.directory, env=environment)
        assert done.returncode == status, f"{words}: {done.stdout.decode()}\n{done.stderr.decode()}"
        return json.loads(done.stdout) if done.stdout.strip() else None
