"""Where a document is: live or marked in MongoDB, and which segments of the vault have a copy of it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import bson

from datactl.archive.documents import decoded, has_mark, read_by_id
from datactl.archive.evidence import Origin
from datactl.archive.owed import owed
from datactl.archive.removed import left_with, removed_last
from datactl.archive.rules import BY_DELETE
from datactl.events import without_secrets
from datactl.mongo import CODEC, Mongo, raw_id
from datactl.schema import Model
from datactl.vault import Candidate, Manifest, Rank, Unreadable, Vault, archived_copy

Listed: TypeAlias = Sequence[Manifest | Unreadable]
"""Segments as `Vault.by_rank` lists them."""


class Place(StrEnum):
    LIVE = "live"
    MARKED = "marked"
    ARCHIVED = "archived"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class ArchivedCopy:
    """One copy in the vault, with what its manifest says. `removed` None: the run that made it is not settled.

    `member` is the byte at which its gzip member begins, `position` its number in the segment. `offered`: what
    `restore` would bring back.
    """

    segment: str
    member: int
    position: int
    rank: Rank
    archived_at: datetime
    cutoff: datetime | None
    op: str
    actor: str | None
    reason: str | None
    removed: bool | None
    restored: bool
    offered: bool


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a document is. `document` has what MongoDB holds (None if nothing), `copies` the newest first.

    `foreign`: other namespaces that the vault has a copy of this `_id` from, looked for when there is no other trace.
    """

    model: str
    id: Any
    place: Place
    document: dict[str, Any] | None
    copies: tuple[ArchivedCopy, ...]
    foreign: tuple[str, ...] = ()

    @property
    def offered(self) -> ArchivedCopy | None:
        return next((copy for copy in self.copies if copy.offered), None)


def id_key(value: Any) -> bytes:
    """The id key of a value: its BSON type byte and bytes."""
    return raw_id(bson.encode({"_id": value}, codec_options=CODEC))


def stored_document(mongo: Mongo, model: Model, key: bytes) -> bytes | None:
    """What MongoDB holds under an `_id`, raw; None if nothing."""
    return next((document for _, document in read_by_id(mongo, model.collection, [key])), None)


def place_of(model: Model, document: bytes | None) -> Place:
    """Live or marked, from the raw document; absent without one."""
    if document is None:
        return Place.ABSENT
    return Place.MARKED if model.soft_delete and has_mark(document, model.marks.deleted) else Place.LIVE


def find_document(mongo: Mongo, vault: Vault, model: Model, id: Any, namespaces: Container[str]) -> Whereabouts:
    """Look in MongoDB, then in every segment of the model that is from one of `namespaces`."""
    key = id_key(id)
    document = stored_document(mongo, model, key)
    place = place_of(model, document)
    own, others = split_by_namespace(vault.by_rank(model.name), namespaces)
    candidates = list(vault.locate(model.name, key, within=own))
    paid = [restored_by_now(mongo, model, settled_by_now(mongo, model, key, each)) for each in candidates]
    offered = archived_copy(paid, absent=place is Place.ABSENT)
    if place is Place.ABSENT and offered is not None:
        place = Place.ARCHIVED
    return Whereabouts(
        model=model.name,
        id=id,
        place=place,
        document=None if document is None else without_secrets(decoded(document), model.secret_paths),
        copies=tuple(as_copy(each, offered=each is offered) for each in paid),
        foreign=foreign_namespaces(vault, model, key, others) if place is Place.ABSENT else (),
    )


def split_by_namespace(manifests: Iterable[Manifest | Unreadable], namespaces: Container[str]) -> tuple[Listed, Listed]:
    """Those of these namespaces and the others, each in the order given. One that cannot be read may be anybody's."""
    own: list[Manifest | Unreadable] = []
    others: list[Manifest | Unreadable] = []
    for manifest in manifests:
        mine = isinstance(manifest, Unreadable) or manifest.namespace in namespaces
        (own if mine else others).append(manifest)
    return own, others


def foreign_namespaces(vault: Vault, model: Model, key: bytes, others: Listed) -> tuple[str, ...]:
    """The namespaces of those segments that have a copy of this `_id`."""
    return tuple(sorted({each.manifest.namespace for each in vault.locate(model.name, key, within=others)}))


def how_to_reach(model: Model, here: str, foreign: Sequence[str]) -> tuple[str, str]:
    """Why a copy of another namespace than `here` is not offered, and what to set so that it is."""
    database, _, collection = foreign[0].partition(".")
    why = f"the vault has a copy from {', '.join(foreign)}, and {model.name} is {here}"
    if collection != model.collection:
        return why, f"if that is the same model: collection: {collection} under {model.name} in models.yaml"
    return why, f"set DATACTL_DATABASE={database}"


def restored_by_now(mongo: Mongo, model: Model, candidate: Candidate) -> Candidate:
    """The candidate, restored if a restore of it is committed in MongoDB and only its receipt is missing."""
    if candidate.restored or not owed(mongo, model.name, Origin(candidate.manifest.name, candidate.position)):
        return candidate
    return replace(candidate, restored=True)


def settled_by_now(mongo: Mongo, model: Model, key: bytes, candidate: Candidate) -> Candidate:
    """The candidate; of one without receipt, what the events of removals say of the document's leaving.

    That it is absent does not say with which of several unsettled copies it left: removals hold no lease of the model.
    """
    if candidate.receipt is not None:
        return candidate
    if candidate.manifest.cause == BY_DELETE:
        return replace(candidate, receipt=bool(left_with(mongo, model, candidate.manifest, [key])))
    return replace(candidate, receipt=False) if removed_last(mongo, model, [key]) else candidate


def as_copy(candidate: Candidate, *, offered: bool) -> ArchivedCopy:
    manifest = candidate.manifest
    return ArchivedCopy(
        segment=manifest.name,
        member=candidate.member.offset,
        position=candidate.position,
        rank=candidate.rank,
        archived_at=manifest.created_at,
        cutoff=manifest.cutoff,
        op=manifest.op,
        actor=manifest.actor,
        reason=manifest.reason,
        removed=candidate.receipt,
        restored=candidate.restored,
        offered=offered,
    )
