"""Creating: what comes in as a document of the model, ready to be inserted: read, given an `_id`, stamped, encoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import bson

from datactl.errors import BadId, DatactlError, DocumentTooLarge, InvalidDocument, Problem
from datactl.mongo import CODEC, mapping_errors
from datactl.records.actions import CREATED_AT, UPDATED_AT
from datactl.records.writing import NewDocument
from datactl.schema import Field, FieldType, Model
from datactl.schema.reading import invalid

# MongoDB's limit: https://www.mongodb.com/docs/manual/reference/limits/ (BSON Document Size)
DOCUMENT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Incoming:
    """One of many documents to create: its number from 0, and what was made of it or what is wrong with it."""

    number: int
    document: NewDocument | None
    error: DatactlError | None = None

    @property
    def size(self) -> int:
        return len(self.document.encoded) if self.document else 0


class Intake:
    """Makes documents of one model from what a caller gives."""

    def __init__(self, model: Model) -> None:
        self._model = model
        # An `_id` may be of any type that MongoDB takes: it is read by itself.
        self._body = replace(model, id_field=Field(name="_id", path="_id", type=FieldType.OBJECT_ID))

    def read(self, data: Any, now: datetime) -> NewDocument:
        """One document, at the time `now`. InvalidDocument with every problem, DocumentTooLarge."""
        problems: list[Problem] = []
        given: Any = dict(data) if isinstance(data, Mapping) else data
        new_id = self._id(given, problems)
        try:
            body = self._body.read_input(given, now=now)
        except InvalidDocument as error:
            problems += error.problems
        if problems:
            raise invalid(self._model.name, problems)
        if self._model.timestamps:
            body = {**body, CREATED_AT: body.get(CREATED_AT) or now, UPDATED_AT: body.get(UPDATED_AT) or now}
        if self._model.soft_delete:
            body = {**body, self._model.marks.deleted: False}  # as mongoose-delete does: its queries may ask for false
        with mapping_errors(f"encoding a document of {self._model.name}"):
            encoded = bson.encode({"_id": new_id, **body}, codec_options=CODEC)
        if len(encoded) > DOCUMENT_BYTES:
            raise DocumentTooLarge(
                f"the document is too large for {self._model.name}",
                why=f"it has {len(encoded):,} bytes of BSON, MongoDB takes {DOCUMENT_BYTES:,}",
                next="split it, or keep its large parts elsewhere",
            )
        return NewDocument(new_id, encoded)

    def read_all(self, items: Iterable[Mapping[str, Any]], now: datetime) -> Iterator[Incoming]:
        """Each item; one that is not valid is passed on with its error."""
        for number, item in enumerate(items):
            try:
                yield Incoming(number, self.read(item, now))
            except (InvalidDocument, DocumentTooLarge) as error:
                yield Incoming(number, None, error)

    def _id(self, given: Any, problems: list[Problem]) -> Any:
        """The `_id`, taken out of what is given; a new one if the model can make one."""
        if not isinstance(given, dict) or "_id" not in given:
            made = self._model.new_id()
            if made is None and isinstance(given, dict):
                problems.append(Problem("/_id", "is required", "required"))
            return made
        try:
            return self._model.parse_id(given.pop("_id"))
        except BadId as error:
            problems.append(Problem("/_id", error.why or error.what, "bad_id"))
            return None
