"""The manual pages: sections in order, text that roff reads as text, and the checkers of man-db and mandoc content."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from datactl.reference.made import MANUALS
from datactl.reference.manual import escaped, manuals, text, verbatim
from datactl.reference.words import described

ROOT = Path(__file__).parents[2]
PAGES = {name: page for name, page in manuals().items() if not page.startswith(".so ")}
_MACROS = {".TH", ".SH", ".SS", ".B", ".BR", ".TP", ".PP", ".EX", ".EE", ".br", '.\\"'}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_its_sections_and_no_line_is_read_as_a_request_by_chance(name: str) -> None:
    lines = PAGES[name].splitlines()
    assert {line.split(" ")[0] for line in lines if line.startswith((".", "'"))} <= _MACROS
    assert not [line for line in lines if not line or line != line.rstrip() or "\t" in line]
    sections = [line.removeprefix(".SH ").strip('"') for line in lines if line.startswith(".SH ")]
    assert sections[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"]
    assert sections[-1] == "SEE ALSO"
    assert "EXIT STATUS" in sections
    assert re.fullmatch(r"datactl[a-z\\-]* \\- [a-z].*[^.]", lines[lines.index(".SH NAME") + 1])


def test_every_option_of_a_word_stands_on_its_page() -> None:
    for word in described():
        page = PAGES[f"datactl-{word.path[0]}.1"]
        for each in word.with_words():
            for parameter in (*each.arguments, *each.options):
                assert f".B {escaped(parameter.written)}\n" in page
            for number in each.exit_codes:
                assert f".B {number}\n" in page


def test_an_alias_is_the_page_of_its_word() -> None:
    assert manuals()["datactl-indexes.1"] == ".so man1/datactl-index.1\n"


@pytest.mark.parametrize(
    ("line", "written"),
    [
        (".hidden", "\\&.hidden\n"),
        ("'quoted' -o `x`", "\\(aqquoted\\(aq \\-o \\(gax\\(ga\n"),
        ("a\\b ^=1~2", "a\\eb \\(ha=1\\(ti2\n"),
    ],
)
def test_text_is_only_text(line: str, written: str) -> None:
    assert verbatim(line) == written


def test_each_sentence_begins_a_line_and_none_is_long() -> None:
    lines = text("First one here. Second one. " + "Word " * 40).splitlines()
    assert lines[:2] == ["First one here.", "Second one."]
    assert max(map(len, lines)) <= 80


@pytest.mark.real
@pytest.mark.parametrize("name", sorted(manuals()))
def test_man_and_mandoc_have_nothing_to_say(name: str) -> None:
    page = MANUALS.parent / MANUALS.name / name
    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "style", f"{MANUALS.name}/{name}"],
        cwd=ROOT / MANUALS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    # The pages carry no date, which would differ with every change; an alias is one line for man-db.
    said = [line for line in lint.stdout.splitlines() if "missing date" not in line and ".so is fragile" not in line]
    assert said == []
    shown = subprocess.run(
        ["man", "--warnings", "-l", str(page)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPATH": str(ROOT / MANUALS.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    assert "EXIT STATUS" in re.sub(r".\x08", "", shown.stdout)
