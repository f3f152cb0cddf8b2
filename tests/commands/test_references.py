"""Deleting and restoring what others refer to, on the command line: what is shown before, and after."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.conftest import Project

MODELS = """\
models:
  Author:
    fields:
      name: {type: string, required: true}
  Post:
    fields:
      title: {type: string}
      author: {type: objectId, ref: Author, onDelete: cascade}
  Review:
    fields:
      post: {type: objectId, ref: Post, onDelete: restrict}
  Badge:
    fields:
      owner: {type: objectId, ref: Author, onDelete: nullify}
"""


@pytest.fixture
def authors(project: Project) -> list[Any]:
    """Two authors with two posts and a badge each; a post of the second has a review."""
    (project.directory / "models.yaml").write_text(MODELS)
    made = []
    for name in ("a", "b"):
        author = project.database["authors"].insert_one({"name": name}).inserted_id
        posts = [{"title": f"{name}{number}", "author": author} for number in range(2)]
        ids = project.database["posts"].insert_many(posts).inserted_ids
        project.database["badges"].insert_one({"owner": author})
        made.append(author)
    project.database["reviews"].insert_one({"post": ids[0]})
    return made


def test_it_is_shown_before_it_asks(project: Project, authors: list[Any]) -> None:
    ended = project.run("delete", "Author", "--filter", "name>=a")
    assert ended.status == 12
    assert "with them go 2 Post" in ended.err
    assert "Badge.owner is emptied in 1 document" in ended.err
    assert "1 has references that restrict deletion (Review.post): kept" in ended.err
    ended = project.run("delete", "Author", "--filter", "name>=a", "--confirm", "authors 2", "-o", "table")
    assert ended.status == 3
    assert "marked 1 document, 1 failed" in ended.out
    assert "2 Post went along" in ended.out
    assert f"Author {authors[1]} is kept" in ended.err


def test_one_that_is_restricted(project: Project, authors: list[Any]) -> None:
    ended = project.run("delete", "Author", str(authors[1]), "-o", "json")
    assert ended.status == 7
    assert ended.error["code"] == "restricted"
    assert ended.error["details"] == {"edge": "Review.post", "found": 1}


def test_restore_of_a_group_and_of_one_alone(project: Project, authors: list[Any]) -> None:
    wanted = str(authors[0])
    deleted = project.run("delete", "Author", wanted, "-o", "json").json
    assert deleted["along"] == {"Post": {"deleted": 2}, "Badge": {"emptied": 1}}
    alone = project.run("restore", "Author", wanted, "--only", "-o", "json")
    assert (alone.status, alone.json["along"]) == (0, {})
    ended = project.run("restore", "Author", wanted, "-o", "table")
    assert ended.status == 0, ended.err
    assert "1 document live already" in ended.out
    assert "2 Post came back with it" in ended.out
    assert f"1 reference in Badge that the deletion emptied stay empty: datactl undo {deleted['op']}" in ended.out
    assert project.database["posts"].count_documents({"deleted": {"$ne": True}}) == 4


def test_in_production_one_that_takes_others_along_wants_the_number_typed(project: Project, authors: list[Any]) -> None:
    production = {"DATACTL_PRODUCTION": "true"}
    declined = project.run("delete", "Author", str(authors[0]), "--yes", env=production)
    assert declined.status == 12
    assert "with them go 2 Post" in declined.err
    assert "authors 3" in declined.err
    assert project.database["authors"].count_documents({"deleted": True}) == 0
    assert project.run("delete", "Author", str(authors[0]), "--confirm", "authors 3", env=production).status == 0
    (badge,) = project.database["badges"].find({"owner": None}, {"_id": 1})
    assert project.run("delete", "Badge", str(badge["_id"]), env=production).status == 0  # nothing goes along


def test_what_restore_does_not_put_back_undo_does(project: Project, authors: list[Any]) -> None:
    ended = project.run("delete", "Author", str(authors[0]), "-o", "table")
    assert "references emptied in 1 Badge" in ended.out
    (line,) = [line for line in ended.out.splitlines() if line.startswith("op ")]
    _, op, _, *back = line.split()
    assert back == ["datactl", "undo", op]
    assert project.run(*back[1:], "--yes").status == 0
    assert project.database["badges"].count_documents({"owner": authors[0]}) == 1
