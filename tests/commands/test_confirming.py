"""Deleting by filter: counted first, confirmed by what was typed; never a question off a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from datactl.commands.confirming import confirm
from datactl.commands.invocation import Invocation
from datactl.errors import Declined, Interrupted
from tests.commands.conftest import Project


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def typed(answer: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Confirm `posts 1204` on a terminal where this is typed; what stderr showed."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", screen)
    confirm(Invocation(), collection="posts", count=1204, act="mark them deleted", given=None, yes=False)
    return screen.getvalue()


@pytest.mark.parametrize("answer", ["posts 1204\n", "posts 1,204\n", "  posts 1204  \n"])
def test_collection_and_number_are_typed(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert typed(answer, monkeypatch) == "Type posts 1204 to mark them deleted: "


@pytest.mark.parametrize("answer", ["", "\n", "y\n", "yes\n", "posts\n", "1204\n", "posts 1205\n", "Post 1204\n"])
def test_anything_else_declines(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Declined):
        typed(answer, monkeypatch)


def test_off_a_terminal_nothing_is_asked(project: Project) -> None:
    project.create(4)
    delete = ["delete", "Post", "--filter", "views>=1", "--reason", "old"]
    ended = project.run(*delete, stdin=b"posts 3\n")
    assert ended.status == 12
    assert "Post: 3 documents match (of 4 live)" in ended.err
    assert '--confirm "posts 3"' in ended.err
    assert project.database["posts"].count_documents({"deleted": True}) == 0


def test_a_wrong_number_declines_and_the_right_one_deletes(project: Project) -> None:
    project.create(4)
    delete = ["delete", "Post", "--filter", "views>=1", "--reason", "old"]
    assert project.run(*delete, "--confirm", "posts 4").status == 12
    assert project.database["posts"].count_documents({"deleted": True}) == 0
    done = project.run(*delete, "--confirm", "posts 3")
    assert (done.status, done.json["changed"]) == (0, 3)
    marked = project.database["posts"].find_one({"deleted": True})
    assert (marked["deletedBy"], marked["deleteReason"], marked["deletedOp"]) == ("maria", "old", done.json["op"])


def test_yes_goes_ahead(project: Project) -> None:
    project.create(4)
    assert project.run("delete", "Post", "--filter", "views>=1", "--yes").json["changed"] == 3


def test_no_match_is_not_found(project: Project) -> None:
    project.create(1)
    assert project.run("delete", "Post", "--filter", "views>=100", "--yes").status == 6


@pytest.mark.parametrize("how", ["typed", "given"])
@pytest.mark.parametrize("change", [["delete"], ["update", "--set", "views=7"]], ids=lambda words: words[0])
def test_what_came_to_match_after_the_question_is_not_changed(
    how: str, change: list[str], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.create(3)
    posts = project.database["posts"]

    def asked_while_others_write(*_: object, **__: object) -> None:
        confirm(*_, **(__ | {"given": "posts 3"}))  # type: ignore[arg-type]
        posts.insert_many([{"title": "late", "content": "text", "views": 5} for _ in range(20)])

    word, *rest = change
    monkeypatch.setattr(f"datactl.commands.{word}.confirm", asked_while_others_write)
    line = [word, "Post", "--filter", "views>=0", *rest]
    ended = project.run(*line, *(["--confirm", "posts 3"] if how == "given" else []))
    assert ended.status == 12
    assert "23" in ended.err
    assert posts.count_documents({"deleted": True}) == posts.count_documents({"views": 7}) == 0
    monkeypatch.setattr(f"datactl.commands.{word}.confirm", lambda *_, **__: posts.insert_one({"views": 1}))
    assert project.run(*line, "--yes", "-o", "json").json["matched"] == 24


def test_a_signal_at_the_question_changes_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(Terminal):
        def readline(self, size: int | None = -1) -> str:
            raise KeyboardInterrupt

    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Interrupting())
    monkeypatch.setattr(sys, "stderr", screen)
    with pytest.raises(Interrupted, match="nothing was changed") as ended:
        confirm(Invocation(), collection="posts", count=1, act="mark them deleted", given=None, yes=False)
    assert ended.value.exit_code == 130
    assert screen.getvalue().endswith("deleted: \n")
