"""What is decided of each document of an input: inserted, there already, or rejected; a transaction at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import bson
from bson import ObjectId
from pymongo.client_session import ClientSession

from datactl.archive.documents import read_by_id
from datactl.errors import DatactlError, DuplicateKey
from datactl.events import aggregate_key, without_secrets
from datactl.mongo import CODEC, Mongo, mapping_errors, raw_id
from datactl.records.differences import difference
from datactl.records.writing import CHUNK_BYTES
from datactl.schema import Model
from datactl.transfer.acceptance import Acceptance, Accepted
from datactl.transfer.inputs import Input, Record
from datactl.transfer.plans import ImportPlan

_TOLD = 8  # so many of the fields that differ are named


@dataclass(frozen=True, slots=True)
class Item:
    """A record with the document that it became, or why it is none."""

    record: Record
    accepted: Accepted | None
    error: DatactlError | None = None

    @property
    def size(self) -> int:
        return len(self.accepted.document.encoded) if self.accepted else 0


@dataclass(slots=True)
class Decision:
    """What one transaction decided. `event`: one of the events of what it created."""

    created: int = 0
    present: int = 0
    rejections: list[tuple[Record, DatactlError]] = field(default_factory=list)
    event: ObjectId | None = None


def input_of(model: Model, plan: ImportPlan) -> Input:
    source = plan.source
    return Input(model, source.format, source.files, delimiter=plan.delimiter, undeclared=plan.stored)


def items_of(model: Model, plan: ImportPlan, start: int, now: datetime) -> Iterator[Item]:
    acceptance = Acceptance(model, stored=plan.stored)
    for record in input_of(model, plan).records(start):
        try:
            yield Item(record, acceptance.accept(record.read(), now))
        except DatactlError as error:  # of this document: nothing but its own text is looked at
            yield Item(record, None, error)


def chunks(items: Iterable[Item], documents: int) -> Iterator[list[Item]]:
    """Lists of what one transaction takes: each document is in it twice, once in its event."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        if chunk and (len(chunk) >= documents or size + 2 * item.size > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += 2 * item.size
    if chunk:
        yield chunk


def sort_out(
    mongo: Mongo, model: Model, plan: ImportPlan, chunk: Sequence[Item], session: ClientSession | None
) -> tuple[Decision, list[Accepted]]:
    """What is there already, what cannot be taken, and what is to be inserted."""
    decision = Decision()
    withheld = frozenset(plan.source.manifest.withheld if plan.source.manifest else ())
    wanted = [item.accepted.document for item in chunk if item.accepted is not None]
    keys = [raw_id(document.encoded) for document in wanted]
    with mapping_errors(f"reading {model.collection}"):
        found = {_key(raw): raw for _, raw in read_by_id(mongo, model.collection, keys, session=session)}
    fresh: list[Accepted] = []
    for item in chunk:
        if item.accepted is None:
            assert item.error is not None
            decision.rejections.append((item.record, item.error))
            continue
        document = item.accepted.document
        key = aggregate_key(document.id)
        there = found.get(key)
        if there is None:
            found[key] = document.encoded
            fresh.append(item.accepted)
        elif differing := _differing(item.accepted, there, withheld):
            decision.rejections.append((item.record, _taken(model, document.id, differing)))
        else:
            decision.present += 1
    return decision, fresh


def _key(raw: bytes) -> bytes:
    return aggregate_key(bson.decode(raw, CODEC)["_id"])


def _differing(accepted: Accepted, there: bytes, withheld: frozenset[str]) -> list[str]:
    """The paths at which a stored document holds other values; none if it holds the same.

    The order of fields, what was stamped now, and secret fields that the export left out do not count.
    """
    if accepted.document.encoded == there:
        return []
    ours, theirs = bson.decode(accepted.document.encoded, CODEC), bson.decode(there, CODEC)
    for name in accepted.stamped:
        ours.pop(name, None)
        theirs.pop(name, None)
    were, are = difference(without_secrets(theirs, withheld), ours)
    return list(dict.fromkeys((*were, *are)))


def _taken(model: Model, id: Any, differing: list[str]) -> DuplicateKey:
    """Values are not told: they are in both documents, and may be secret."""
    more = len(differing) - _TOLD
    return DuplicateKey(
        f"_id {id} is taken by another document of {model.name}, which was left as it is",
        why=f"it differs in: {', '.join(differing[:_TOLD])}{f', and {more} more' if more > 0 else ''}",
        next="give it another _id, or update the one that is there",
    )
