"""Data on stdout: four forms of the same documents and facts, streamed, and nothing that a terminal would obey."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from bson import Int64, ObjectId

from datactl.render import figures
from datactl.render.forms import FORMS, Form
from datactl.render.printer import Printer, default_form
from datactl.render.tables import Column, write_table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


DOCUMENTS: list[dict[str, Any]] = [
    {
        "_id": ObjectId("60f1b2c3d4e5f6789abcdef0"),
        "title": "First",
        "views": Int64(1204),
        "at": datetime(2026, 1, 2, tzinfo=UTC),
    },
    {"_id": ObjectId("60f1b2c3d4e5f6789abcdef1"), "title": "Second\x1b[2J", "views": 3, "at": None},
]
HEADINGS = (Column("_id", keep=True), Column("title"), Column("views", right=True))
FIRST = {
    "_id": {"$oid": "60f1b2c3d4e5f6789abcdef0"},
    "title": "First",
    "views": 1204,
    "at": {"$date": "2026-01-02T00:00:00Z"},
}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def written(form: Form, documents: list[dict[str, Any]], *, canonical: bool = False) -> str:
    out = io.StringIO()
    Printer(form, canonical=canonical, stream=out).documents(documents, HEADINGS)
    return out.getvalue()


def test_lists_in_every_form() -> None:
    assert json.loads(written("json", DOCUMENTS))[0] == FIRST
    lines = written("ndjson", DOCUMENTS).splitlines()
    assert [json.loads(line) for line in lines] == json.loads(written("json", DOCUMENTS))
    assert yaml.safe_load(written("yaml", DOCUMENTS)) == json.loads(written("json", DOCUMENTS))
    assert written("table", DOCUMENTS).splitlines() == [
        "_id                       title          views",
        "60f1b2c3d4e5f6789abcdef0  First           1204",
        "60f1b2c3d4e5f6789abcdef1  Second\\x1b[2J      3",
    ]


def test_empty_lists_are_well_formed() -> None:
    assert json.loads(written("json", [])) == []
    assert written("ndjson", []) == ""
    assert yaml.safe_load(written("yaml", [])) == []
    assert written("table", []).splitlines() == ["_id  title  views"]


def test_canonical_spells_out_types() -> None:
    shown = json.loads(written("ndjson", DOCUMENTS[:1], canonical=True))
    assert shown["views"] == {"$numberLong": "1204"}
    assert shown["at"] == {"$date": {"$numberLong": "1767312000000"}}
    assert yaml.safe_load(written("yaml", DOCUMENTS[:1], canonical=True)) == [shown]


@pytest.mark.parametrize("form", ["json", "ndjson", "yaml"])
def test_a_list_is_streamed(form: Form) -> None:
    out = io.StringIO()
    seen: list[int] = []

    def documents() -> Iterator[dict[str, Any]]:
        for number in range(3):
            seen.append(len(out.getvalue()))
            yield {"n": number}

    Printer(form, stream=out).documents(documents(), HEADINGS)
    assert 0 == seen[0] < seen[1] < seen[2]


def test_a_long_table_is_written_in_pages() -> None:
    out = io.StringIO()
    Printer("table", stream=out).documents(({"_id": number} for number in range(1200)), (Column("_id", keep=True),))
    lines = out.getvalue().splitlines()
    assert lines.count("_id") == 3
    assert [int(line) for line in lines if line != "_id"] == list(range(1200))


@pytest.mark.parametrize("form", FORMS)
def test_one_document_and_facts(form: Form) -> None:
    @dataclass
    class Report:
        op: str
        taken_at: datetime

    out = io.StringIO()
    printer = Printer(form, stream=out)
    printer.document(DOCUMENTS[0])
    printer.facts(Report("01K6", datetime(2026, 1, 2, tzinfo=UTC)))
    for said in ("60f1b2c3d4e5f6789abcdef0", "First", "takenAt", "2026-01-02T00:00:00Z"):
        assert said in out.getvalue()


def test_the_default_is_a_table_on_a_terminal_and_json_elsewhere() -> None:
    assert default_form(Terminal()) == "table"
    assert default_form(io.StringIO()) == "json"


def test_a_terminal_gets_no_line_wider_than_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    headings = (Column("_id", keep=True), *(Column(f"field{n}") for n in range(9)))
    rows = [["60f1b2c3d4e5f6789abcdef0", *("text of some length" for _ in range(9))]]
    hidden = write_table(headings, rows, terminal)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert "60f1b2c3d4e5f6789abcdef0" in lines[1]
    assert hidden == tuple(f"field{n}" for n in range(9) if f"field{n}" not in lines[0])
    assert 0 < len(hidden) < 9


def test_a_file_gets_every_column_whole() -> None:
    out = io.StringIO()
    assert write_table([Column(f"f{n}", widest=5) for n in range(40)], [["x" * 30] * 40], out) == ()
    assert out.getvalue().splitlines()[1].count("x" * 30) == 40


def test_nested_values_are_cut_in_a_file_too() -> None:
    out = io.StringIO()
    write_table((Column("names", widest=10, nested=True), Column("after")), [["x" * 30, "y" * 30]], out)
    assert out.getvalue().splitlines()[1] == "x" * 9 + "…  " + "y" * 30


def test_markup_in_a_document_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    write_table((Column("title"),), [["[red]not red[/red] :smile:"]], out)
    assert "[red]not red[/red] :smile:" in out.getvalue()


@pytest.mark.parametrize(
    ("env", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colour(env: dict[str, str], terminal: bool, coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    out = Terminal() if terminal else io.StringIO()
    write_table((Column("NAME"),), [["x"]], out)
    assert ("\x1b[" in out.getvalue()) is coloured


def test_figures() -> None:
    assert figures.counted(1, "document") == "1 document"
    assert figures.counted(1204, "index", "indexes") == "1,204 indexes"
    assert [figures.size(n) for n in (0, 999, 1000, 2_100_000, 10**16)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "2.1 MB",
        "10.0 PB",
    ]
    assert (figures.ratio(31, 10), figures.ratio(1, 0)) == ("3.1:1", "-")
    assert [figures.rate(n) for n in (870, 9_120, 44_400)] == ["870/s", "9.1k/s", "44k/s"]
    assert figures.time(datetime(2026, 8, 26, 3, 20, 11, 999, tzinfo=UTC)) == "2026-08-26T03:20:11Z"


@pytest.mark.parametrize("form", ["json", "ndjson", "yaml"])
@pytest.mark.parametrize("canonical", [False, True])
def test_a_terminal_gets_escapes_for_what_json_leaves(form: Form, canonical: bool) -> None:
    hidden = "a\x9b2Jb\x7fc\x85d\u202ee\u2066f\u061cg é"
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        printer = Printer(form, canonical=canonical, stream=out)
        printer.documents([{hidden: hidden}], HEADINGS)
        printer.document({"a": [hidden]})
        printer.facts({"a": hidden})
    assert not any(character in terminal.getvalue() for character in hidden[1:-2] if not character.isalnum())
    if form != "yaml":
        assert "\\u009b" in terminal.getvalue()
        assert "é" in terminal.getvalue()
        assert "\x9b" in file.getvalue()
    one = Terminal()
    Printer(form, canonical=canonical, stream=one).document({hidden: hidden})
    assert (yaml.safe_load if form == "yaml" else json.loads)(one.getvalue()) == {hidden: hidden}


def test_a_line_of_a_report_is_one_line() -> None:
    out = io.StringIO()
    Printer("table", stream=out).say("restored \x1b[2J\n")
    assert out.getvalue() == "restored \\x1b[2J\\n\n"
