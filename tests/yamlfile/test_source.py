"""The YAML of models.yaml: the 1.2 core schema, places, and text that is no YAML."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datactl.yamlfile.report import Report
from datactl.yamlfile.source import read_nodes


def read(text: str) -> tuple[Any, Report]:
    report = Report("m.yaml", text.split("\n"))
    node = read_nodes(text, report)
    return (node.plain() if node else None), report


@pytest.mark.parametrize(
    "text",
    [
        "on",
        "off",
        "yes",
        "No",
        "NO",
        "y",
        "0777",
        "00",
        "12:30:00",
        "2026-01-31",
        "1_000",
        "=",
        "1.2.3",
        "0o8",
        "+.inf.",
        "1e",
        "NaN",
    ],
)
def test_what_yaml_1_1_would_turn_into_something_else_is_text(text: str) -> None:
    assert read(f"a: {text}") == ({"a": text}, Report("m.yaml", [f"a: {text}"]))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("7", 7),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("'7'", "7"),
        ("!!str 7", "7"),
    ],
)
def test_what_the_core_schema_knows_is_read(text: str, value: Any) -> None:
    found = read(f"a: {text}")[0]["a"]
    assert found == value
    assert type(found) is type(value)


def test_words_that_yaml_1_1_reads_as_booleans_are_keys_like_others() -> None:
    assert read("on: 1\nNO: 2\ntrue: 3\n7: 4")[0] == {"on": 1, "NO": 2, "true": 3, "7": 4}


def test_merge_keys_and_aliases_are_read_and_the_nearer_key_wins() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [{x: 9}, *a]}"
    assert read(text)[0] == {"a": {"x": 1, "y": 2}, "b": {"y": 3, "x": 1}, "c": {"x": 9, "y": 2}}


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("a: 1\nb: 2\na: 3", "duplicate_key", "m.yaml:3:1"),
        ("a: {b: 1, 'b': 2}", "duplicate_key", "m.yaml:1:11"),
        ("a: [1", "yaml_syntax", "m.yaml:2:1"),
        ("a: 1\n---\nb: 2", "yaml_syntax", "m.yaml:2:1"),
        ("a: b\0c", "yaml_syntax", "m.yaml:1:5"),
        ("a: &x [*x]", "too_large", "m.yaml:1:4"),
        ("? [1]\n: 2", "bad_key", "m.yaml:1:3"),
        ("a: {<<: 3}", "bad_merge", "m.yaml:1:9"),
        ("a: !!int x", "bad_scalar", "m.yaml:1:4"),
        ("a: !!python/object:os.system {}", "unknown_tag", "m.yaml:1:4"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, code: str, where: str) -> None:
    problems = read(text)[1].error().problems
    assert [(problem.code, problem.where) for problem in problems] == [(code, where)]


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    found, report = read("\n".join(lines))
    assert found is None
    assert [problem.code for problem in report.error().problems] == ["too_large"]


@pytest.mark.parametrize("depth", [100, 5_000, 100_000])
def test_deep_nesting_is_a_problem_and_no_crash(depth: int) -> None:
    problems = read("[" * depth + "]" * depth)[1].error().problems
    assert [(problem.code, problem.where) for problem in problems] == [("too_large", "m.yaml:1:61")]


def test_carets_stand_under_the_value_whatever_is_before_it() -> None:
    report = read("日本: {b: 1,\tb: 2}")[1]
    assert report.error().details["excerpts"] == ["    1 | 日本: {b: 1,\tb: 2}\n        " + " " * 12 + "\t^"]


@given(st.text(alphabet=" \n:-[]{}&*!?,'\"#|>%@`~a1<é", max_size=60))
def test_any_text_is_read_or_its_problems_are_said(text: str) -> None:
    found, report = read(text)
    assert report or found is None or isinstance(found, dict | list | str | int | float | bool)
