"""The example at the end of each help runs, as it stands there, on a real engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from datactl.commands.grammar import ROOT_EXAMPLE
from datactl.reference.words import described
from tests.commands.conftest import clean_environment
from tests.conftest import ENGINE_KIND
from tests.engines import TestEngine

POST = ObjectId("60f1b2c3d4e5f6789abcdef0")
OP = "01KB7ZR3Q7M2W5X8Y9ZABCDEFG"
MODELS = """\
models:
  Post:
    textSearchFields: [title, content]
    uniqueFields: [slug]
    fields:
      title: {type: string, required: true}
      content: {type: string, required: true}
      slug: {type: string}
      status: {type: string, enum: [draft, published], default: draft}
      views: {type: int, min: 0, default: 0}
"""
# What is run elsewhere: the demonstration takes two minutes, and tests/demo tells its story.
ELSEWHERE = {"datactl demo --dir places"}
# What an example answers that looks for something wrong, where there is something.
FINDINGS = {
    "datactl doctor --production": 5,
    "datactl index plan": 5,
    "datactl index plan Post": 5,
    "datactl models diff Post": 5,
}
EXAMPLES = sorted({ROOT_EXAMPLE, *(each.example for word in described() for each in word.with_words())} - ELSEWHERE)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEngine]:
    """An engine of this file's own: some examples name the database."""
    started = TestEngine(tmp_path_factory.mktemp("engine"), ENGINE_KIND)
    yield started
    started.stop()


class Place:
    """A project as an example needs it: some posts that few have seen, and one that many have."""

    def __init__(self, directory: Path, engine: TestEngine, database: str, shop: Database[dict[str, Any]]) -> None:
        self.directory = directory
        self.shop = shop
        self._environment = clean_environment(
            HOME=str(directory / "home"),
            PATH=f"{directory / 'bin'}:{os.environ['PATH']}",
            DATACTL_URI=engine.uri,
            DATACTL_DATABASE=database,
            SHELL="/bin/bash",
            DATACTL_ACTOR="maria",
        )

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def done(self, line: str) -> None:
        ended = self.run(line)
        assert ended.returncode == 0, ended.stderr

    def marked(self, days: int = 100) -> None:
        """The one post is marked deleted, so long ago."""
        self.done(f"datactl delete Post {POST}")
        then = datetime.now(UTC) - timedelta(days=days)
        self.shop["posts"].update_one({"_id": POST}, {"$set": {"deletedAt": then}})

    def archived(self) -> None:
        self.marked()
        self.done("datactl archive Post")

    def operation(self) -> None:
        """An update of many documents that is done, under the id that examples name."""
        self.done("datactl update Post --filter 'views<10' --set status=published --yes")
        row = self.shop["datactl_ops"].find_one_and_delete({"kind": "update"})
        assert row is not None
        self.shop["datactl_ops"].insert_one({**row, "_id": OP})
        self.shop["outboxes"].update_many({"op": row["_id"]}, {"$set": {"op": OP}})

    def own_engine(self) -> None:
        del self._environment["DATACTL_URI"]
        (self.directory / "models.yaml").write_text(f"settings: {{engine: local}}\n{MODELS}")

    def nothing_yet(self) -> None:
        (self.directory / "models.yaml").unlink()


BEFORE: dict[str, Callable[[Place], None]] = {
    f"datactl restore Post {POST} --reason 'deleted by mistake'": Place.archived,
    f"datactl archive find Post {POST}": Place.archived,
    "datactl archive Post 30": Place.marked,
    "datactl archive plan Post 30": Place.marked,
    "datactl archive list Post": Place.archived,
    "datactl archive verify --deep": Place.archived,
    "datactl archive adopt --confirm 'adopt shop'": Place.archived,
    "datactl import Post backups/today --dry-run": lambda place: place.done("datactl export Post backups/today"),
    "datactl ops show 01KB": Place.operation,
    "datactl ops resume 01KB": Place.operation,
    "datactl undo 01KB --dry-run": Place.operation,
    "datactl engine start": Place.own_engine,
    "datactl engine stop": Place.own_engine,
    "datactl engine status": Place.own_engine,
    "datactl engine uri": Place.own_engine,
    "datactl init --local shop": Place.nothing_yet,
    ROOT_EXAMPLE: Place.nothing_yet,
    "datactl index drop Post --unknown --confirm 'posts 1'": lambda place: place.shop["posts"].create_index("other"),
}


@pytest.fixture
def place(tmp_path: Path, engine: TestEngine, request: pytest.FixtureRequest) -> Iterator[Place]:
    name = "shop" if "adopt shop" in request.node.name else f"t_{ObjectId()}"
    (tmp_path / "models.yaml").write_text(MODELS)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/datactl").symlink_to(Path(sys.executable).with_name("datactl"))
    with MongoClient[dict[str, Any]](engine.uri) as client:
        number = 1_204 if "1204" in request.node.name else 24
        posts = [{"title": f"Post {n}", "content": "text", "views": n % 10} for n in range(number)]
        posts.append({"_id": POST, "title": "About mongo", "content": "text", "views": 4_000})
        client[name]["posts"].insert_many(posts)
        made = Place(tmp_path, engine, name, client[name])
        yield made
        made.run("datactl engine stop")


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_runs(example: str, place: Place) -> None:
    BEFORE.get(example, lambda _: None)(place)
    ended = place.run(example)
    assert ended.returncode == FINDINGS.get(example, 0), f"{example}\n{ended.stdout}\n{ended.stderr}"
    assert "Traceback" not in ended.stderr


def test_what_is_prepared_for_is_an_example() -> None:
    assert set(BEFORE) <= set(EXAMPLES)
    assert set(FINDINGS) <= set(EXAMPLES)
