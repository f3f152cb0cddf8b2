"""Parity: the same call through Python and through the command line gives the same document, event and error code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import ObjectId, json_util
from bson.binary import UuidRepresentation

from datactl.errors import DatactlError
from datactl.records import parse_filter
from datactl.workspace import Workspace
from tests.commands.conftest import Project

ID = "60f1b2c3d4e5f6789abcdef0"
OTHER = "60f1b2c3d4e5f6789abcdef1"
NEW = {"_id": ID, "title": "First", "content": "Text", "views": 3, "slug": "first"}
JSON = f'{{"_id": "{ID}", "title": "First", "content": "Text", "views": 3, "slug": "first"}}'
VARYING = {"_id", "op", "createdAt", "updatedAt", "deletedAt", "deletedOp", "digest", "prev", "pos"}

Call = Callable[[Workspace], Any]


@pytest.fixture
def twin(project: Project) -> Iterator[Workspace]:
    """The same project on a second database, for the Python side."""
    with Workspace.open(database=f"t_{ObjectId()}", vault="file:.datactl/twin") as workspace:
        yield workspace


def posts(workspace: Workspace) -> Any:
    return workspace.repository("Post")


# name, what was done before on both sides, the call in Python, the same call as a command line
CASES: list[tuple[str, list[Call], Call, list[str]]] = [
    ("create", [], lambda w: posts(w).create(NEW, reason="r"), ["create", "Post", JSON, "--reason", "r"]),
    ("create twice", [lambda w: posts(w).create(NEW)], lambda w: posts(w).create(NEW), ["create", "Post", JSON]),
    (
        "create an invalid one",
        [],
        lambda w: posts(w).create({"title": 5, "colour": "red"}),
        ["create", "Post", '{"title": 5, "colour": "red"}'],
    ),
    ("get", [lambda w: posts(w).create(NEW)], lambda w: posts(w).find_by_id(ID), ["get", "Post", ID]),
    ("get an absent one", [], lambda w: posts(w).find_by_id(OTHER), ["get", "Post", OTHER]),
    ("get by a bad id", [], lambda w: posts(w).find_by_id("12"), ["get", "Post", "12"]),
    ("an unknown model", [], lambda w: w.repository("Pst"), ["find", "Pst"]),
    (
        "update",
        [lambda w: posts(w).create(NEW)],
        lambda w: posts(w).update_by_id(ID, {"title": "Second", "views": 4}, reason="r"),
        ["update", "Post", ID, '{"title": "Second", "views": 4}', "--reason", "r"],
    ),
    (
        "update with operators",
        [lambda w: posts(w).create(NEW)],
        lambda w: posts(w).update_by_id(ID, {"$inc": {"views": 2}, "$unset": {"slug": ""}}),
        ["update", "Post", ID, '{"$inc": {"views": 2}, "$unset": {"slug": ""}}'],
    ),
    (
        "update against the rules",
        [lambda w: posts(w).create(NEW)],
        lambda w: posts(w).update_by_id(ID, {"views": -1}),
        ["update", "Post", ID, '{"views": -1}'],
    ),
    (
        "update an absent one",
        [],
        lambda w: posts(w).update_by_id(OTHER, {"views": 1}),
        ["update", "Post", OTHER, '{"views": 1}'],
    ),
    (
        "delete",
        [lambda w: posts(w).create(NEW)],
        lambda w: posts(w).soft_delete(ID, reason="spam"),
        ["delete", "Post", ID, "--reason", "spam"],
    ),
    (
        "delete twice",
        [lambda w: posts(w).create(NEW), lambda w: posts(w).soft_delete(ID, reason="first")],
        lambda w: posts(w).soft_delete(ID, reason="second"),
        ["delete", "Post", ID, "--reason", "second"],
    ),
    ("delete an absent one", [], lambda w: posts(w).soft_delete(OTHER), ["delete", "Post", OTHER]),
    (
        "delete without soft delete",
        [],
        lambda w: w.repository("Log").delete(OTHER),
        ["delete", "Log", OTHER],
    ),
    (
        "delete many",
        [lambda w: posts(w).create(NEW)],
        lambda w: posts(w).soft_delete_many(filter={"views": 3}, reason="r"),
        ["delete", "Post", "--filter", "views=3", "--reason", "r", "--yes"],
    ),
    (
        "restore",
        [lambda w: posts(w).create(NEW), lambda w: posts(w).soft_delete(ID)],
        lambda w: w.restorer().restore("Post", [ID], reason="r"),
        ["restore", "Post", ID, "--reason", "r"],
    ),
    (
        "restore an absent one",
        [],
        lambda w: w.restorer().restore("Post", [OTHER]).raise_failures(),
        ["restore", "Post", OTHER],
    ),
    (
        "a bad filter",
        [],
        lambda w: parse_filter(w.registry.model("Post"), "veiws=3"),
        ["find", "Post", "--filter", "veiws=3"],
    ),
    ("archive nothing that ever comes due", [], lambda w: w.archiver().plan("Log"), ["archive", "Log"]),
]


def stored(workspace: Workspace) -> list[dict[str, Any]]:
    """Documents and events, without what differs from run to run."""
    database = workspace.mongo.database
    documents = [_steady(document, keep={"_id"}) for document in database["posts"].find(sort=[("_id", 1)])]
    events = [_steady(row) for row in database["outboxes"].find(sort=[("aggregateId", 1), ("seq", 1)])]
    return documents + events


def _steady(value: Any, keep: frozenset[str] | set[str] = frozenset()) -> Any:
    if isinstance(value, dict):
        return {k: "*" if k in VARYING - keep else _steady(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_steady(item) for item in value]
    return value


@pytest.mark.parametrize("case", CASES, ids=[name for name, *_ in CASES])
def test_python_and_command_line_agree(
    case: tuple[str, list[Call], Call, list[str]], project: Project, twin: Workspace
) -> None:
    _, before, call, arguments = case
    for earlier in before:
        earlier(project.workspace)
        earlier(twin)

    error: DatactlError | None = None
    answer: Any = None
    try:
        answer = call(twin)
    except DatactlError as raised:
        error = raised
    ended = project.run(*arguments, "-o", "json")

    assert stored(project.workspace) == stored(twin)
    if error is None:
        assert ended.status == 0, ended.err
        if isinstance(answer, dict):
            options = json_util.JSONOptions(tz_aware=True, uuid_representation=UuidRepresentation.STANDARD)
            shown = json_util.loads(ended.out, json_options=options)
            assert _steady(shown, {"_id"}) == _steady(answer, {"_id"})
    else:
        assert ended.status == error.exit_code
        assert ended.error["code"] == error.code
        assert ended.error["what"] == error.what
        assert [p["where"] for p in ended.error.get("problems", [])] == [p.where for p in error.problems]
        assert ended.out == ""
