"""The README tells the truth: exit codes, commands and files it names are those there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from datactl.cli import WORDS
from datactl.errors import EXIT_CODES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_reference_page_is_linked() -> None:
    pages = {"commands.md", "settings.md", "errors.md", "models.md", "repository.md", "troubleshooting.md"}
    assert {f"docs/{page}" for page in pages} <= set(re.findall(r"\]\(([^)#]+)\)", README))


def test_an_exit_code_that_is_named_means_that() -> None:
    said = re.search(r"^0 is done.*?:", README, re.MULTILINE | re.DOTALL)
    assert said is not None
    named = re.findall(r"(\d+) (?:is )?([^,:]+)", " ".join(said.group().split()))
    assert len(named) == 10
    for number, meaning in named:
        words = {word for word in re.findall(r"\w+", EXIT_CODES[int(number)]) if len(word) > 2}
        said_here = [word for word in meaning.split() if word not in ("a", "no")]
        assert said_here
        assert [word for word in said_here if not any(word.startswith(known) for known in words)] == []


def test_it_is_read_in_five_minutes() -> None:
    """200 words a minute; tables and what a terminal showed are looked at, not read."""
    prose = re.sub(r"^```.*?^```|^\|.*?$", "", README, flags=re.MULTILINE | re.DOTALL)
    assert len(prose.split()) <= 1_000


@pytest.mark.parametrize("word", sorted(set(re.findall(r"(?:^|[`$] ?)datactl ([a-z]+)", README, re.MULTILINE))))
def test_a_command_that_is_shown_exists(word: str) -> None:
    assert word in WORDS


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README + CHANGES))))
def test_a_page_that_is_linked_exists(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))))
def test_a_make_target_that_is_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
