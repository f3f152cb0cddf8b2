"""Writing: documents and their events in one transaction, in few round trips.

A transaction reads the documents, then their newest `seq`, and writes: by one client bulkWrite for a few documents, by
one command per collection for many (a server takes 500 events by `insert` in half the time of a bulkWrite of them).
It is a snapshot: another writer of the same document makes it fail with a write conflict, and it is run again from
the beginning, so that a decision never stands on what has changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo import InsertOne, UpdateMany, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from datactl.errors import DatactlError, InvalidDocument, PreconditionFailed, WriteConflict
from datactl.events import (
    EventRow,
    aggregate_key,
    ensure_outbox_indexes,
    event_row,
    insert_rows,
    make_payload,
    next_seqs,
    without_secrets,
)
from datactl.mongo import CODEC, Document, Mongo, WriteModel
from datactl.records.actions import Action, Decision, Update
from datactl.records.etags import matches
from datactl.records.faults import not_found
from datactl.records.marks import both
from datactl.records.operations import Context
from datactl.records.results import Change
from datactl.schema import Model

# One transaction: so many documents, or so many bytes of documents and events, or one larger document alone.
CHUNK_DOCUMENTS = 500
CHUNK_BYTES = 8 * 1024 * 1024

# Documents as their bytes; what is sent is encoded as everywhere: a UUID may be an `_id`.
AS_STORED: CodecOptions[RawBSONDocument] = CodecOptions(RawBSONDocument, uuid_representation=CODEC.uuid_representation)

_FEW = 8
_SIZE = "__datactl_bytes"


@dataclass(slots=True)
class Outcome:
    """What one transaction did: how many of the ids it took, and what became of them."""

    taken: int = 0
    changes: list[Change] = field(default_factory=list)
    unchanged: list[Any] = field(default_factory=list)
    missed: list[Any] = field(default_factory=list)
    """Ids that the selection does not match (any more)."""
    failed: list[tuple[Any, DatactlError]] = field(default_factory=list)
    event: ObjectId | None = None
    """One of the events that it wrote: every attempt at a transaction makes others."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document to insert: its `_id` and its BSON."""

    id: Any
    encoded: bytes


class Writer:
    """Writes documents of one model with their events."""

    def __init__(self, model: Model, mongo: Mongo, event_key: bytes | None) -> None:
        self._model = model
        self._mongo = mongo
        self._event_key = event_key
        self._collection: Collection[Document] = mongo.collection(model.collection)
        self._namespace = mongo.namespace(model.collection)
        self._checked = False

    def prepare(self) -> None:
        """What must hold before a first write. Raises NoTransactions, WeakDurability."""
        if not self._checked:
            self._mongo.require_transactions()
            ensure_outbox_indexes(self._mongo)
            self._checked = True

    def create(self, session: ClientSession, documents: Sequence[NewDocument], context: Context) -> Outcome:
        """Insert documents. DuplicateKey names the field whose value is taken."""
        taken = self._fitting(documents)
        seqs = next_seqs(self._mongo, session, self._model.name, [document.id for document in taken])
        changes: list[Change] = []
        rows: list[EventRow] = []
        for document, seq in zip(taken, seqs, strict=True):
            after: Any = RawBSONDocument(document.encoded, DEFAULT_RAW_BSON_OPTIONS)
            if self._model.secret_paths:
                after = bson.decode(document.encoded, CODEC)
            rows.append(self._row(document.id, "Created", None, after, seq, context))
            changes.append(Change(self._model.name, document.id, "created", changed=True, op=context.op, seq=seq))
        raw = [RawBSONDocument(document.encoded, DEFAULT_RAW_BSON_OPTIONS) for document in taken]
        if len(taken) <= _FEW:
            models: list[WriteModel] = [InsertOne(each, namespace=self._namespace) for each in raw]  # type: ignore[arg-type]
            self._write_few(session, models, rows)
        else:
            self._collection.insert_many(raw, session=session)
            insert_rows(self._mongo, session, rows)
        return Outcome(len(taken), changes, event=rows[0].row["_id"] if rows else None)

    def change(
        self,
        session: ClientSession,
        action: Action,
        ids: Sequence[Any],
        context: Context,
        *,
        selection: Mapping[str, Any] | None = None,
        if_match: str | None = None,
    ) -> Outcome:
        """Do `action` to these documents, as many as fit one transaction, from the first on.

        With a `selection`, a document that does not match it (any more) is left unchanged; without one, an id that is
        not there has failed. `if_match` is an ETag that each must have. PreconditionFailed.
        """
        found, taken = self._read(session, action, ids, selection, context)
        outcome = Outcome(taken)
        candidates: list[Document] = []
        seen: set[bytes] = set()
        for wanted in ids[:taken]:
            key = aggregate_key(wanted)
            if key in found and key not in seen:
                candidates.append(found[key])
            elif key in found:
                outcome.unchanged.append(wanted)
            elif selection is not None:
                outcome.missed.append(wanted)
            else:
                outcome.failed.append((wanted, not_found(self._model, wanted)))
            seen.add(key)
        if if_match is not None:
            self._require_match(session, candidates, if_match)
        allowed: list[Document] = []
        for document, refusal in zip(candidates, action.refusals(session, candidates), strict=True):
            if refusal is None:
                allowed.append(document)
            else:
                outcome.failed.append((document["_id"], refusal))
        if isinstance(action, Update) and not action.plan.plain:
            self._change_as_told(session, action, allowed, context, outcome)
        else:
            self._change_as_decided(session, action, allowed, context, outcome)
        return outcome

    def change_each(
        self, session: ClientSession, event: str, decided: Sequence[tuple[Any, Decision]], context: Context
    ) -> Outcome:
        """Give each of these documents (by `_id`) values of its own: the paths of `after` are set, what is only in
        `before` is removed. The caller read them in this session, and keeps to what one transaction takes.
        """
        outcome = Outcome(len(decided))
        rows = self._rows(session, event, decided, context, outcome)
        models: list[WriteModel] = []
        for changed, (before, after) in decided:
            (query,) = self._by_ids([changed])
            gone = [path for path in before if path not in after]
            update = {"$set": after, "$unset": dict.fromkeys(gone, "")}
            update = {operator: operands for operator, operands in update.items() if operands}
            models.append(UpdateOne(query, update, namespace=self._namespace))
        self._write_few(session, models, rows, matched=len(decided))
        return outcome

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read(
        self,
        session: ClientSession,
        action: Action,
        ids: Sequence[Any],
        selection: Mapping[str, Any] | None,
        context: Context,
    ) -> tuple[dict[bytes, Document], int]:
        """The documents by their key, and how many of the ids they are the answer to."""
        fields: dict[str, Any] | None = None
        if action.paths is not None:
            fields = dict.fromkeys(("_id", *action.paths), 1)
        if len(ids) == 1:
            return dict(self._find(session, ids, selection, fields)), 1
        size = {_SIZE: {"$bsonSize": "$$ROOT"}}
        if fields is not None:
            found = dict(self._find(session, ids, selection, {**fields, **size}))
            sizes = {key: document.pop(_SIZE) for key, document in found.items()}
            return found, self._prefix(action, ids, sizes, context)
        sizes = {key: document[_SIZE] for key, document in self._find(session, ids, selection, {"_id": 1, **size})}
        taken = self._prefix(action, ids, sizes, context)
        return dict(self._find(session, ids[:taken], selection, None)), taken

    def _find(
        self,
        session: ClientSession,
        ids: Sequence[Any],
        selection: Mapping[str, Any] | None,
        fields: Mapping[str, Any] | None,
    ) -> Iterator[tuple[bytes, Document]]:
        for query in self._by_ids(ids):
            found = self._collection.find(both(query, selection or {}), fields, session=session)
            for document in found.batch_size(CHUNK_DOCUMENTS + 1):  # in one answer, and known to be all
                yield aggregate_key(document["_id"]), document

    def _by_ids(self, ids: Sequence[Any]) -> Iterator[dict[str, Any]]:
        if len(ids) == 1:
            yield {"_id": {"$eq": ids[0]} if isinstance(ids[0], Mapping) else ids[0]}
            return
        step = self._mongo.capabilities.in_chunk
        for start in range(0, len(ids), step):
            yield {"_id": {"$in": list(ids[start : start + step])}}

    def _prefix(self, action: Action, ids: Sequence[Any], sizes: Mapping[bytes, int], context: Context) -> int:
        """How many ids from the first on one transaction takes; at least one."""
        added = len(bson.encode(action.update(context), codec_options=CODEC))
        total = 0
        for count, wanted in enumerate(ids):
            total += action.weight * sizes.get(aggregate_key(wanted), 0) + 2 * added
            if total > CHUNK_BYTES and count:
                return count
        return len(ids)

    def _fitting(self, documents: Sequence[NewDocument]) -> Sequence[NewDocument]:
        total = 0
        for count, document in enumerate(documents):
            total += 2 * len(document.encoded)  # the document, and its event
            if total > CHUNK_BYTES and count:
                return documents[:count]
        return documents

    def _require_match(self, session: ClientSession, documents: Iterable[Document], if_match: str) -> None:
        raw = self._collection.with_options(codec_options=AS_STORED)
        for document in documents:
            (query,) = self._by_ids([document["_id"]])
            stored: Any = raw.find_one(query, session=session)
            if stored is None or not matches(if_match, self._mongo.cursor_key, stored.raw):
                raise PreconditionFailed(
                    f"{self._model.name} {document['_id']} has changed",
                    why="its state is not the one that If-Match names",
                    next="read it again, and decide on what it is now",
                )

    # -- writing ------------------------------------------------------------------------------------------------------

    def _change_as_decided(
        self,
        session: ClientSession,
        action: Action,
        documents: Sequence[Document],
        context: Context,
        outcome: Outcome,
    ) -> None:
        decided: list[tuple[Any, Decision]] = []
        for document in documents:
            decision = action.decide(document, context)
            if decision is None:
                outcome.unchanged.append(document["_id"])
            else:
                decided.append((document["_id"], decision))
        if decided:
            rows = self._rows(session, action.event, decided, context, outcome)
            self._write(session, [each for each, _ in decided], action.update(context), rows)

    def _change_as_told(
        self,
        session: ClientSession,
        action: Update,
        documents: Sequence[Document],
        context: Context,
        outcome: Outcome,
    ) -> None:
        """The server applies the operators; what it made of the documents is read back in the same transaction."""
        if not documents:
            return
        ids = [document["_id"] for document in documents]
        self._update(session, ids, action.update(context))
        became = dict(self._find(session, ids, None, None))
        decided: list[tuple[Any, Decision]] = []
        refused: dict[bytes, DatactlError] = {}
        for document in documents:
            key = aggregate_key(document["_id"])
            try:
                decision = action.told(document, became[key], context)
            except InvalidDocument as error:
                if len(documents) == 1:
                    raise
                refused[key] = error
                continue
            if decision is None:
                outcome.unchanged.append(document["_id"])
            else:
                decided.append((document["_id"], decision))
        if refused:  # the server has changed them already, in this transaction
            raise action.refuse(refused)
        if decided:
            rows = self._rows(session, action.event, decided, context, outcome)
            stamps = action.stamps(context)
            if stamps:
                self._write(session, [each for each, _ in decided], {"$set": stamps}, rows)
            else:
                insert_rows(self._mongo, session, rows)

    def _rows(
        self,
        session: ClientSession,
        event: str,
        decided: Sequence[tuple[Any, Decision]],
        context: Context,
        outcome: Outcome,
    ) -> list[EventRow]:
        seqs = next_seqs(self._mongo, session, self._model.name, [each for each, _ in decided])
        rows: list[EventRow] = []
        secret = self._model.secret_paths
        kind = event.lower()
        for (changed, (before, after)), seq in zip(decided, seqs, strict=True):
            rows.append(self._row(changed, event, before, after, seq, context))
            if secret:
                before, after = without_secrets(before, secret), without_secrets(after, secret)
            change = Change(self._model.name, changed, kind, True, context.op, before, after, seq)  # noqa: FBT003
            outcome.changes.append(change)
        outcome.event = rows[0].row["_id"]
        return rows

    def _row(
        self, id: Any, event: str, before: Mapping[str, Any] | None, after: Any, seq: int, context: Context
    ) -> EventRow:
        row_id = ObjectId()
        payload = make_payload(
            before, after, secret_paths=self._model.secret_paths, event_key=self._event_key, event_id=row_id
        )
        return event_row(
            id=row_id,
            aggregate=self._model.name,
            aggregate_id=id,
            event_type=self._model.name + event,
            payload=payload,
            seq=seq,
            op=context.op,
            actor=context.actor,
            reason=context.reason,
            created_at=context.at,
        )

    def _write(
        self, session: ClientSession, ids: Sequence[Any], update: Mapping[str, Any], rows: Sequence[EventRow]
    ) -> None:
        if len(ids) <= _FEW:
            models: list[WriteModel] = [
                UpdateMany(query, update, namespace=self._namespace) for query in self._by_ids(ids)
            ]
            self._write_few(session, models, rows, matched=len(ids))
        else:
            self._update(session, ids, update)
            insert_rows(self._mongo, session, rows)

    def _write_few(
        self, session: ClientSession, models: list[WriteModel], rows: Sequence[EventRow], matched: int = 0
    ) -> None:
        models += (model for row in rows if not row.chunks for model in row.models(self._mongo))
        done = self._mongo.bulk_write(models, session)
        self._expect(done.matched, matched)
        insert_rows(self._mongo, session, [row for row in rows if row.chunks])

    def _update(self, session: ClientSession, ids: Sequence[Any], update: Mapping[str, Any]) -> None:
        matched = sum(
            self._collection.update_many(query, update, session=session).matched_count for query in self._by_ids(ids)
        )
        self._expect(matched, len(ids))

    def _expect(self, matched: int, wanted: int) -> None:
        if matched != wanted:  # cannot be in a snapshot; an event without its change must not be
            raise WriteConflict(
                f"{wanted} documents of {self._model.name} were read, {matched} were there to be written",
                next="run it again: nothing of this transaction was written",
            )
