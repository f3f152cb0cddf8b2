"""JSON from an argument, a file or stdin, and what is said about text that is none."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from datactl.commands.reading import read_documents, read_object
from datactl.errors import UsageError


def from_stdin(monkeypatch: pytest.MonkeyPatch, text: bytes) -> tuple[bool, list[dict[str, Any]]]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    given = read_documents("-")
    return given.single, list(given.documents)


@pytest.mark.parametrize(
    ("text", "single", "documents"),
    [
        (b'{"a": 1}', True, [{"a": 1}]),
        (b'\n\n{"a": 1}\n\n', True, [{"a": 1}]),
        (b'{\n  "a": {"b": [1,\n 2]}\n}\n', True, [{"a": {"b": [1, 2]}}]),
        (b'{"a": 1}\n{"a": 2}\n\n{"a": 3}', False, [{"a": 1}, {"a": 2}, {"a": 3}]),
        (b'[{"a": 1}, {"a": 2}]', False, [{"a": 1}, {"a": 2}]),
        (b'[\n {"a": 1}\n]', False, [{"a": 1}]),
        (b"[]", False, []),
        (b'{"n": 12345678901234567890123}', True, [{"n": 12345678901234567890123}]),
    ],
)
def test_one_an_array_or_one_a_line(
    text: bytes, single: bool, documents: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert from_stdin(monkeypatch, text) == (single, documents)


def test_argument_and_file_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "posts.json"
    file.write_text('{"from": "file"}')
    assert read_object('{"from": "argument"}') == {"from": "argument"}
    assert read_object(str(file)) == {"from": "file"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "holds no JSON"),
        (b"   \n ", "holds no JSON"),
        (b"{", "not valid JSON"),
        (b'{"a": NaN}', "JSON has no NaN"),
        (b'{"a": Infinity}', "JSON has no Infinity"),
        (b'{"a": "\xff"}', "not valid UTF-8"),
        (b'{"a": 1}\n{"a": "\xff"}\n', "line 2 is not valid UTF-8"),
        (b'{"a": 1}\n{"a": 2}\n{a: 3}\n', "line 3 is not valid JSON"),
        (b'{"a": 1}\n[]\n', "line 2: a document is a JSON object"),
        (b'[{"a": 1}, 2]', "number 2: a document is a JSON object"),
        (b'"text"', "holds no JSON object"),
        (b"12", "holds no JSON object"),
    ],
)
def test_what_is_no_json_is_named_with_its_place(text: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as caught:
        from_stdin(monkeypatch, text)
    assert said in f"{caught.value}"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UsageError, match=r"cannot read posts\.json: No such file"):
        read_documents("posts.json")


@pytest.mark.parametrize("opening", ['{"a":', "["], ids=["objects", "arrays"])
@pytest.mark.parametrize("levels", [250, 5_000, 200_000])
@pytest.mark.parametrize("more", ["", '\n{"a": 1}\n'])
def test_json_that_is_nested_too_deeply(opening: str, levels: int, more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closing = "}" if opening.startswith("{") else "]"
    text = '{"x":' + opening * levels + "1" + closing * levels + "}" + more
    with pytest.raises(UsageError, match="nested too deeply"):
        from_stdin(monkeypatch, text.encode())


def test_a_hundred_levels_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"a":' * 100 + '{"$numberLong": "1"}' + "}" * 100
    assert from_stdin(monkeypatch, text.encode())[0]


def test_the_last_value_of_a_name_counts() -> None:
    assert read_object('{"a": 1, "a": 2}') == {"a": 2}


def test_the_line_of_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"", b"", b'{"n": 0}', b'{"n": 1}', b"  ", b'{"n": 2}', b"", b"", b'{"n": 3}', b'{"n": 4}']
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(lines))))
    given = read_documents("-")
    assert [given.line_of(number) for number in range(5)] == [3, 4, 6, 9, 10]
    assert read_documents("[]").line_of(0) is None
