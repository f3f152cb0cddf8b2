"""The lower face of removal, and what docs/repository.md says of it, as it is written there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.errors import NotFound, UsageError
from datactl.mongo import Mongo
from datactl.records.operations import Context, new_op
from datactl.records.remover import Fate
from datactl.records.removing import Removing
from datactl.workspace import Workspace

PAGE = Path(__file__).parents[2] / "docs" / "repository.md"
ID = ObjectId("60f1b2c3d4e5f6789abcdef0")

MODELS = """\
models:
  Log:
    enableSoftDelete: false
    fields:
      line: {type: string}
  Post:
    enableSoftDelete: true
    fields:
      title: {type: string}
"""


@pytest.fixture
def workspace(mongo: Mongo, engine_uri: str, tmp_path: Path) -> Iterator[Workspace]:
    """A project with a model that has no soft delete, and one that has."""
    models = tmp_path / "models.yaml"
    models.write_text(MODELS)
    vault = f"file:{tmp_path / 'vault'}"
    with Workspace.open(
        uri=engine_uri, database=mongo.database.name, models=models, vault=vault, actor="ann", cwd=tmp_path
    ) as opened:
        yield opened


def context(workspace: Workspace) -> Context:
    return Context(new_op(), "ann", "tidy", workspace.mongo.server_time())


def blocks(word: str) -> list[str]:
    """The Python of the page that has this word in it."""
    return [each for each in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if word in each]


def test_the_page_removes_and_brings_back(workspace: Workspace) -> None:
    logs = workspace.mongo.collection("logs")
    logs.insert_one({"_id": ID, "line": "a"})
    (block,) = blocks("logs.remove(")
    found: dict[str, Any] = {"workspace": workspace}
    exec(compile(block, str(PAGE), "exec"), found)  # the page is ours
    assert found["change"].kind == "removed"
    assert logs.find_one({"_id": ID}) is not None


def test_the_page_removes_under_an_operation_of_its_own(workspace: Workspace) -> None:
    logs = workspace.mongo.collection("logs")
    ids = [ObjectId() for _ in range(3)]
    logs.insert_many({"_id": each, "line": "a"} for each in ids)
    told: list[int] = []
    (block,) = blocks("Removing(")
    found: dict[str, Any] = {
        "workspace": workspace,
        "model": workspace.registry.model("Log"),
        "context": context(workspace),
        "ids": ids,
        "allow": lambda document: UsageError("stays") if document["_id"] == ids[0] else None,
        "refusals": lambda _, documents: [None] * len(documents),
        "note": lambda _, fates: told.append(len(fates)),
    }
    exec(compile(block, str(PAGE), "exec"), found)  # the page is ours
    assert found["gone"] == ids[1:]
    assert told == [3]
    assert [row["_id"] for row in logs.find()] == ids[:1]


def test_one_under_an_operation_of_the_callers(workspace: Workspace) -> None:
    """Also of a model that has soft delete, live or marked: as when its creation is undone."""
    posts = workspace.repository("Post")
    live, marked = (posts.create({"title": "a"})["_id"] for _ in range(2))
    posts.soft_delete(marked)
    operation = context(workspace)
    with Removing(workspace.remover(), posts.model, operation) as removing:
        assert removing.one(live).fate is Fate.REMOVED
        assert removing.one(marked).fate is Fate.REMOVED
        assert removing.one(ObjectId()).fate is Fate.MISSING
    assert posts.count(include_deleted=True) == 0
    rows = list(workspace.mongo.collection("outboxes").find({"op": operation.op}).sort("_id", 1))
    assert [(row["eventType"], row["actor"], row["reason"], row["createdAt"]) for row in rows] == [
        ("PostDeleted", "ann", "tidy", operation.at)
    ] * 2
    assert workspace.mongo.collection("datactl_ops").count_documents({}) == 0


def test_a_removed_document_is_not_there_for_the_repository(workspace: Workspace) -> None:
    logs = workspace.repository("Log")
    made = logs.create({"line": "a"})["_id"]
    logs.delete(made)
    for act in (logs.find_by_id, logs.delete, logs.etag):
        with pytest.raises(NotFound):
            act(made)


def test_it_is_entered_before_it_is_used(workspace: Workspace) -> None:
    removing = Removing(workspace.remover(), workspace.registry.model("Log"), context(workspace))
    with pytest.raises(RuntimeError, match="enter it first"):
        removing.one(ID)
