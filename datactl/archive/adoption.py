"""Adopting a vault: an operator's word that this vault is that of this database, whatever both remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from datactl.archive.binding import ROW, Binding, Sides, both_sides, check, ensure_record, epochs_behind, mismatch
from datactl.errors import Conflict, VaultMismatch
from datactl.mongo import Mongo, mapping_errors
from datactl.mongo.connection import META
from datactl.vault import Vault


@dataclass(frozen=True, slots=True)
class Adoption:
    """What an adoption is about. `mismatch`: what it ends; `behind`: models whose epochs in the vault are too low.

    `behind` has the epoch that the database saw: the vault was brought back from an older copy, or is another one.
    """

    sides: Sides
    mismatch: VaultMismatch | None
    segments: Mapping[str, int]
    behind: Mapping[str, int]

    @property
    def needed(self) -> bool:
        return self.mismatch is not None or bool(self.behind)


def plan_adoption(mongo: Mongo, vault: Vault) -> Adoption:
    """Both sides as they are now; changes nothing."""
    sides = both_sides(mongo, vault)
    segments = {model: sum(1 for _ in vault.manifests(model)) for model in vault.models()}
    return Adoption(sides, mismatch(sides), segments, epochs_behind(mongo, vault))


def adopt(mongo: Mongo, vault: Vault, plan: Adoption) -> Binding:
    """Make the vault that of the database. Conflict if it is not as it was planned any more.

    The vault's database id becomes that of the database, and both names count as its own. Doing it again, also after
    a crash in between, does nothing twice.
    """
    if vault.identity() != plan.sides.identity:
        raise Conflict("another vault is there than a moment ago", next="look again: datactl archive adopt")
    record = ensure_record(mongo)
    identity = plan.sides.identity or vault.identify(record.database, mongo.database.name)
    for model, epoch in plan.behind.items():
        vault.claim_epoch(model, above=epoch)
    change = {
        "$set": {"database": identity.database, "vault": identity.vault, "url": vault.store.url},
        "$addToSet": {"names": {"$each": [mongo.database.name, identity.name]}},
    }
    with mapping_errors("noting which vault this database has"):
        rows = mongo.database[META].with_options(write_concern=mongo.write_concern)
        rows.update_one({"_id": ROW}, change)
    return check(mongo, vault)
