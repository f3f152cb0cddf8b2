"""Data on stdout, in the form that was asked for: table, json, ndjson or yaml. Nothing else is written there."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO, TypeVar

import msgspec

from datactl.render.cells import cell
from datactl.render.facts import plain
from datactl.render.forms import Form
from datactl.render.tables import Column, write_pairs, write_table
from datactl.render.terminal import HIDDEN, is_terminal, json_safe, safe

_TABLE_CHUNK = 500  # an endless table is written in pages, each as wide as its own rows

Document = Mapping[str, Any]
T = TypeVar("T")


def default_form(stream: TextIO | None = None) -> Form:
    return "table" if is_terminal(stream or sys.stdout) else "json"


class Printer:
    """Writes documents (BSON values, as Extended JSON) and facts (plans, reports; plain JSON)."""

    def __init__(self, form: Form, *, canonical: bool = False, stream: TextIO | None = None) -> None:
        self.form = form
        self.canonical = canonical
        self._out = stream or sys.stdout
        self._on_terminal = is_terminal(self._out)
        self._indent = 2 if self._on_terminal else None

    @property
    def is_table(self) -> bool:
        return self.form == "table"

    def documents(self, documents: Iterable[Document], headings: Sequence[Column]) -> tuple[str, ...]:
        """Write a list, streaming. A table shows the fields named by `headings`; returns those without room."""
        if not self.is_table:
            self._list(documents, self._encode_document, self._document_structure)
            return ()
        hidden: tuple[str, ...] = ()
        rows = ([cell(_at(document, column.heading)) for column in headings] for document in documents)
        for chunk in _chunks(rows, _TABLE_CHUNK):
            hidden = write_table(headings, chunk, self._out)
        return hidden

    def document(self, document: Document) -> None:
        """Write one document; as a table, one field a line."""
        if self.is_table:
            write_pairs(((safe(name), cell(value)) for name, value in document.items()), self._out)
        elif self.form == "yaml":
            self._yaml(self._document_structure(document))
        else:
            self._line(self._encode_document(document, self._indent if self.form == "json" else None))

    def facts(self, facts: Any, table: Callable[[], None] | None = None) -> None:
        """Write one object; `table` writes it for people. Without `table`, one fact a line."""
        shown = plain(facts)
        if self.is_table:
            if table is not None:
                table()
            else:
                write_pairs(((name, cell(value)) for name, value in shown.items()), self._out)
        elif self.form == "yaml":
            self._yaml(shown)
        else:
            self._line(_encode_plain(shown, self._indent if self.form == "json" else None))

    def fact_list(
        self, facts: Iterable[T], headings: Sequence[Column], row: Callable[[T], Sequence[str]]
    ) -> tuple[str, ...]:
        """Write a list of objects; `row` gives the cells of one. Returns the headings without room."""
        if self.is_table:
            return write_table(headings, (row(fact) for fact in facts), self._out)
        self._list((plain(fact) for fact in facts), _encode_plain, plain)
        return ()

    def text(self, text: str) -> None:
        """Write text of ours as it is: a schema, an empty line. What may hold a document's value is for `say`."""
        self._out.write(text if text.endswith("\n") else text + "\n")

    def say(self, text: str) -> None:
        """Write one line of a report in table form, with nothing in it that a terminal would obey."""
        self._out.write(safe(text) + "\n")

    def json_text(self, value: Any) -> None:
        """Write a JSON document that is read by other programs: JSON in every form but yaml."""
        if self.form == "yaml":
            self._yaml(value)
        else:
            self._line(_encode_plain(value, None if self.form == "ndjson" else 2))

    def _list(
        self, items: Iterable[Any], encode: Callable[[Any, int | None], bytes], structure: Callable[[Any], Any]
    ) -> None:
        if self.form == "ndjson":
            for item in items:
                self._line(encode(item, None))
        elif self.form == "yaml":
            self._yaml_list(structure(item) for item in items)
        else:
            self._json_list(encode(item, self._indent) for item in items)

    def _json_list(self, items: Iterator[bytes]) -> None:
        separator = "[\n"
        for item in items:
            self._out.write(separator + self._shown(item))
            separator = ",\n"
        self._out.write("[]\n" if separator == "[\n" else "\n]\n")

    def _yaml_list(self, items: Iterator[Any]) -> None:
        empty = True
        for item in items:
            empty = False
            self._yaml([item])
        if empty:
            self._out.write("[]\n")

    def _yaml(self, value: Any) -> None:
        import yaml

        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
        if self._on_terminal and HIDDEN.search(text):
            text = yaml.safe_dump(value, sort_keys=False, allow_unicode=False, width=120)
        self._out.write(text)

    def _line(self, text: bytes) -> None:
        self._out.write(self._shown(text) + "\n")

    def _shown(self, json: bytes) -> str:
        return json_safe(json.decode()) if self._on_terminal else json.decode()

    def _encode_document(self, document: Any, indent: int | None) -> bytes:
        from datactl.render import ejson

        return ejson.encode(document, canonical=self.canonical, indent=indent)

    def _document_structure(self, document: Any) -> Any:
        from datactl.render import ejson

        return ejson.structure(document, canonical=self.canonical)


def _encode_plain(value: Any, indent: int | None) -> bytes:
    text = msgspec.json.encode(value)
    return msgspec.json.format(text, indent=indent) if indent else text


def _at(document: Document, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def _chunks(rows: Iterable[Sequence[str]], length: int) -> Iterator[list[Sequence[str]]]:
    """Lists of `length` rows; one empty list where there are no rows, so that the headings are written."""
    source = iter(rows)
    chunk = list(itertools.islice(source, length))
    yield chunk
    while chunk := list(itertools.islice(source, length)):
        yield chunk
