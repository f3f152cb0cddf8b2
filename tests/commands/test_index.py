"""`datactl index`: drift is exit 5, and nothing that datactl did not make is dropped without the typed confirmation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.conftest import Project


@pytest.fixture
def indexed(project: Project) -> Project:
    """A project with the indexes of its models, and one more on posts that no model asks for."""
    assert project.run("index").status == 0
    project.database["posts"].create_index("views", name="theirs")
    return project


def names(project: Project) -> set[str]:
    return set(project.database["posts"].index_information())


def test_a_plan_without_drift_ends_with_0(project: Project) -> None:
    before = project.run("index", "plan")
    assert before.status == 5
    assert "missing" in before.err
    assert "datactl index creates what is missing" in before.err
    assert project.run("index").status == 0
    after = project.run("index", "plan")
    assert (after.status, after.err) == (0, "")
    assert {row["state"] for row in after.json} <= {"present", "unsupported"}


def test_a_plan_names_the_unknown_and_changes_nothing(indexed: Project) -> None:
    found = indexed.run("index", "plan", "Post", "-o", "json")
    assert found.status == 5
    assert found.error["code"] == "findings"
    (theirs,) = (row for row in found.json if row["state"] == "unknown")
    assert (theirs["name"], theirs["madeByDatactl"]) == ("theirs", False)
    assert "theirs" in names(indexed)


def test_drop_wants_the_collection_and_the_number(indexed: Project) -> None:
    for given in ([], ["--confirm", "posts 2"], ["--confirm", "theirs"]):
        ended = indexed.run("index", "drop", "Post", "theirs", *given)
        assert (ended.status, ended.out) == (12, "")
    assert "theirs" in names(indexed)
    ended = indexed.run("index", "drop", "Post", "theirs", "--confirm", "posts 1")
    assert ended.status == 0
    assert [row["state"] for row in ended.json] == ["dropped"]
    assert "theirs" not in names(indexed)


def test_drop_of_all_that_are_unknown_or_redundant(indexed: Project) -> None:
    posts = indexed.database["posts"]
    posts.create_index([("views", 1), ("price", 1)], name="longer")
    ended = indexed.run("index", "drop", "Post", "--redundant", "--confirm", "posts 1")
    assert [row["name"] for row in ended.json] == ["theirs"]
    unused = indexed.run("index", "drop", "Post", "--unused", "--yes")
    assert unused.json == []
    assert "does not count the use" in unused.err
    ended = indexed.run("index", "drop", "Post", "--unknown", "--yes")
    assert [row["name"] for row in ended.json] == ["longer"]
    assert indexed.run("index", "plan", "Post").status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ([], 2, "usage"),
        (["theirs", "--unknown"], 2, "usage"),
        (["slug_1"], 2, "usage"),
        (["_id_"], 2, "usage"),
        (["nope"], 6, "not_found"),
    ],
)
def test_a_wrong_drop_changes_nothing(arguments: list[str], status: int, code: str, indexed: Project) -> None:
    before = names(indexed)
    ended = indexed.run("index", "drop", "Post", *arguments, "--yes", "-o", "json")
    assert (ended.status, ended.error["code"]) == (status, code)
    assert names(indexed) == before


def test_apply_asks_before_it_rebuilds(indexed: Project) -> None:
    posts = indexed.database["posts"]
    posts.drop_index("slug_1")
    posts.create_index("slug", name="slug_1")
    declined = indexed.run("index", "apply", "Post")
    assert declined.status == 12
    assert "posts.slug_1" in declined.err
    assert "not made by datactl" in declined.err
    assert "unique" not in posts.index_information()["slug_1"]
    done = indexed.run("index", "apply", "Post", "--confirm", "posts 1")
    assert done.status == 0
    assert [(row["name"], row["state"]) for row in done.json] == [("slug_1", "rebuilt")]
    assert posts.index_information()["slug_1"]["unique"] is True
    again = indexed.run("index", "apply", "Post")
    assert (again.status, again.json) == (0, [])
    assert "nothing to do" in again.err


def test_apply_drops_what_datactl_made_and_no_model_asks_for_when_it_is_confirmed(indexed: Project) -> None:
    models = indexed.directory / "models.yaml"
    models.write_text(models.read_text().replace("    uniqueFields: [slug]\n", ""))
    posts = indexed.database["posts"]
    definition = posts.index_information()["slug_1"]
    posts.drop_index("slug_1")  # by the application, which makes it again: the record cannot tell
    posts.create_index("slug", name="slug_1", unique=True, **{k: definition[k] for k in definition if "partial" in k})
    asked = indexed.run("index", "apply")
    assert (asked.status, "slug_1" in names(indexed)) == (12, True)
    in_production = indexed.run("index", "apply", "--yes", env={"DATACTL_PRODUCTION": "true"})
    assert (in_production.status, "slug_1" in names(indexed)) == (12, True)
    ended = indexed.run("index", "apply", "--yes")
    assert ended.status == 0
    assert [(row["name"], row["state"]) for row in ended.json] == [("slug_1", "dropped")]
    assert "theirs" in names(indexed)


def test_what_documents_stand_in_the_way_of_is_exit_3(project: Project) -> None:
    project.database["posts"].insert_many([{"slug": "a"}, {"slug": "a"}])
    ended = project.run("index", "apply", "Post")
    assert ended.status == 3
    states: dict[str, Any] = {row["name"]: row["state"] for row in ended.json}
    assert states["slug_1"] == "failed"
    assert states["datactl_marks"] == "created"


def test_a_name_that_a_terminal_would_obey_is_shown_escaped(indexed: Project) -> None:
    indexed.database["posts"].create_index("price", name="a\x1b[2Jb")
    shown = indexed.run("index", "plan", "Post", "-o", "table")
    assert "\x1b" not in shown.out + shown.err
    assert indexed.run("index", "drop", "Post", "a\x1b[2Jb", "--yes").status == 0
