"""JSON from the command line: an argument, a file, or stdin; one document, an array, or one document a line."""

from __future__ import annotations

import io
import itertools
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from datactl.errors import UsageError

STDIN = "-"
DEPTH = 200  # as many levels of JSON as MongoDB's 100 can need where each is written as Extended JSON
_KINDS = {list: "list", str: "text", bool: "boolean", type(None): "null"}
_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Given:
    """What was given: `documents` in order; `single` if it was one document and no list of one."""

    documents: Collection[dict[str, Any]]
    single: bool

    def line_of(self, number: int) -> int | None:
        """The line of the input, from 1, on which document `number`, from 0, stands; None if lines do not part them."""
        return self.documents.line_of(number) if isinstance(self.documents, _Lines) else None


def read_documents(source: str) -> Given:
    """JSON text (begins with `{` or `[`), a file's name, or `-`. UsageError names the place where it is no JSON.

    Every line of NDJSON is looked at before this returns, and read again as it is asked for: nothing is begun with an
    input that is wrong further down, and memory holds one line.
    """
    if source.lstrip().startswith(("{", "[")):
        return _documents("the argument", io.BytesIO(source.encode()))
    if source == STDIN:
        return _documents("stdin", sys.stdin.buffer)
    return _documents(source, _opened(source))


def read_object(source: str) -> dict[str, Any]:
    """One JSON object from the same three places."""
    given = read_documents(source)
    if not given.single:
        raise UsageError("one JSON object is wanted", why=f"{len(given.documents)} were given")
    return next(iter(given.documents))


def _opened(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise UsageError(
            f"cannot read {path}", why=error.strerror, next="give JSON, the name of a file with JSON, or - for stdin"
        ) from None


def _documents(name: str, stream: BinaryIO) -> Given:
    lines = ((number, line) for number, line in enumerate(stream, start=1) if line.strip())
    start, first = next(lines, (0, b""))
    if not first:
        raise UsageError(f"{name} holds no JSON", next="give JSON, the name of a file with JSON, or - for stdin")
    if first.lstrip().startswith(b"{"):
        second = next(lines, None)
        if not _is_whole(first):
            rest = b"" if second is None else second[1] + stream.read()
            return Given([_object(name, first + rest)], single=True)
        if second is None:
            return Given([_object(name, first)], single=True)
        return Given(_Lines(name, itertools.chain([(start, first), second], lines)), single=False)
    values = _value(name, first + stream.read())
    if not isinstance(values, list):
        raise UsageError(f"{name} holds no JSON object", why="a document is an object, several are an array of them")
    return Given([_checked(f"{name}, number {n}", value) for n, value in enumerate(values, start=1)], single=False)


class _Lines(Collection[dict[str, Any]]):
    """One document a line, kept on disk: all were looked at once, each is read again when its turn comes."""

    def __init__(self, name: str, lines: Iterable[tuple[int, bytes]]) -> None:
        self._kept = tempfile.TemporaryFile()  # noqa: SIM115 - it goes with this object
        self._length = 0
        self._gaps: list[tuple[int, int]] = []  # (document, empty lines before it), where empty lines are
        for number, line in lines:
            _object(f"{name}, line {number}", line)
            gap = number - 1 - self._length
            if gap != (self._gaps[-1][1] if self._gaps else 0):
                self._gaps.append((self._length, gap))
            self._kept.write(line if line.endswith(b"\n") else line + b"\n")
            self._length += 1

    def line_of(self, number: int) -> int:
        """The line of document `number`, from 0, of the input as it was given."""
        return number + 1 + next((gap for first, gap in reversed(self._gaps) if first <= number), 0)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._kept.seek(0)
        for line in self._kept:
            yield _decode(line)

    def __contains__(self, document: object) -> bool:
        return any(each == document for each in self)


def _is_whole(line: bytes) -> bool:
    try:
        _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    except RecursionError:
        return True  # whoever reads it says so
    return True


def _object(at: str, text: bytes) -> dict[str, Any]:
    return _checked(at, _value(at, text))


def _checked(at: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{at}: a document is a JSON object", why=f"this is a {_KINDS.get(type(value), 'number')}")
    return value


def _value(at: str, text: bytes) -> Any:
    try:
        value = _decode(text)
        if text.count(b"{") + text.count(b"[") > DEPTH and _is_deeper(value, DEPTH):
            raise RecursionError
        return value
    except RecursionError:
        raise UsageError(
            f"{at} is nested too deeply", why=f"more than {DEPTH} levels: MongoDB takes 100", next="make it flatter"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{at} is not valid UTF-8", why=f"byte {error.object[error.start]:#04x} of {error.reason}"
        ) from None
    except msgspec.DecodeError as error:
        raise UsageError(f"{at} is not valid JSON", why=_why(text, str(error))) from None


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether objects and arrays are nested in more than so many levels; asked level by level, not by recursion."""
    level = [value]
    for _ in range(levels):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _why(text: bytes, message: str) -> str:
    for constant in (b"NaN", b"Infinity"):
        if constant in text:
            return f'{message}; JSON has no {constant.decode()}, write {{"$numberDouble": "{constant.decode()}"}}'
    return message
