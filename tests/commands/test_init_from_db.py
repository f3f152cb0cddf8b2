"""`datactl init --from-db`: the first reading, running it again, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from bson import ObjectId

from tests.commands.conftest import Project, Run


@pytest.fixture
def adopted(project: Project) -> Project:
    """A project without models.yaml, on a database with users and posts."""
    (project.directory / "models.yaml").unlink()
    users = [ObjectId() for _ in range(30)]
    project.database["users"].insert_many([{"_id": each, "name": f"n{n}"} for n, each in enumerate(users)])
    project.database["posts"].insert_many(
        [{"author": users[n % 30], "title": f"t{n}", "deleted": n % 3 == 0} for n in range(60)]
    )
    return project


def test_the_first_reading_writes_and_tells(adopted: Project) -> None:
    before = {name: list(adopted.database[name].find()) for name in ("users", "posts")}
    ended = adopted.run("init", "--from-db", "-o", "table")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[:2] == ["wrote models.yaml", "wrote .env"]
    assert lines[2] == "2 models from 90 documents, 1 thing to look at:"
    assert lines[3].startswith("  Post: 20 of 20 deleted documents have no deletedAt")
    assert "next: read models.yaml, then datactl models check && datactl validate" in ended.err
    assert adopted.run("models", "check").status == 0
    assert {name: list(adopted.database[name].find()) for name in ("users", "posts")} == before
    assert sorted(adopted.database.list_collection_names()) == ["posts", "users"], "nothing was made there"
    assert Path(".env").stat().st_mode & 0o777 == 0o600


def test_as_data(adopted: Project) -> None:
    found = adopted.run("init", "--from-db", "-o", "json").json
    assert [(each["name"], each["documents"], each["read"]) for each in found["models"]] == [
        ("Post", 60, 60),
        ("User", 30, 30),
    ]
    assert [each["code"] for each in found["notices"]] == ["undated_marks"]
    assert (found["diff"], found["conflicts"], found["leftOut"]) == (None, [], {})
    assert [Path(each).name for each in found["written"]] == ["models.yaml", ".env"]


def test_run_again_nothing_changes(adopted: Project) -> None:
    adopted.run("init", "--from-db")
    before = Path("models.yaml").read_bytes()
    again = adopted.run("init", "--from-db", "-o", "table")
    assert (again.status, Path("models.yaml").read_bytes()) == (0, before)
    assert again.out.splitlines()[0] == "models.yaml is what it would be: nothing to change"


def test_run_again_it_shows_the_difference_first_and_wants_a_yes(adopted: Project) -> None:
    adopted.run("init", "--from-db")
    text = Path("models.yaml").read_text().replace("title: {type: string, required: true}", "title: {type: string}")
    Path("models.yaml").write_text(text)
    adopted.database["posts"].update_many({}, {"$set": {"stars": 4}})
    asked = adopted.run("init", "--from-db", "-o", "table")
    assert (asked.status, Path("models.yaml").read_text()) == (12, text)
    added = [line for line in asked.out.splitlines() if line.startswith("+") and "stars" in line]
    assert len(added) == 1
    assert "models.yaml" in asked.err
    dry = adopted.run("init", "--from-db", "--dry-run", "-o", "table")
    assert (dry.status, Path("models.yaml").read_text()) == (0, text)
    assert asked.out == dry.out[: len(asked.out)]
    done = adopted.run("init", "--from-db", "--yes", "-o", "table")
    assert done.status == 0
    merged = Path("models.yaml").read_text()
    assert "stars: {type: int, required: true}" in merged
    assert "title: {type: string} " in merged


def test_conflicts_are_told(adopted: Project) -> None:
    adopted.run("init", "--from-db")
    path = Path("models.yaml")
    path.write_text(path.read_text().replace("name: {type: string,", "name: {type: int,"))
    adopted.database["users"].update_many({}, {"$set": {"name": True}})
    ended = adopted.run("init", "--from-db", "--yes")
    assert ended.json["conflicts"] == [{"where": "User.name.type", "kept": "int", "found": "bool"}]
    assert "name: {type: int," in path.read_text()


def test_a_directory_of_its_own(adopted: Project) -> None:
    ended = adopted.run("init", "--from-db", "there/app", "-o", "table")
    assert ended.out.splitlines()[:2] == ["wrote there/app/models.yaml", "wrote there/app/.env"]
    assert (adopted.directory / "there/app/.datactl/adopted.yaml").exists()
    assert "--models there/app/models.yaml" in ended.err
    assert not Path("models.yaml").exists()


def test_a_sample(adopted: Project) -> None:
    found = adopted.run("init", "--from-db", "--sample", "20").json
    assert [(each["documents"], each["read"]) for each in found["models"]] == [(60, 20), (30, 20)]
    assert "about 60 documents, 20 read (a random sample)" in Path("models.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--from-db", "--local"), 2, "--local starts an empty database"),
        (("--sample", "10"), 2, "belong to --from-db"),
        (("--from-db", "--sample", "0"), 2, "0"),
        (("--from-db", "--sample", "many"), 2, "many"),
        (("--from-db", "there", "--models", "x.yaml"), 2, "DIR and --models"),
        (("--from-db", "--database", "nothing_here"), 6, "no collection that could be a model"),
        (("--from-db", "--uri", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"), 4, "127.0.0.1:1"),
    ],
)
def test_what_it_refuses(words: tuple[str, ...], status: int, said: str, adopted: Project) -> None:
    ended = adopted.run("init", *words)
    assert (ended.status, ended.out) == (status, "")
    assert said in ended.err
    assert not Path("models.yaml").exists()


def test_without_a_database(run: Run) -> None:
    ended = run("init", "--from-db")
    assert ended.status == 10
    assert "DATACTL_URI" in ended.err
    assert not Path("models.yaml").exists()


def test_a_file_with_mistakes_is_not_merged_into(adopted: Project) -> None:
    Path("models.yaml").write_text("models:\n  Post:\n    fields:\n      title: strng\n")
    ended = adopted.run("init", "--from-db", "--yes")
    assert ended.status == 2
    assert "models.yaml:4:14" in ended.err
    assert "strng" in Path("models.yaml").read_text()
    Path("models.yaml").write_text("models: [\n")
    assert adopted.run("init", "--from-db", "--yes").status == 2


def test_a_directory_that_cannot_be_written(adopted: Project) -> None:
    Path("file").write_text("")
    ended = adopted.run("init", "--from-db", "file/there")
    assert ended.status == 1
    assert "cannot make" in ended.err
