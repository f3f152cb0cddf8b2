"""What archive tests work with: a database, a vault on disk, one model, and an account of where every document is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from datactl.archive import Archiver, ArchiveReport, Restorer
from datactl.errors import StoreFull
from datactl.mongo import Mongo, find_raw, split_batch
from datactl.objects import ObjectStore, open_store
from datactl.schema import Model, Registry, define_model
from datactl.vault import Vault
from datactl.vault.idkey import normalise_id_key
from tests.archive.stores import WrappedStore

# Small segments, so that a thousand documents make several.
SEGMENT_BYTES = 160 * 1024

POST = define_model(
    "Post",
    {"title": {"type": "string"}, "views": {"type": "number"}, "slug": {"type": "string"}},
    enable_soft_delete=True,
    unique_fields=["slug"],
    additional_fields=True,
)
REGISTRY = Registry([POST])


@dataclass
class Desk:
    """One database and one vault. `vault` is opened anew by whoever wants cold caches."""

    mongo: Mongo
    store: ObjectStore
    directory: Path
    registry: Registry = field(default_factory=lambda: REGISTRY)

    @property
    def uri(self) -> str:
        host, port = self.mongo.client.address or ("127.0.0.1", 0)
        return f"mongodb://{host}:{port}/?directConnection=true&w=majority"

    @property
    def vault(self) -> Vault:
        return Vault(self.store)

    @property
    def model(self) -> Model:
        return self.registry.model("Post")

    @property
    def posts(self) -> Any:
        return self.mongo.collection(self.model.collection)

    def archiver(self, **given: Any) -> Archiver:
        options = {"actor": "tester", "segment_bytes": SEGMENT_BYTES, **given}
        return Archiver(self.mongo, self.vault, self.registry, **options)

    def archive(self, days: int | None = 90, **given: Any) -> ArchiveReport:
        """One run over the desk's model."""
        archiver = self.archiver()
        return archiver.run(archiver.plan(self.model.name, days), **given)

    def wrapped(self) -> WrappedStore:
        """From now on the store fails on order, and counts what it is asked."""
        self.store = store = WrappedStore(self.store)
        return store

    @contextmanager
    def refusing(self, within: str) -> Iterator[None]:
        """What is done here fails before it can put an object with this in its key; then the store takes all again."""
        inner = self.store
        self.wrapped().refuse(within, StoreFull("no space"))
        with pytest.raises(StoreFull):
            yield
        self.store = inner

    def restorer(self, **given: Any) -> Restorer:
        return Restorer(self.mongo, self.vault, self.registry, **{"actor": "tester", **given})

    def marked(self, count: int, *, days: float = 100, **fields: Any) -> list[dict[str, Any]]:
        """Documents marked so many days ago, by the server's clock; not inserted."""
        at = self.mongo.server_time() - timedelta(days=days)
        return [
            {
                "_id": ObjectId(),
                "title": f"post {number}",
                "views": number,
                "noise": os.urandom(120),
                **fields,
                "deleted": True,
                "deletedAt": at + timedelta(milliseconds=number // 7),
                "deletedBy": "tester",
            }
            for number in range(count)
        ]

    def insert(self, documents: Iterable[Mapping[str, Any]]) -> dict[bytes, bytes]:
        """Insert, and return what MongoDB then holds: id key -> bytes."""
        raw = [bson.encode(document) for document in documents]
        for start in range(0, len(raw), 1000):
            self.posts.insert_many([RawBSONDocument(each) for each in raw[start : start + 1000]])
        return dict(split_batch(b"".join(raw)))

    def posts_again(self, before: Mapping[bytes, bytes], count: int) -> list[dict[str, Any]]:
        """The first documents once more, as they were: a run that copied them would find them equal."""
        return [bson.decode(document) for document in list(before.values())[:count]]

    def live(self) -> dict[bytes, bytes]:
        """Everything in the collection: id key -> bytes."""
        return {key: doc for batch in find_raw(self.posts, {}) for key, doc in split_batch(batch)}

    def archived(self) -> dict[bytes, list[bytes]]:
        """What the vault offers: id key -> the copies that left MongoDB and did not come back, newest first.

        Written apart from the product's own rule: from receipts alone, a segment without one counts for nothing.
        """
        vault = self.vault
        copies: dict[bytes, list[bytes]] = {}
        closed: set[bytes] = set()
        manifests = sorted(vault.manifests(self.model.name), key=lambda each: each.rank, reverse=True)
        for manifest in manifests:
            receipts = vault.receipts(manifest)
            if receipts.deleted is None:
                continue
            for member in vault.open_segment(manifest).members():
                for position, key, document in member:
                    normal = normalise_id_key(key)
                    if position in receipts.restored:
                        closed.add(normal)
                    elif position in receipts.deleted and normal not in closed:
                        copies.setdefault(key, []).append(bytes(document))
        return copies


@dataclass(frozen=True)
class Account:
    """Where the documents of a scenario are, against what they were."""

    live: int
    archived: int


def account(desk: Desk, before: Mapping[bytes, bytes]) -> Account:
    """Every document is live or archived exactly once, byte for byte what it was; AssertionError if not."""
    live, archived = desk.live(), desk.archived()
    in_vault = 0
    for key, document in before.items():
        copies = archived.get(key, [])
        assert len(copies) + (key in live) == 1, f"{key!r}: {len(copies)} copies offered, live: {key in live}"
        assert (copies[0] if copies else live[key]) == document, f"{key!r} is not what it was"
        in_vault += len(copies)
    assert not live.keys() - before.keys(), "documents came out of nowhere"
    assert not archived.keys() - before.keys(), "copies came out of nowhere"
    return Account(len(live), in_vault)


def desk_at(mongo: Mongo, directory: Path) -> Desk:
    return Desk(mongo, open_store(f"file:{directory}"), directory)
