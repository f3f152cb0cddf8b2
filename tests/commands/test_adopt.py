"""`archive adopt`, and what is refused until it is said: a vault and a database that do not belong together."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from bson import ObjectId

from tests.commands.conftest import Project


@pytest.fixture
def other(project: Project) -> Iterator[str]:
    """The name of another database on the same server: the same project with DATACTL_DATABASE switched."""
    name = f"t_{ObjectId()}"
    yield name
    project.workspace.mongo.client.drop_database(name)


@pytest.fixture
def lost(project: Project) -> str:
    """A post in the vault; its id."""
    (made,) = project.create(1)
    project.run("delete", "Post", made)
    project.age()
    assert project.run("archive", "Post").status == 0
    return made


def test_only_the_database_was_switched(project: Project, lost: str, other: str) -> None:
    for words in (["restore", "Post", lost], ["archive", "Post", "30"], ["archive", "find", "Post", lost], ["stats"]):
        ended = project.run(*words, "--database", other)
        assert (ended.status, "[vault_mismatch]" in ended.err) == (2, True), words
        assert project.database.name in ended.err
        assert "datactl archive adopt" in ended.err
    assert project.workspace.mongo.client[other].list_collection_names() == []
    assert project.run("restore", "Post", lost).status == 0


def test_an_unmounted_vault_says_where_it_was(project: Project, lost: str) -> None:
    vault = project.directory / ".datactl" / "vault"
    shutil.move(vault, vault.with_name("unmounted"))
    for words in (["restore", "Post", lost], ["archive", "plan", "Post"]):
        ended = project.run(*words)
        assert (ended.status, "[vault_mismatch]" in ended.err) == (2, True)
        assert f"last seen at file:{vault}" in ended.err
    assert not vault.exists()


def test_adopting_shows_both_sides_and_wants_its_word(project: Project, lost: str, other: str) -> None:
    asked = project.run("archive", "adopt", "--database", other)
    assert (asked.status, asked.out) == (12, "")
    assert f"database   {other}: it has no vault yet" in asked.err
    assert f"for {project.database.name}, database id" in asked.err
    assert "1 segment of Post" in asked.err
    assert f'--confirm "adopt {other}"' in asked.err
    assert project.run("archive", "adopt", "--database", other, "--confirm", "adopt shop").status == 12
    assert project.run("restore", "Post", lost, "--database", other).status == 2

    done = project.run("archive", "adopt", "--database", other, "--confirm", f"adopt {other}")
    assert (done.status, done.json["adopted"], done.json["was"]["code"]) == (0, True, "vault_mismatch")
    assert project.run("restore", "Post", lost, "--database", other).status == 0
    assert project.workspace.mongo.client[other]["posts"].count_documents({"_id": ObjectId(lost)}) == 1

    again = project.run("archive", "adopt", "--database", other, "-o", "table")
    assert (again.status, again.out.endswith("already\n")) == (0, True)


def test_yes_adopts(project: Project, lost: str, other: str) -> None:
    assert project.run("archive", "adopt", "--database", other, "--yes").json["adopted"]
    assert project.run("archive", "find", "Post", lost, "--database", other).json["place"] == "archived"
