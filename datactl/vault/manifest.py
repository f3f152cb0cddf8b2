"""Manifests: the commit of a segment. The key is a register written once: the manifest, or `aborted`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datactl.errors import VaultDamaged
from datactl.vault.names import Rank, SegmentName, index_key, segment_key
from datactl.vault.sealed import date_text, read_date, seal, unseal
from datactl.vault.sidecar import Geometry

FORMAT = "datactl-manifest"


@dataclass(frozen=True, slots=True)
class Stored:
    """One object of a segment as it was read back: length in bytes and SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was committed: facts about a segment, never ids or values of its documents.

    `cutoff`: documents deleted before it were taken (None: they were chosen otherwise). `rank` is that of the run
    that took the documents out of MongoDB; a compacted segment keeps its source's. `cause` says why documents left:
    `age` (by age, held for a while after a restore), `delete` (removed from a model without soft delete).
    """

    model: str
    name: str
    namespace: str
    op: str
    actor: str | None
    reason: str | None
    cause: str
    created_at: datetime
    cutoff: datetime | None
    tier: str
    rank: Rank
    supersedes: tuple[str, ...]
    documents: int
    raw_bytes: int
    members: int
    pages: int
    pages_offset: int
    segment: Stored
    metadata: Stored
    index: Stored

    @property
    def epoch(self) -> int:
        return SegmentName.parse(self.name).epoch

    @property
    def number(self) -> int:
        return SegmentName.parse(self.name).number

    @property
    def nonce(self) -> str:
        return SegmentName.parse(self.name).nonce

    @property
    def segment_key(self) -> str:
        return segment_key(self.model, self.name)

    @property
    def index_key(self) -> str:
        return index_key(self.model, self.name)

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.name, self.documents, self.pages, self.pages_offset)

    def to_json(self) -> bytes:
        name = SegmentName.parse(self.name)
        return seal(
            {
                "format": FORMAT,
                "version": 1,
                "kind": "manifest",
                "model": self.model,
                "name": self.name,
                "epoch": name.epoch,
                "number": name.number,
                "nonce": name.nonce,
                "rank": list(self.rank),
                "namespace": self.namespace,
                "op": self.op,
                "actor": self.actor,
                "reason": self.reason,
                "cause": self.cause,
                "createdAt": date_text(self.created_at),
                "cutoff": date_text(self.cutoff) if self.cutoff else None,
                "tier": self.tier,
                "supersedes": list(self.supersedes),
                "documents": self.documents,
                "rawBytes": self.raw_bytes,
                "segment": {**_stored(self.segment), "members": self.members},
                "metadata": _stored(self.metadata),
                "index": {**_stored(self.index), "pages": self.pages, "pagesOffset": self.pages_offset},
            }
        )


@dataclass(frozen=True, slots=True)
class Aborted:
    """A register that says: no manifest will ever be here. What was written under this name counts for nothing."""

    model: str
    name: str
    op: str
    reason: str
    created_at: datetime

    def to_json(self) -> bytes:
        return seal(
            {
                "format": FORMAT,
                "version": 1,
                "kind": "aborted",
                "model": self.model,
                "name": self.name,
                "op": self.op,
                "reason": self.reason,
                "createdAt": date_text(self.created_at),
            }
        )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A register that is not whole, where it stands among manifests: what it says may be newer than all below it."""

    model: str
    name: str
    damage: VaultDamaged

    @property
    def rank(self) -> Rank:
        return SegmentName.parse(self.name).rank


def read_register(data: bytes, model: str, name: str, key: str) -> Manifest | Aborted:
    """What a register holds. Raises `VaultDamaged` if it is not whole, or not that of `name`."""
    fields = unseal(data, FORMAT, key)
    try:
        if (fields["model"], fields["name"]) != (model, name):
            raise VaultDamaged(f"{key} holds another segment's manifest", why=f"that of {fields['name']}", key=key)
        if fields["kind"] == "aborted":
            return Aborted(model, name, fields["op"], fields["reason"], read_date(fields["createdAt"]))
        return _manifest(fields)
    except (KeyError, TypeError, ValueError) as error:
        # The digest was right: whoever wrote it wrote another set of fields.
        raise VaultDamaged(f"{key} lacks a field of a manifest", why=repr(error), key=key) from error


def _manifest(fields: Mapping[str, Any]) -> Manifest:
    epoch, number = fields["rank"]
    return Manifest(
        model=fields["model"],
        name=fields["name"],
        namespace=fields["namespace"],
        op=fields["op"],
        actor=fields["actor"],
        reason=fields["reason"],
        cause=fields["cause"],
        created_at=read_date(fields["createdAt"]),
        cutoff=read_date(fields["cutoff"]) if fields["cutoff"] else None,
        tier=fields["tier"],
        rank=Rank(epoch, number),
        supersedes=tuple(fields["supersedes"]),
        documents=fields["documents"],
        raw_bytes=fields["rawBytes"],
        members=fields["segment"]["members"],
        pages=fields["index"]["pages"],
        pages_offset=fields["index"]["pagesOffset"],
        segment=_read_stored(fields["segment"]),
        metadata=_read_stored(fields["metadata"]),
        index=_read_stored(fields["index"]),
    )


def _stored(stored: Stored) -> dict[str, Any]:
    return {"bytes": stored.size, "sha256": stored.sha256}


def _read_stored(fields: Mapping[str, Any]) -> Stored:
    return Stored(fields["bytes"], fields["sha256"])
