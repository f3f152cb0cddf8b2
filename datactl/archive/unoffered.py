"""What to say of a document that no restore brings back by itself: which copies there are, and how to reach one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from datactl.archive.whereabouts import Listed, foreign_namespaces, how_to_reach
from datactl.errors import NotFound
from datactl.mongo import Mongo
from datactl.schema import Model
from datactl.vault import Candidate, Vault

_NAMED = 3


def not_offered(mongo: Mongo, vault: Vault, model: Model, id: Any, key: bytes, own: Listed, others: Listed) -> NotFound:
    """The error of an `_id` that is absent from MongoDB and of which no copy of `own` segments is offered."""
    what = f"{model.name} {id} is neither in MongoDB nor in the vault"
    copies = list(vault.locate(model.name, key, within=own))
    if copies:
        back = [_restored_at(vault, copy) for copy in copies]
        told = "; ".join(_told(copy, at) for copy, at in list(zip(copies, back, strict=True))[:_NAMED])
        chosen = next((copy for copy in copies if copy.receipt is not False), copies[0])
        return NotFound(
            f"{model.name} {id} is not in MongoDB, and no copy of it is left to bring back",
            why=told if len(copies) <= _NAMED else f"{told}; and {len(copies) - _NAMED} more",
            next=f"if it was lost since, say which copy: datactl restore {model.name} {id} "
            f"--from {chosen.manifest.name}",
            copies=[_facts(copy, at) for copy, at in zip(copies, back, strict=True)],
        )
    foreign = foreign_namespaces(vault, model, key, others)
    if foreign:
        why, following = how_to_reach(model, mongo.namespace(model.collection), foreign)
        return NotFound(f"{what} of this database", why=why, next=following, foreign=list(foreign))
    return NotFound(
        what, why=f"looked in {mongo.where} and in {vault.store.url}", next=f"datactl archive find {model.name} {id}"
    )


def _restored_at(vault: Vault, copy: Candidate) -> datetime | None:
    """When the copy was last brought back; None if never."""
    if not copy.restored:
        return None
    receipts = vault.receipts(copy.manifest).restored_receipts
    return max((each.created_at for each in receipts if copy.position in each.positions), default=None)


def _told(copy: Candidate, restored_at: datetime | None) -> str:
    made = copy.manifest.created_at
    if restored_at is not None:
        became = f"brought back {restored_at:%Y-%m-%d %H:%M} UTC"
    elif copy.receipt is False:
        became = "the document stayed in MongoDB then"
    else:
        became = "older than one that was brought back"
    return f"segment {copy.manifest.name} of {made:%Y-%m-%d %H:%M} UTC: {became}"


def _facts(copy: Candidate, restored_at: datetime | None) -> dict[str, Any]:
    return {
        "segment": copy.manifest.name,
        "position": copy.position,
        "archivedAt": copy.manifest.created_at.isoformat(),
        "removed": copy.receipt,
        "restoredAt": None if restored_at is None else restored_at.isoformat(),
    }
