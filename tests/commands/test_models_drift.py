"""`datactl models diff` and `models apply`."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Project


def validator(project: Project, collection: str) -> object:
    listed = list(project.database.list_collections(filter={"name": collection}))
    return listed[0]["options"].get("validator") if listed else None


def test_diff_names_what_differs_and_ends_in_5(project: Project) -> None:
    project.database["posts"].insert_one({"title": "x", "content": "y"})
    project.database["strays"].insert_one({"a": 1})
    ended = project.run("models", "diff", "-o", "json")
    assert ended.status == 5
    codes = {(row["check"], row["code"], row["model"]) for row in ended.json}
    assert ("validators", "validator_missing", "Post") in codes
    assert ("collections", "collection_unknown", "") in codes
    assert any(check == "indexes" for check, _, _ in codes)
    assert ended.error["code"] == "findings"
    one = project.run("models", "diff", "Log", "-o", "json")
    assert {row["model"] for row in one.json} == {"Log"}
    table = project.run("models", "diff", "-o", "table")
    assert table.out.splitlines()[0].split() == ["CHECK", "MODEL", "WHERE", "WHAT"]


def test_apply_wants_a_yes_and_says_what_does_not_pass(project: Project) -> None:
    project.database["logs"].insert_many([{"line": 7}, {"line": "x"}])
    dry = project.run("models", "apply", "Log", "--dry-run", "-o", "json")
    assert (dry.status, dry.json) == (
        0,
        [
            {
                "model": "Log",
                "collection": "logs",
                "state": "missing",
                "reason": "the collection has no validator",
                "notPassing": 1,
                "keptIn": None,
            }
        ],
    )
    asked = project.run("models", "apply", "Log")
    assert (asked.status, validator(project, "logs")) == (12, None)
    assert '--confirm "validators 1"' in asked.err
    assert project.run("models", "apply", "Log", "--confirm", "validators 2").status == 12
    done = project.run("models", "apply", "Log", "--confirm", "validators 1", "-o", "json")
    assert (done.status, done.json[0]["state"]) == (0, "applied")
    assert validator(project, "logs") == project.workspace.registry["Log"].validator()
    again = project.run("models", "apply", "Log", "-o", "table")
    assert again.status == 0
    assert "nothing to apply" in again.err


def test_when_all_is_as_declared_diff_is_quiet(project: Project) -> None:
    assert project.run("models", "apply", "--yes").status == 0
    assert project.run("index").status == 0
    ended = project.run("models", "diff")
    assert (ended.status, ended.json) == (0, [])
    assert "validators, indexes and collections are those of the models" in ended.err


def test_a_model_that_is_none(project: Project) -> None:
    for word in ("diff", "apply"):
        ended = project.run("models", word, "Pst")
        assert ended.status == 2
        assert 'did you mean "Post"?' in ended.err


@pytest.mark.real
def test_apply_on_a_standalone_says_why_not(project: Project, standalone_uri: str) -> None:
    ended = project.run("models", "apply", "--yes", "--uri", standalone_uri)
    assert ended.status == 4
    assert "rs.initiate()" in ended.err
