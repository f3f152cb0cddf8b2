"""Receipts that are owed: restores that are committed in MongoDB and not yet written down in the vault.

Collection `datactl_restores`: `{_id: {model, segment, position}, op, actor, at}`, inserted in the transaction that
brings the document back, removed when the `restored` receipt is durable. A crash in between leaves the row; the next
restore or settlement writes the receipt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import DeleteOne
from pymongo.client_session import ClientSession

from datactl.archive.evidence import Origin
from datactl.errors import VaultDamaged
from datactl.mongo import Mongo, mapping_errors
from datactl.vault import Manifest, Vault

RESTORES = "datactl_restores"


@dataclass(frozen=True, slots=True)
class Owed:
    """One receipt position that is owed."""

    origin: Origin
    op: str
    actor: str | None


def owe(
    mongo: Mongo,
    session: ClientSession,
    model: str,
    origin: Origin,
    *,
    op: str,
    actor: str | None,
    now: datetime,
) -> None:
    """Note, in the transaction that inserts the document, that its receipt is to be written."""
    with mapping_errors("noting a restore"):
        mongo.collection(RESTORES).insert_one(
            {"_id": _key(model, origin), "op": op, "actor": actor, "at": now}, session=session
        )


def owed(mongo: Mongo, model: str, origin: Origin | None = None, *, session: ClientSession | None = None) -> list[Owed]:
    """What is owed for a model, or for one copy."""
    question: dict[str, Any] = {"_id.model": model} if origin is None else {"_id": _key(model, origin)}
    with mapping_errors("reading which receipts are owed"):
        rows = list(mongo.collection(RESTORES).find(question, session=session))
    return [Owed(Origin(row["_id"]["segment"], row["_id"]["position"]), row["op"], row["actor"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Paid:
    """How many documents have their receipts now, and why others cannot have theirs: their rows stay."""

    documents: int
    failed: tuple[VaultDamaged, ...]


def pay(mongo: Mongo, vault: Vault, model: str, debts: Iterable[Owed]) -> Paid:
    """Write the receipts, one per segment and operation, then remove the rows. Damage to one segment stops no other."""
    together: dict[tuple[str, str], list[Owed]] = defaultdict(list)
    for debt in debts:
        together[debt.origin.segment, debt.op].append(debt)
    paid = 0
    failed: list[VaultDamaged] = []
    for (segment, op), group in together.items():
        try:
            _put_receipt(vault, model, segment, op, group)
        except VaultDamaged as damage:
            failed.append(damage)
            continue
        with mapping_errors("noting that a receipt is written"):
            mongo.collection(RESTORES).bulk_write([DeleteOne({"_id": _key(model, debt.origin)}) for debt in group])
        paid += len(group)
    return Paid(paid, tuple(failed))


def _put_receipt(vault: Vault, model: str, segment: str, op: str, group: Sequence[Owed]) -> None:
    manifest = vault.manifest(model, segment)
    if not isinstance(manifest, Manifest):
        raise VaultDamaged(
            f"the manifest of segment {segment} of {model} is missing",
            why=f"operation {op} restored documents from it",
            next="datactl archive verify",
        )
    vault.put_restored_receipt(manifest, [debt.origin.position for debt in group], op=op, actor=group[0].actor)


def _key(model: str, origin: Origin) -> dict[str, Any]:
    return {"model": model, "segment": origin.segment, "position": origin.position}
