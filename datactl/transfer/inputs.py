"""The documents of an input, one after another: from BSON, NDJSON or CSV, each with its place and its original text."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import bson
from bson.errors import BSONError

from datactl.errors import InvalidDocument, UsageError
from datactl.mongo import CODEC
from datactl.schema import Field, FieldType, Model
from datactl.transfer.columns import OTHER, Columns, read_cells
from datactl.transfer.ejson_lines import line_of, read_line
from datactl.transfer.formats import Format, opened
from datactl.transfer.segments import read_documents
from datactl.yamlfile.report import did_you_mean, quoted

REJECTED = "$rejected"
_MARK = f'{{"{REJECTED}"'.encode()
_LONGEST_LINE = 256 * 1024 * 1024
_LONGEST_CELL = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Record:
    """One document of an input: its number from 0, where it stands (`line 7`), and how to read it.

    `read` gives its values, or its BSON where that is what the input holds; InvalidDocument. `original` is what stands
    there, for the file of rejected documents: a line, a row's cells, or the text of what is no row.
    """

    number: int
    place: str
    read: Callable[[], dict[str, Any] | bytes]
    original: bytes | Sequence[str]


_Found: TypeAlias = tuple[str, Callable[[], dict[str, Any] | bytes], bytes | Sequence[str]]  # a Record's, unnumbered


class Input:
    """The records of some files of one format. `header` are the columns of a CSV."""

    def __init__(
        self, model: Model, format: Format, files: Sequence[Path], *, delimiter: str, undeclared: bool
    ) -> None:
        self.format = format
        self.header: tuple[str, ...] = ()
        self._model = model
        self._files = files
        self._delimiter = delimiter
        self._undeclared = undeclared
        if format is Format.CSV:
            self.header = self._header(files[0]) if files else ()

    def records(self, start: int = 0) -> Iterator[Record]:
        """The records from number `start` on. UsageError where a file is broken beyond its next line."""
        read = {Format.BSON: self._bson, Format.NDJSON: self._lines, Format.CSV: self._rows}[self.format]
        found = itertools.chain.from_iterable(read(path) for path in self._files)
        for number, (place, reading, original) in enumerate(found):
            if number >= start:
                yield Record(number, place, reading, original)

    def _bson(self, path: Path) -> Iterator[_Found]:
        for number, raw in enumerate(read_documents(path), start=1):
            yield f"document {number:,}", partial(_itself, raw), raw

    def _lines(self, path: Path) -> Iterator[_Found]:
        with opened(path) as file:
            for number in itertools.count(1):
                line = file.readline(_LONGEST_LINE)
                if not line:
                    return
                if len(line) >= _LONGEST_LINE:
                    raise UsageError(f"{path}, line {number:,} is longer than any document can be")
                text = (line.removeprefix(_BOM) if number == 1 else line).rstrip(b"\r\n")
                if text.strip() and not text.startswith(_MARK):
                    yield f"line {number:,}", partial(read_line, text), text

    def _rows(self, path: Path) -> Iterator[_Found]:
        fields = {name: self._field(name) for name in self.header if name not in (OTHER, REJECTED)}
        with opened(path) as file, _text(file) as text:
            lines = _Lines(text)
            rows = csv.reader(lines, delimiter=self._delimiter, strict=True)
            next(rows, None)  # the header
            while True:
                first = rows.line_num + 1
                lines.taken.clear()
                try:
                    cells = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield f"line {first:,}", _refusing(f"it is no CSV: {error}"), lines.original()
                    continue
                if cells:
                    yield f"line {first:,}", partial(self._document, fields, cells), self._original(cells)

    def _original(self, cells: Sequence[str]) -> bytes | Sequence[str]:
        """The cells; of a rejected row that nobody has filled in yet, what it was."""
        if REJECTED in self.header and len(cells) == len(self.header):
            place = self.header.index(REJECTED)
            if cells[place] and not any(cells[:place]) and not any(cells[place + 1 :]):
                return cells[place].encode("utf-8", "surrogateescape")
        return cells

    def _document(self, fields: Mapping[str, Field], cells: Sequence[str]) -> dict[str, Any]:
        if len(cells) != len(self.header):
            raise InvalidDocument(
                "the row holds no document", why=f"it has {len(cells)} cells, the header has {len(self.header)}"
            )
        named = {name: text for name, text in zip(self.header, cells, strict=True) if name != REJECTED}
        if not any(named.values()):
            raise InvalidDocument("the row holds no document", why="it is empty")
        return read_cells(fields, named)

    def _header(self, path: Path) -> tuple[str, ...]:
        csv.field_size_limit(_LONGEST_CELL)
        with opened(path) as file, _text(file) as text:
            try:
                header = next(csv.reader(text, delimiter=self._delimiter, strict=True), [])
            except csv.Error as error:
                raise UsageError(f"the first line of {path} is no header of a CSV file", why=str(error)) from None
        names = [name.strip() for name in header]
        if len(names) == 1 and names[0] not in Columns(self._model, withheld=False, marks=True).fields:
            for delimiter in (";", "\t", "|"):
                if delimiter in names[0]:
                    shown = "'\\t'" if delimiter == "\t" else f"'{delimiter}'"
                    raise UsageError(f"{path} parts its columns by {shown}", next=f"--delimiter {shown}")
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"{path} has the column {quoted(name)} twice")
            if name not in (OTHER, REJECTED):
                self._field(name)
        return tuple(names)

    def _field(self, name: str) -> Field:
        field = self._model.field(name) if name else None
        if field is None and name and (self._undeclared or self._model.additional_fields):
            return Field(name=name, path=name, type=FieldType.MIXED)
        if field is None:
            known = [each for each in Columns(self._model, withheld=False, marks=True).names if each != OTHER]
            raise UsageError(
                f"{self._files[0]}: the column {quoted(name)} is no field of "
                f"{self._model.name}{did_you_mean(name, known)}",
                why=f"the first line of a CSV file names its columns, as {', '.join(known[:4])}",
                next="give it the field's name, or --as-stored to take undeclared fields as well",
            )
        return field


class _Lines:
    """Lines of a text, and in `taken` those of the row that is being read."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken.append(line)
        return line

    def original(self) -> bytes:
        """The text of the row, without its last end of line; of one that no cell can hold, its beginning."""
        return "".join(self.taken).rstrip("\r\n")[: _LONGEST_CELL // 2].encode("utf-8", "surrogateescape")


def bson_line(raw: bytes) -> bytes:
    """A document of a BSON file as a line for the file of rejected documents."""
    return line_of(raw)


def decoded(raw: bytes) -> dict[str, Any]:
    """A BSON document's values. InvalidDocument."""
    try:
        return bson.decode(raw, CODEC)
    except (BSONError, UnicodeDecodeError, ValueError) as error:
        raise InvalidDocument("it is no valid BSON", why=str(error)) from None


def _itself(raw: bytes) -> bytes:
    return raw


def _refusing(why: str) -> Callable[[], dict[str, Any]]:
    def refuse() -> dict[str, Any]:
        raise InvalidDocument("the row holds no document", why=why)

    return refuse


def _text(file: Any) -> io.TextIOWrapper:
    """Text of bytes that may not be UTF-8 everywhere: what is not stays as it is, and is refused where it matters."""
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
