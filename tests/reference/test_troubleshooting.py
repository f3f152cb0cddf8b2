"""docs/troubleshooting.md, followed from top to bottom: each command runs, and answers what the page shows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.commands.conftest import DATACTL, Project, run_shell

PAGE = (Path(__file__).parents[2] / "docs/troubleshooting.md").read_text(encoding="utf-8")
MODELS = """\
models:
  Post:
    textSearchFields: [title, content]
    indexes:
      - fields: {status: 1, createdAt: -1}
    fields:
      title: {type: string, required: true}
      content: {type: string, required: true}
      status: {type: string, enum: [draft, published], default: draft}
      views: {type: int, min: 0, default: 0}
"""
_EXIT = re.compile(r"^\(exit (\d+)\)$", re.MULTILINE)


def steps(page: str) -> Iterator[tuple[str, str | None, int]]:
    """The command lines in order, with what each shows (None: that is not said) and its exit status."""
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind == "sh":
            yield from ((line, None, 0) for line in block.splitlines())
        else:
            line, _, shown = block.removeprefix("$ ").partition("\n")
            status = _EXIT.search(shown)
            yield line, _EXIT.sub("", shown), int(status[1]) if status else 0


def without_figures(text: str) -> str:
    """What stays the same from database to database: words in their order, without numbers, units, ids and places."""
    text = re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b|\bfile:\S+|\d+(\.\d+){3}:\d+/\S+", "X", text)
    text = re.sub(r"\d+-\d+-\d+T[\d:]+Z", "T", text)
    text = re.sub(r"(?<![\w_])[\d.,]+( ([kM]?B|d)\b)?", "N", text)
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


@pytest.fixture
def crowded(project: Project) -> Project:
    """3,000 posts: 1,000 due, 40 marked without a date; an index is missing and another is nobody's."""
    (project.directory / "models.yaml").write_text(MODELS)
    now = datetime.now(UTC)
    posts = [
        {
            "title": f"Post {n}",
            "content": "text " * 40,
            "status": "draft" if n % 50 else "published",
            "views": n,
            "createdAt": now - timedelta(hours=n),
        }
        for n in range(3_000)
    ]
    for n in range(1_000):
        posts[3 * n] |= {"deleted": True, "deletedAt": now - timedelta(days=91 + n % 100), "deleteReason": "spring"}
    for n in range(40):
        posts[3 * n + 1] |= {"deleted": True}
    project.database["posts"].insert_many(posts)
    project.database["posts"].create_index("views")
    return project


def test_the_page_is_followed_from_top_to_bottom(crowded: Project) -> None:
    followed = compared = 0
    for line, shown, status in steps(PAGE):
        assert line.startswith("datactl ")
        done = run_shell(
            line.replace("datactl", DATACTL, 1),
            cwd=crowded.directory,
            env={**crowded.settings, "DATACTL_OUTPUT": "table", "COLUMNS": "200"},
            capture_output=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == status, f"{line}\n{done.stdout}"
        if shown is not None:
            assert without_figures(done.stdout) == without_figures(shown), line
            compared += 1
        followed += 1
    assert followed > 15
    assert compared > 5


def test_a_page_that_is_wrong_is_seen() -> None:
    (line, shown, status), *_ = steps("```\n$ datactl stats\nMODEL  LIVE\nPost   1,960\n(exit 5)\n```\n")
    assert (line, status) == ("datactl stats", 5)
    assert without_figures(shown or "") == without_figures("MODEL LIVE\nPost  7")
    assert without_figures(shown or "") != without_figures("MODEL DUE\nPost  7")
