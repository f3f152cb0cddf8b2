"""Receipts: what followed a commit. `deleted` says which documents really left MongoDB; `restored` which came back."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Self

from datactl.errors import Conflict, ObjectExists, VaultDamaged
from datactl.objects import ObjectStore
from datactl.vault import names
from datactl.vault.sealed import date_text, read_date, seal, unseal

FORMAT = "datactl-receipt"


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A set of positions below `size`: position p is bit p % 8 (the lowest first) of byte p // 8."""

    size: int
    bits: bytes

    def __post_init__(self) -> None:
        if len(self.bits) != -(-self.size // 8) or (self.size % 8 and self.bits[-1] >> self.size % 8):
            raise ValueError(f"{len(self.bits)} bytes are no bitmap of {self.size} positions")

    @classmethod
    def of(cls, size: int, positions: Iterable[int]) -> Self:
        """The set of `positions`. Raises `ValueError` for one outside 0 <= p < size."""
        bits = bytearray(-(-size // 8))
        for position in positions:
            if not 0 <= position < size:
                raise ValueError(f"position {position} is not below {size}")
            bits[position >> 3] |= 1 << (position & 7)
        return cls(size, bytes(bits))

    @classmethod
    def full(cls, size: int) -> Self:
        return cls.of(size, range(size))

    @classmethod
    def empty(cls, size: int) -> Self:
        return cls.of(size, ())

    def __contains__(self, position: object) -> bool:
        return (
            isinstance(position, int)
            and 0 <= position < self.size
            and bool(self.bits[position >> 3] >> (position & 7) & 1)
        )

    def __iter__(self) -> Iterator[int]:
        return (position for position in range(self.size) if position in self)

    def __len__(self) -> int:
        return int.from_bytes(self.bits, "little").bit_count()

    def __or__(self, other: Bitmap) -> Bitmap:
        if self.size != other.size:
            raise ValueError("bitmaps of different sizes")
        return Bitmap(self.size, bytes(a | b for a, b in zip(self.bits, other.bits, strict=True)))

    def __sub__(self, other: Bitmap) -> Bitmap:
        if self.size != other.size:
            raise ValueError("bitmaps of different sizes")
        return Bitmap(self.size, bytes(a & ~b for a, b in zip(self.bits, other.bits, strict=True)))

    def __ge__(self, other: Bitmap) -> bool:
        """Whether every position of `other` is in this set too."""
        return (self | other).bits == self.bits


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt. `kind` is `deleted` or `restored`; `op` the operation that deleted or restored the positions."""

    kind: str
    model: str
    name: str
    op: str
    actor: str | None
    created_at: datetime
    positions: Bitmap

    def to_json(self) -> bytes:
        return seal(
            {
                "format": FORMAT,
                "version": 1,
                "kind": self.kind,
                "model": self.model,
                "name": self.name,
                "op": self.op,
                "actor": self.actor,
                "createdAt": date_text(self.created_at),
                "documents": self.positions.size,
                "count": len(self.positions),
                "positions": base64.b64encode(zlib.compress(self.positions.bits, 9)).decode(),
            }
        )


def read_receipt(data: bytes, model: str, name: str, key: str) -> Receipt:
    """A receipt read back. Raises `VaultDamaged` if it is not whole, or not that of segment `name`."""
    fields = unseal(data, FORMAT, key)
    try:
        if (fields["model"], fields["name"]) != (model, name):
            raise VaultDamaged(f"{key} holds another segment's receipt", why=f"that of {fields['name']}", key=key)
        bits = zlib.decompress(base64.b64decode(fields["positions"], validate=True))
        positions = Bitmap(fields["documents"], bits)
        if len(positions) != fields["count"]:
            raise VaultDamaged(f"{key} is wrong", why="its count is not that of its positions", key=key)
        return Receipt(
            fields["kind"], model, name, fields["op"], fields["actor"], read_date(fields["createdAt"]), positions
        )
    except (KeyError, TypeError, ValueError, zlib.error, binascii.Error) as error:
        raise VaultDamaged(f"{key} lacks a field of a receipt", why=repr(error), key=key) from error


@dataclass(frozen=True, slots=True)
class Receipts:
    """All receipts of one segment. `deleted_receipt` is None as long as the run that made the segment is not done."""

    size: int
    deleted_receipt: Receipt | None
    restored_receipts: tuple[Receipt, ...]

    @property
    def deleted(self) -> Bitmap | None:
        """Positions that really left MongoDB; None if that is not recorded yet."""
        return self.deleted_receipt.positions if self.deleted_receipt else None

    @property
    def restored(self) -> Bitmap:
        """Positions that were brought back since."""
        restored = Bitmap.empty(self.size)
        for receipt in self.restored_receipts:
            restored |= receipt.positions
        return restored


def put_deleted(store: ObjectStore, receipt: Receipt) -> Receipt:
    """Write the done marker of a segment, or find it there. Raises `Conflict` if it says otherwise."""
    key = names.deleted_key(receipt.model, receipt.name)
    try:
        store.put(key, receipt.to_json())
    except ObjectExists as error:
        found = read_receipt(store.get(key), receipt.model, receipt.name, key)
        if found.positions != receipt.positions:
            raise Conflict(
                f"segment {receipt.name} of {receipt.model} has another receipt",
                why=f"operation {found.op} recorded {len(found.positions)} documents, not {len(receipt.positions)}",
                next="Run `datactl archive verify` to see how MongoDB and the vault stand.",
                key=key,
            ) from error
        return found
    return receipt


def put_restored(store: ObjectStore, receipt: Receipt) -> Receipt:
    """Write what an operation brought back; a further part where an earlier attempt of it recorded less."""
    for part in count(1):
        key = names.restored_key(receipt.model, receipt.name, receipt.op, part)
        try:
            store.put(key, receipt.to_json())
        except ObjectExists:
            found = read_receipt(store.get(key), receipt.model, receipt.name, key)
            if found.positions >= receipt.positions:
                return found
        else:
            return receipt
    raise AssertionError("unreachable")


def receipts_of(store: ObjectStore, model: str, name: str, documents: int) -> Receipts:
    """All receipts of a segment of so many documents. Raises `VaultDamaged`."""
    deleted: Receipt | None = None
    restored: list[Receipt] = []
    for info in store.list(names.receipts_folder(model, name)):
        receipt = read_receipt(store.get(info.key), model, name, info.key)
        if receipt.positions.size != documents:
            raise VaultDamaged(f"{info.key} is of another number of documents", key=info.key)
        if receipt.kind == "deleted":
            deleted = receipt
        else:
            restored.append(receipt)
    return Receipts(documents, deleted, tuple(restored))
