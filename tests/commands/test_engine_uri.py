"""engine uri: the one command that prints a password, for another program; it works, and nothing else prints it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.commands.conftest import Run

MODELS = "settings: {engine: local}\nmodels: {Post: {fields: {title: string}}}\n"


@pytest.fixture
def local(run: Run) -> Iterator[Run]:
    """Runs in a project with an engine of its own, which is stopped afterwards."""
    Path("models.yaml").write_text(MODELS)
    yield run
    assert run("engine", "stop").status == 0


def test_another_program_reaches_the_projects_database_with_it(local: Run) -> None:
    assert local("create", "Post", '{"title": "first"}').status == 0
    for form in ("table", "json"):
        printed = local("engine", "uri", "-o", form)
        assert (printed.status, printed.err) == (0, "")
        with MongoClient[dict[str, Any]](printed.out.strip()) as client:
            found = client.get_default_database()["posts"].find_one()
        assert found is not None
        assert found["title"] == "first"


def test_it_starts_the_engine_and_names_the_database_that_was_set(local: Run) -> None:
    uri = local("engine", "uri", env={"DATACTL_DATABASE": "shop"}).out.strip()
    assert re.fullmatch(r"mongodb://datactl:[\w-]+@127\.0\.0\.1:\d+/shop\?.*", uri)
    assert local("engine", "status").json["state"] == "running"


def test_nothing_else_prints_its_password(local: Run) -> None:
    password = re.search(r":([\w-]+)@", local("engine", "uri").out).group(1)  # type: ignore[union-attr]
    for line in (["engine", "status"], ["config", "show", "--origin"], ["stats"], ["doctor"], ["find", "Post"]):
        for form in ("table", "json"):
            said = local(*line, "-o", form)
            assert password not in said.out + said.err
