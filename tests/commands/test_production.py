"""A database marked production: what changes says so, what wants a confirmation gets one, what never is one refuses."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from datactl.cli import WORDS
from datactl.commands.grammar import LeafCommand, RootGroup
from datactl.commands.shells import spots
from tests.commands.conftest import Project, Run

CHANGING = {
    "/create",
    "/update",
    "/delete",
    "/restore",
    "/undo",
    "/archive",
    "/archive/adopt",
    "/import",
    "/index",
    "/indexes",
    "/index/apply",
    "/indexes/apply",
    "/index/drop",
    "/indexes/drop",
    "/models/apply",
    "/ops/resume",
}
DELETE = ("delete", "Post", "--filter", "views>=1")


@pytest.fixture
def production(project: Project) -> Project:
    """A project whose profile `prod` is the test's database, marked production."""
    uri, name = os.environ["DATACTL_URI"], os.environ["DATACTL_DATABASE"]
    at = uri.partition("?")[0].rstrip("/")
    options = uri.partition("?")[2]
    path = Path("models.yaml")
    path.write_text(
        f"settings:\n  profiles:\n    prod: {{production: true, uri: '{at}/{name}?{options}'}}\n" + path.read_text()
    )
    project.create(3)
    return project


def test_a_change_says_where_it_works_and_reading_does_not(production: Project) -> None:
    changed = production.run("create", "Post", '{"title": "a", "content": "b"}', "--profile", "prod")
    assert changed.status == 0, changed.err
    first = changed.err.splitlines()[0]
    assert first.startswith("production: 127.0.0.1:")
    assert first.endswith(f"/{os.environ['DATACTL_DATABASE']} (profile prod)")
    assert "production" not in production.run("find", "Post", "--profile", "prod").err
    quiet = production.run("create", "Post", '{"title": "a", "content": "b"}', "--profile", "prod", "--quiet")
    assert (quiet.status, quiet.err) == (0, "")


def test_yes_alone_confirms_nothing_there(production: Project) -> None:
    refused = production.run(*DELETE, "--yes", "--profile", "prod")
    assert refused.status == 12
    assert "--yes alone is not" in refused.err
    assert '--confirm "posts 2"' in refused.err
    assert "or with --yes" not in refused.err
    assert production.database["posts"].count_documents({"deleted": True}) == 0
    assert production.run(*DELETE, "--yes", "--confirm", "posts 2", "--profile", "prod").json["changed"] == 2


def test_the_mark_may_come_from_the_environment_alone(production: Project) -> None:
    ended = production.run(*DELETE, "--yes", env={"DATACTL_PRODUCTION": "true"})
    assert ended.status == 12
    assert production.run(*DELETE, "--yes").status == 0


def test_on_a_terminal_the_phrase_is_asked_for_in_spite_of_yes(
    production: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datactl.commands.confirming import confirm
    from datactl.commands.invocation import Invocation

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("DATACTL_PROFILE", "prod")
    monkeypatch.setattr(sys, "stdin", Terminal("posts 2\n"))
    monkeypatch.setattr(sys, "stderr", Terminal())
    confirm(Invocation(), collection="posts", count=2, act="mark them deleted", given=None, yes=True)
    assert sys.stderr.getvalue() == "Type posts 2 to mark them deleted: "  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "arguments",
    [
        ["engine", "start"],
        ["engine", "stop"],
        ["engine", "status"],
        ["engine", "uri"],
        ["demo", "--dir", "there"],
        ["find", "Post"],
        ["create", "Post", "{}"],
    ],
    ids=" ".join,
)
def test_no_engine_of_its_own_and_no_demonstration(arguments: list[str], run: Run) -> None:
    Path("models.yaml").write_text(
        "settings:\n  engine: local\n  profiles: {prod: {production: true}}\n"
        "models: {Post: {fields: {title: string}}}\n"
    )
    ended = run(*arguments, env={"DATACTL_PROFILE": "prod"})
    assert (ended.status, ended.out) == (2, "")
    assert "is not for production" in ended.err
    assert "profile prod (project file)" in ended.err
    assert not Path(".datactl").exists()
    assert not Path("there").exists()


def test_every_command_that_changes_is_known_as_one() -> None:
    group = RootGroup(WORDS)
    found = set()
    for spot in spots(group):
        command = group
        for word in spot.path.split("/")[1:]:
            command = command.get_command(None, word)  # type: ignore[arg-type, assignment]
        leaf = getattr(command, "default", command)
        if isinstance(leaf, LeafCommand) and leaf.declared.changes_data:
            found.add(spot.path)
    assert found == CHANGING


def test_how_it_goes_on_repeats_what_named_the_project(production: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from datactl.render.progress import ProgressWatcher

    Path("models.yaml").rename("shop models.yaml")
    monkeypatch.setattr(ProgressWatcher, "stopping", lambda _: True)
    line = ["--models", "shop models.yaml", "--profile", "prod", "--uri", os.environ["DATACTL_URI"]]
    ended = production.run(*DELETE, "--confirm", "posts 2", *line, "--database", os.environ["DATACTL_DATABASE"])
    assert ended.status == 130
    (onward,) = [each for each in ended.err.splitlines() if "ops resume" in each]
    named = f" --profile prod --models 'shop models.yaml' --database {os.environ['DATACTL_DATABASE']}"
    assert onward.endswith(named)
    assert "--uri" not in onward


def test_how_it_is_undone_repeats_it_too(production: Project) -> None:
    op = production.run(*DELETE, "--yes").json["op"]
    shown = production.run("ops", "show", op, "--profile", "prod")
    assert shown.json["undo"] == f"datactl undo {op} --profile prod"
    assert production.run("ops", "show", op).json["undo"] == f"datactl undo {op}"
