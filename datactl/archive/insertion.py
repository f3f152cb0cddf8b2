"""Inserting an archived document again: what stands against it, and one transaction if nothing does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo.client_session import ClientSession

from datactl.archive.documents import decoded, has_mark, unmarked
from datactl.archive.evidence import Origin, record_restored
from datactl.archive.holds import hold
from datactl.archive.owed import owe, owed
from datactl.archive.rules import BY_AGE
from datactl.errors import DatactlError, DuplicateKey, Problem, RestoreConflict
from datactl.mongo import CODEC, Mongo, mapping_errors, raw_id
from datactl.records.faults import concealed, seq_was_taken
from datactl.records.operations import Context
from datactl.records.placing import with_values
from datactl.records.restoring import Preflight, Together
from datactl.schema import Model, Registry
from datactl.vault import Retrieved

_SEQ_TRIES = 10


@dataclass(frozen=True, slots=True)
class Insertion:
    """How archived documents of one model are inserted."""

    mongo: Mongo
    registry: Registry
    model: Model
    context: Context
    set: Mapping[str, Any]
    as_archived: bool
    event_key: bytes | None
    together: Together | None = None

    def insert(self, retrieved: Retrieved, check: Callable[[], None]) -> Origin:
        """Insert the document, with its event and the note that its receipt is owed; all or nothing.

        `check` is called in the transaction once the document is inserted, and raises where it is not the right one any
        more: whatever took a newer one out of the snapshot had written its copy before. RestoreConflict where today's
        schema, a reference or a unique key stands against it, or a document is there.
        """
        origin = Origin(retrieved.copy.manifest.name, retrieved.copy.position)
        document = self._document(retrieved.document)
        held = (
            self.as_archived
            or self.model.archive.select is not None  # which may name it as soon as it is live
            or (retrieved.copy.manifest.cause == BY_AGE and not has_mark(retrieved.document, self.model.marks.deleted))
        )

        attempts = 0

        def write(session: ClientSession) -> None:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and self._is_done(session, origin):
                return  # it was committed, and the answer was lost
            self._preflight(session, document, retrieved.document)
            self._insert(session, document)
            check()
            owe(
                self.mongo,
                session,
                self.model.name,
                origin,
                op=self.context.op,
                actor=self.context.actor,
                now=self.context.at,
            )
            if held:
                key = raw_id(document)
                hold(self.mongo, session, self.model.name, key, now=self.context.at, op=self.context.op)
            record_restored(
                self.mongo,
                session,
                self.model,
                document,
                origin,
                context=self.context,
                as_archived=self.as_archived,
                event_key=self.event_key,
            )

        for attempt in range(_SEQ_TRIES):
            try:
                self.mongo.transaction(write)
            except DuplicateKey as error:
                if seq_was_taken(error) and attempt + 1 < _SEQ_TRIES:
                    continue
                raise self._taken(document, concealed(error, self.model)) from None
            else:
                return origin
        raise AssertionError("unreachable")

    def _is_done(self, session: ClientSession, origin: Origin) -> bool:
        return any(debt.op == self.context.op for debt in owed(self.mongo, self.model.name, origin, session=session))

    def _document(self, archived: bytes) -> bytes:
        """What is inserted: the archived bytes; unmarked unless asked for otherwise, with the values that are set."""
        if self.as_archived:
            return archived
        bare = unmarked(archived, self.model.marks) if self.model.soft_delete else archived
        if not self.set:
            return bare
        with mapping_errors("reading the archived document"):
            values: dict[str, Any] = bson.decode(bare, CODEC)
            return bson.encode(with_values(values, self.set), codec_options=CODEC)

    def _preflight(self, session: ClientSession, document: bytes, archived: bytes) -> None:
        if self.as_archived and has_mark(document, self.model.marks.deleted):
            return  # it stays a deleted document: unique keys and references do not count for it
        marks = decoded(archived) if self.model.soft_delete else {}
        told = {name: marks[name] for name in (self.model.marks.deleted_op,) if name in marks}
        refusal = self._refusal(session, decoded(document) | told, self.together)
        if refusal is not None:
            raise refusal

    def refusal(self, document: bytes, together: Together) -> RestoreConflict | None:
        """What stands against a document that is to be live again, as it is now; outside of any transaction."""
        return self._refusal(None, with_values(decoded(document), self.set), together)

    def _refusal(
        self, session: ClientSession | None, document: Mapping[str, Any], together: Together | None
    ) -> RestoreConflict | None:
        # The repository's own rule, which looks at documents that are about to lose their mark.
        asked = {**document, **({self.model.marks.deleted: True} if self.model.soft_delete else {})}
        (refusal,) = Preflight(self.model, self.mongo, self.registry, together).refusals(session, [asked])
        return refusal

    def _insert(self, session: ClientSession, document: bytes) -> None:
        raw: Any = RawBSONDocument(document, DEFAULT_RAW_BSON_OPTIONS)
        with mapping_errors(f"inserting into {self.model.collection}"):
            self.mongo.collection(self.model.collection).insert_one(raw, session=session)

    def _taken(self, document: bytes, error: DatactlError) -> RestoreConflict:
        """Somebody inserted a document with this `_id`, or with one of its unique values, in between."""
        return RestoreConflict(
            f"{self.model.name} {decoded(document)['_id']} cannot be restored",
            why=str(error),
            next=error.next,
            problems=error.problems or (Problem("", str(error), "unique_taken"),),
            model=self.model.name,
            **error.details,
        )
