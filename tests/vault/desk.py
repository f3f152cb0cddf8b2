"""What the vault's tests work with: sample documents, a committed segment in one call, a store that counts reads."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import bson
from bson import (
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)

from datactl.objects import Data, ObjectInfo, ObjectStore, PutResult
from datactl.vault import Manifest, Rank, SealedSegment, SegmentName, SegmentWriter, Vault

NAMESPACE, MODEL = "blog.posts", "Post"

VALUES: dict[str, Any] = {
    "double": 1.5,
    "negative zero": -0.0,
    "not a number": float("nan"),
    "string": "text ünd \u0000 ☃ 😀",
    "document": {"a": {"b": []}, "": 1},
    "array": [1, "two", [3.0, None], {}],
    "binary": Binary(b"\x00\xff" * 20, 0),
    "uuid": Binary(bytes(range(16)), 4),
    "object id": ObjectId("0123456789abcdef01234567"),
    "true": True,
    "date": datetime(2026, 11, 24, 12, 30, 15, 250000, UTC),
    "far date": DatetimeMS(253_402_300_800_000 * 3),
    "null": None,
    "regex": Regex("^a.*b$", "imx"),
    "code": Code("function () { return 1 }"),
    "scoped code": Code("function () { return x }", {"x": 1}),
    "int": -7,
    "long": Int64(2**53 + 1),
    "timestamp": Timestamp(1_700_000_000, 3),
    "decimal": Decimal128("12345678901234567890.12345678901234"),
    "min key": MinKey(),
    "max key": MaxKey(),
    "reference": DBRef("users", ObjectId("0123456789abcdef01234567"), "blog"),
}
"""One value of every BSON type that drivers write."""

IDS: list[Any] = [
    ObjectId("0123456789abcdef01234567"),
    0,
    1,
    Int64(2),
    3.0,
    4.5,
    Decimal128("5.5"),
    Decimal128("6E+3"),
    float("inf"),
    float("nan"),
    "seven",
    "",
    True,
    None,
    Binary(bytes(range(16)), 4),
    datetime(2026, 1, 1, tzinfo=UTC),
    Timestamp(8, 9),
    {"a": 1, "b": ["x", 2.0]},
    {"b": ["x", 2.0], "a": 1},
    MinKey(),
    MaxKey(),
    Code("x"),
]
"""`_id`s of every type, no two of which MongoDB holds equal."""


def key(value: Any) -> bytes:
    """The id key of a value, by the driver's encoder: what the vault is asked with."""
    encoded = bson.encode({"": value})
    return encoded[4:5] + encoded[6:-1]


def document(_id: Any, **fields: Any) -> bytes:
    return bson.encode({"_id": _id, **fields})


def samples() -> list[bytes]:
    """A document for every kind of `_id`, each with a value of every type."""
    return [document(_id, n=n, **VALUES) for n, _id in enumerate(IDS)]


def posts(count: int, *, seed: int = 1, size: int = 60) -> list[bytes]:
    """`count` documents with ObjectIds, the same ones for a seed; `size` bytes of text that does not compress well."""
    chance = random.Random(seed)
    return [
        document(ObjectId(chance.randbytes(12)), n=n, title=f"post {n}", body=chance.randbytes(size // 2).hex())
        for n in range(count)
    ]


def seal(
    documents: Sequence[bytes], *, epoch: int = 1, number: int = 0, model: str = MODEL, **options: Any
) -> SealedSegment:
    writer = SegmentWriter(NAMESPACE, model, name=SegmentName.new(epoch, number), **options)
    assert writer.add_many(documents) == len(documents)
    return writer.finish()


def commit(
    vault: Vault,
    documents: Sequence[bytes],
    *,
    epoch: int = 1,
    number: int = 0,
    deleted: Sequence[int] | None = None,
    model: str = MODEL,
    rank: Rank | None = None,
    supersedes: Sequence[str] = (),
    **options: Any,
) -> Manifest:
    """A committed segment of `documents`, with a `deleted` receipt for the positions `deleted` (None: no receipt)."""
    sealed = seal(documents, epoch=epoch, number=number, model=model, **options)
    vault.put_segment(sealed)
    segment = vault.read_back(sealed)
    index = vault.put_sidecar(segment)
    manifest = vault.commit(segment, index, op="OP1", actor="anna", reason="spring", rank=rank, supersedes=supersedes)
    if deleted is not None:
        vault.put_deleted_receipt(manifest, deleted, op="OP1")
    return manifest


class RecordingStore:
    """A store that writes down every call, hands it on, and may lose the reply of a put (I8)."""

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.calls: list[tuple[str, str]] = []
        self.read_bytes = 0
        self.lose_replies_of: set[str] = set()

    @property
    def url(self) -> str:
        return self.inner.url

    def put(self, key: str, data: Data, *, kind: str = "data") -> PutResult:
        """Put; for a key that begins like one in `lose_replies_of`, once more: as a client that retries does."""
        self.calls.append(("put", key))
        result = self.inner.put(key, data, kind=kind)
        for start in list(self.lose_replies_of):
            if key.startswith(start):
                self.lose_replies_of.remove(start)
                return self.inner.put(key, data, kind=kind)
        return result

    def get(self, key: str) -> bytes:
        self.calls.append(("get", key))
        return self.inner.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.calls.append(("get_range", key))
        self.read_bytes += length
        return self.inner.get_range(key, start, length)

    def head(self, key: str) -> ObjectInfo | None:
        self.calls.append(("head", key))
        return self.inner.head(key)

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        self.calls.append(("list", prefix))
        return self.inner.list(prefix, start_after=start_after)

    def delete(self, key: str) -> None:
        self.calls.append(("delete", key))
        self.inner.delete(key)

    def count(self, call: str, prefix: str) -> int:
        return sum(1 for made, key in self.calls if made == call and key.startswith(prefix))


def overwrite(store: ObjectStore, key: str, data: bytes) -> None:
    """What damage does, and datactl never: other bytes under the same key."""
    store.delete(key)
    store.put(key, data)
