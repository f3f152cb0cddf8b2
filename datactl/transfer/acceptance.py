"""From what an input holds to a document of the model: a value that the model allows is taken as it is written.

One that it does not allow is converted if that loses nothing (text of a date, of an ObjectId), as `create` does. What
was stored in a database before gets no defaults and no time stamps, and keeps fields that are not declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import bson
from bson.regex import Regex

from datactl.errors import BadId, DocumentTooLarge, Problem
from datactl.mongo import CODEC, mapping_errors
from datactl.records.actions import CREATED_AT, UPDATED_AT
from datactl.records.creating import DOCUMENT_BYTES
from datactl.records.writing import NewDocument
from datactl.schema import Field, FieldType, Model
from datactl.schema.reading import Reader, invalid, pointer
from datactl.transfer.inputs import decoded
from datactl.yamlfile.report import did_you_mean, quoted

_OF_MONGOOSE = frozenset(("__v", "__t"))


@dataclass(frozen=True, slots=True)
class Accepted:
    """A document to insert; `stamped` are the fields that were not given and got their value now."""

    document: NewDocument
    stamped: tuple[str, ...] = ()


class Acceptance:
    """Reads documents of one model. `stored`: they are as a database had them, see above."""

    def __init__(self, model: Model, *, stored: bool) -> None:
        self._model = model
        self._stored = stored

    def accept(self, given: dict[str, Any] | bytes, now: datetime) -> Accepted:
        """The document, at the time `now`. InvalidDocument with every problem, DocumentTooLarge."""
        if isinstance(given, bytes):
            return self._whole(given)
        document = dict(given)
        problems: list[Problem] = []
        self._identify(document, problems)
        reader = Reader(now=now)
        doubtful: dict[str, None] = {}
        for problem in self._model.check(document):
            top = problem.where[1:].partition("/")[0].replace("~1", "/").replace("~0", "~")
            if document.get(top) is None:
                if not self._has_default(top, document):
                    problems.append(problem)
            elif top != "_id":
                doubtful[top] = None
        for name in doubtful:  # the value that was meant, or what is wrong with it
            document[name] = reader.value(self._model.by_name[name], document[name], pointer("", name))
        stamped = () if self._stored else self._complete(document, now)
        if not self._stored:
            problems += self._undeclared(document, reader)
        problems += reader.problems
        if problems:
            raise invalid(self._model.name, problems)
        with mapping_errors(f"encoding a document of {self._model.name}"):
            encoded = bson.encode({"_id": document.pop("_id"), **document}, codec_options=CODEC)
        return Accepted(self._sized(encoded), stamped)

    def _whole(self, raw: bytes) -> Accepted:
        """A BSON document: its bytes stay as they are."""
        values = decoded(raw)
        # A collection may hold ids of other types than the declared one, and create takes them too.
        problems = [each for each in self._model.check(values) if each.where.split("/")[1:2] != ["_id"]]
        if "_id" not in values:
            problems.append(Problem("/_id", "is required", "required"))
        elif isinstance(values["_id"], list | Regex):
            problems.append(Problem("/_id", "MongoDB takes no list and no regular expression for an id", "bad_id"))
        if problems:
            raise invalid(self._model.name, problems)
        return Accepted(self._sized(raw, values["_id"]))

    def _sized(self, encoded: bytes, id: Any = None) -> NewDocument:
        if len(encoded) > DOCUMENT_BYTES:
            raise DocumentTooLarge(
                f"the document is too large for {self._model.name}",
                why=f"it has {len(encoded):,} bytes of BSON, MongoDB takes {DOCUMENT_BYTES:,}",
            )
        return NewDocument(bson.decode(encoded, CODEC)["_id"] if id is None else id, encoded)

    def _identify(self, document: dict[str, Any], problems: list[Problem]) -> None:
        if "_id" not in document:
            made = self._model.new_id()
            if made is None:
                problems.append(Problem("/_id", "is required", "required"))
            document["_id"] = made
            return
        if not self._model.check({"_id": document["_id"]}) or self._model.id_type is FieldType.MIXED:
            return
        try:
            document["_id"] = self._model.parse_id(document["_id"])
        except BadId as error:
            problems.append(Problem("/_id", error.why or error.what, "bad_id"))

    def _has_default(self, name: str, document: Mapping[str, Any]) -> bool:
        field = self._model.by_name.get(name)
        return not self._stored and name not in document and field is not None and field.default is not None

    def _complete(self, document: dict[str, Any], now: datetime) -> tuple[str, ...]:
        """Defaults, time stamps and the mark of a live document, as a created one has them."""
        missing = {field.name for field in self._model.fields if field.name not in document}
        Reader(now=now).complete(self._model.fields, document)  # what is required and missing was found before
        stamps = {CREATED_AT: now, UPDATED_AT: now} if self._model.timestamps else {}
        stamped = tuple(name for name in stamps if document.get(name) is None)
        document.update({name: stamps[name] for name in stamped})
        if self._model.soft_delete:
            document.setdefault(self._model.marks.deleted, False)
        return (*stamped, *(name for name in missing if name in document))

    def _undeclared(self, document: Mapping[str, Any], reader: Reader) -> Iterator[Problem]:
        for name, value in document.items():
            field = self._model.by_name.get(name)
            at = pointer("", name)
            if field is not None:
                yield from _inside(field, value, at)
            elif self._model.additional_fields:
                reader.free({name: value}, "", 0)
            elif name not in _OF_MONGOOSE:
                known = [each.name for each in (self._model.id_field, *self._model.fields)]
                yield Problem(at, f"unknown field {quoted(name)}{did_you_mean(name, known)}", "unknown_field")


def _inside(field: Field, value: Any, at: str) -> Iterator[Problem]:
    """The undeclared fields of nested documents, at every depth."""
    if field.open:
        return
    if isinstance(value, Mapping):
        for name, item in value.items():
            child = field.child(name)
            if child is not None:
                yield from _inside(child, item, pointer(at, name))
            elif name != "_id":
                known = field.by_name
                yield Problem(
                    pointer(at, name), f"unknown field {quoted(name)}{did_you_mean(name, known)}", "unknown_field"
                )
    elif isinstance(value, list) and field.items is not None:
        for number, item in enumerate(value):
            yield from _inside(field.items, item, pointer(at, number))
