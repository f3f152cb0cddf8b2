"""The demonstration, run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real


def datactl(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "datactl", *words],
        cwd=cwd,
        env={**os.environ, "DATACTL_URI": "", "MONGODB_URI": "", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.timeout(600)
def test_the_story_runs_twice_and_its_figures_are_those_of_the_project(tmp_path: Path) -> None:
    place = tmp_path / "places"
    try:
        datactl("demo", "--dir", "places", cwd=tmp_path)
        # From a clean state again, and never on the database that the environment happens to name.
        (tmp_path / "uri").write_text("mongodb://127.0.0.1:1/theirs")
        theirs = {
            "MONGODB_URI": "mongodb://127.0.0.1:1/theirs",
            "DATACTL_URI_FILE": str(tmp_path / "uri"),
            "DATACTL_VAULT": f"file:{tmp_path}/their-vault",
            "DATACTL_DATABASE": "theirs",
            "DATACTL_MODELS": "/nowhere/models.yaml",
        }
        told = datactl("demo", "--dir", "places", cwd=tmp_path, **theirs)
        assert told.returncode == 0, told.stderr
        story = told.stdout
        loaded, marked, archived = (
            int(found.group(1).replace(",", ""))
            for found in (
                re.search(rf"{pattern}", story) or pytest.fail(f"the story lacks {pattern!r}")
                for pattern in (r"([\d,]+) cities", r"marked ([\d,]+) documents", r"archived ([\d,]+) documents")
            )
        )
        assert marked == archived >= loaded // 10
        assert "clean" in story
        assert not (tmp_path / "their-vault").exists()

        (city,) = json.loads(datactl("stats", "City", "-o", "json", cwd=place).stdout)["models"]
        assert city["live"] == loaded - archived + 100
        assert city["archived"]["documents"] == archived - 100
    finally:
        datactl("engine", "stop", cwd=place)


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    refused = datactl("demo", "--dir", ".", cwd=tmp_path)
    assert refused.returncode == 7
    assert "holds something else" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
