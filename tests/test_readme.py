"""The README tells the truth: settings, exit codes, commands and files it names are those there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from datactl.cli import WORDS
from datactl.errors import EXIT_CODES
from datactl.settings import SETTINGS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its head."""
    table = re.search(rf"^{re.escape(heading)}.*?((?:^\|[^\n]*\n)+)", README, re.MULTILINE | re.DOTALL)
    assert table is not None, heading
    return [[cell.strip() for cell in line.strip("|\n ").split(" | ")] for line in table.group(1).splitlines()[2:]]


def test_every_setting_is_in_the_table() -> None:
    shown = {row[0].strip("`"): (row[1], row[3]) for row in rows("## Settings")}
    assert shown == {
        setting.name: (
            ", ".join(f"`{variable}`" for variable in setting.env),
            "-" if setting.default is None else f"`{setting.default}`",
        )
        for setting in SETTINGS
    }


def test_every_exit_code_is_in_the_table() -> None:
    assert {int(row[0]): row[1] for row in rows("## Exit codes")} == EXIT_CODES


@pytest.mark.parametrize("word", sorted(set(re.findall(r"(?:^|[`$] ?)datactl ([a-z]+)", README, re.MULTILINE))))
def test_a_command_that_is_shown_exists(word: str) -> None:
    assert word in WORDS


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README + CHANGES))))
def test_a_page_that_is_linked_exists(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))))
def test_a_make_target_that_is_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
