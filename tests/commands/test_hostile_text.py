"""Text of documents on a terminal: shown, never obeyed; a command that is printed names the same document again."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import Binary, Int64, ObjectId

from datactl.commands.ids import typed
from datactl.render.terminal import word
from datactl.schema import define_model
from tests.commands.conftest import Project

EVIL = "a\x1b]0;owned\x07\x9b2J\u202eb 'c"
MODELS = "\n  Tag:\n    enableSoftDelete: true\n    fields:\n      _id: {type: string}\n      name: {type: string}\n"


@pytest.fixture
def tags(project: Project) -> Project:
    """The project with a model whose ids are text, and a tag with a hostile one."""
    file = project.directory / "models.yaml"
    file.write_text(file.read_text().rstrip() + MODELS)
    assert project.run("create", "Tag", json.dumps({"_id": EVIL, "name": "n"})).status == 0
    return project


def harmless(text: str) -> bool:
    return not any(character in text for character in "\x1b\x07\x9b\u202e")


def back(text: str) -> list[str]:
    """The words of the command that stands behind `datactl` in the text, as bash reads them."""
    line = text.partition("datactl ")[2].splitlines()[0]
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    return done.stdout.decode().split("\0")[:-1]


def test_ids_of_a_life(tags: Project) -> None:
    deleted = tags.run("delete", "Tag", EVIL, "-o", "table")
    assert deleted.status == 0
    assert harmless(deleted.out + deleted.err)
    assert back(deleted.out) == ["restore", "Tag", EVIL]

    restored = tags.run(*back(deleted.out), "-o", "table")
    assert (restored.status, harmless(restored.out + restored.err)) == (0, True)
    again = tags.run("delete", "Tag", EVIL, "-o", "table")
    assert harmless(again.out)

    then = datetime.now(UTC) - timedelta(days=100)
    tags.database["tags"].update_many({"deleted": True}, {"$set": {"deletedAt": then}})
    archived = tags.run("archive", "Tag", "-o", "table")
    assert (archived.status, harmless(archived.out + archived.err)) == (0, True)
    found = tags.run("archive", "find", "Tag", EVIL, "-o", "table")
    assert (found.status, harmless(found.out + found.err)) == (0, True)
    assert back(found.err) == ["restore", "Tag", EVIL]
    gone = tags.run("archive", "find", "Tag", EVIL + "\x1b", "-o", "table")
    assert (gone.status, harmless(gone.out + gone.err)) == (6, True)
    assert tags.run("restore", "Tag", EVIL, "-o", "table").status == 0


def test_reasons_in_the_list_of_segments(tags: Project) -> None:
    tags.run("delete", "Tag", EVIL)
    then = datetime.now(UTC) - timedelta(days=100)
    tags.database["tags"].update_many({"deleted": True}, {"$set": {"deletedAt": then}})
    tags.run("archive", "Tag", "--reason", EVIL, "--actor", EVIL)
    for listed in (("archive", "list"), ("archive", "find", "Tag", EVIL), ("ops", "list")):
        shown = tags.run(*listed, "-o", "table")
        assert shown.status == 0
        assert "a\\x1b" in shown.out
        assert harmless(shown.out)


@pytest.mark.parametrize("filter", ["name=it's", "name=\x1b[2J"])
def test_a_filter_in_the_next_step_is_one_word(filter: str, tags: Project) -> None:
    ended = tags.run("delete", "Tag", "--filter", filter, "--yes")
    assert ended.status == 6
    assert back(ended.err) == ["find", "Tag", "--filter", filter]


@pytest.mark.parametrize("text", ["plain", "two words", "it's", EVIL, "back\\slash\n'", "$(rm x)", "", "é\x85"])
def test_a_word_is_read_back_by_bash(text: str) -> None:
    assert harmless(word(text))
    assert "\n" not in word(text)
    assert back(f"datactl {word(text)}") == [text]


@pytest.mark.parametrize(
    ("type", "id"),
    [
        ("objectId", ObjectId("60f1b2c3d4e5f6789abcdef0")),
        ("objectId", 5),
        ("objectId", {"a": 1, "b": "x y"}),
        ("string", "5"),
        ("string", "60f1b2c3d4e5f6789abcdef0"),
        ("int", 5),
        ("string", Int64(5)),
        ("string", Binary(b"x", 5)),
    ],
    ids=repr,
)
def test_an_id_is_typed_so_that_the_model_reads_the_same(type: str, id: Any) -> None:
    model = define_model("Tag", {"_id": {"type": type}, "name": {"type": "string"}})
    (text,) = shlex.split(typed(model, id))
    read = model.parse_id(text)
    assert read == id
    assert isinstance(read, str) == isinstance(id, str)


def test_json_of_an_error_on_a_terminal(tmp_path: Path) -> None:
    from datactl.errors import NotFound
    from datactl.render.failures import show_error
    from tests.commands.test_confirming import Terminal

    screen = Terminal()
    show_error(NotFound(f"no {EVIL}"), as_json=True, stream=screen)
    assert harmless(screen.getvalue())
    assert json.loads(screen.getvalue())["what"] == f"no {EVIL}"
