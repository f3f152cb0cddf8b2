"""Which vault belongs to which database: both carry the other's id, and work on a pair that does not match is refused.

The vault has `vault.json`; the database has the row `vault` of `datactl_meta`: `{_id: "vault", database, names, vault,
url}`: its random id, the database names whose namespaces count as its own, the vault's id, and where that was last
seen. Order: the row with the database's id, then `vault.json`, which names that id, then the vault's id in the row.
A crash after any of them is finished by the next `bind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bson.int64 import Int64
from pymongo.errors import DuplicateKeyError

from datactl.errors import DatabaseError, VaultMismatch
from datactl.mongo import Mongo, mapping_errors
from datactl.mongo.connection import META
from datactl.mongo.leases import LEASES
from datactl.schema import Model
from datactl.vault import Identity, Vault, new_id

ROW = "vault"
LEASE = "archive:"
"""What the name of a model's lease begins with."""
SEEN = "epoch:"
"""What the row of `datactl_meta` begins with that has the last epoch of a model that a removal claimed."""
ADOPT = "datactl archive adopt"


@dataclass(frozen=True, slots=True)
class Binding:
    """A database and its vault that belong together. `names`: databases whose namespaces count as this one's."""

    names: frozenset[str]

    def namespaces(self, model: Model) -> frozenset[str]:
        """The namespaces (`db.collection`) whose copies are copies of this model."""
        return frozenset(f"{name}.{model.collection}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Record:
    """What the database knows of its vault. `vault` None: it never archived anything."""

    database: str
    names: tuple[str, ...]
    vault: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Sides:
    """A database and the vault that it is to work with. `used`: the vault has objects, and no identity."""

    name: str
    url: str
    identity: Identity | None
    record: Record | None
    used: bool = False


def bind(mongo: Mongo, vault: Vault) -> Binding:
    """The binding of this database and this vault, made where neither has one yet. VaultMismatch."""
    sides = both_sides(mongo, vault)
    _refuse(sides)
    record = sides.record or ensure_record(mongo)
    identity = sides.identity or vault.identify(record.database, mongo.database.name)
    _note(mongo, {"vault": None, "database": identity.database}, {"vault": identity.vault})
    if record.url != vault.store.url:
        _note(mongo, {"vault": identity.vault, "database": identity.database}, {"url": vault.store.url})
    # Of several first runs at the same time, with several vaults or databases, one was first.
    sides = replace(sides, identity=identity, record=read_record(mongo))
    _refuse(sides)
    return _binding(sides)


def check(mongo: Mongo, vault: Vault) -> Binding:
    """As `bind`, and changes nothing: a pair where neither knows of any other is fine as it is. VaultMismatch."""
    sides = both_sides(mongo, vault)
    _refuse(sides)
    return _binding(sides)


def check_epochs(mongo: Mongo, vault: Vault, model: str) -> None:
    """VaultMismatch where the database saw an epoch of the model that this vault never gave: it is an older copy.

    Claiming on until it is overtaken would give new copies ranks that the newest copy of the vault has given already.
    """
    seen = epochs_behind(mongo, vault, model).get(model)
    if seen is None:
        return
    known = vault.latest_epoch(model)
    raise VaultMismatch(
        f"the epochs of {model} in the vault at {vault.store.url} lie behind those that the database saw",
        why=f"the vault is at {known}, the database at {seen}: the vault was brought back from an older copy",
        next=f"bring the newest copy of the vault back; if there is none, go on with this one: {ADOPT}",
        model=model,
        epoch=known,
        seen=seen,
    )


def note_epoch(mongo: Mongo, model: str, epoch: int) -> None:
    """Remember that this database saw an epoch of the model: a removal's lease, which has it, does not last."""
    rows = mongo.database[META].with_options(write_concern=mongo.write_concern)
    with mapping_errors("noting which epochs this database saw"):
        try:
            rows.update_one({"_id": f"{SEEN}{model}"}, {"$max": {"epoch": Int64(epoch)}}, upsert=True)
        except DuplicateKeyError:
            rows.update_one({"_id": f"{SEEN}{model}"}, {"$max": {"epoch": Int64(epoch)}})  # inserted meanwhile


def epochs_behind(mongo: Mongo, vault: Vault, model: str | None = None) -> dict[str, int]:
    """Models (or this one) of whose epochs the database saw a later one than the vault has: that one.

    A run claims its epoch in the vault before the database hears of it, so no run at work looks like this.
    """
    seen: dict[str, int] = {}
    with mapping_errors("reading which epochs this database saw"):
        for place, beginning in ((LEASES, LEASE), (META, SEEN)):
            wanted = {"$regex": f"^{beginning}"} if model is None else f"{beginning}{model}"
            for row in mongo.database[place].find({"_id": wanted}, {"epoch": 1}):
                name = str(row["_id"]).removeprefix(beginning)
                seen[name] = max(seen.get(name, 0), int(row["epoch"]))
    return {name: epoch for name, epoch in sorted(seen.items()) if vault.latest_epoch(name) < epoch}


def read_record(mongo: Mongo) -> Record | None:
    """What the database knows of its vault; None if nothing."""
    with mapping_errors("reading which vault this database has"):
        row = mongo.database[META].find_one({"_id": ROW})
    return None if row is None else _record(row)


def ensure_record(mongo: Mongo) -> Record:
    """Give the database an id unless it has one; the record that it has then, on a majority of its servers."""
    rows = mongo.database[META].with_options(write_concern=mongo.write_concern)
    fresh = {"database": new_id(), "names": [mongo.database.name], "vault": None, "url": None}
    with mapping_errors("noting which vault this database has"):
        try:
            rows.update_one({"_id": ROW}, {"$setOnInsert": fresh}, upsert=True)
        except DuplicateKeyError:
            rows.update_one({"_id": ROW}, {"$setOnInsert": fresh})  # inserted meanwhile; waits until that is durable
    record = read_record(mongo)
    if record is None:
        raise DatabaseError(f"the row {ROW} vanished from {META}", next="run it again")
    return record


def both_sides(mongo: Mongo, vault: Vault) -> Sides:
    """What vault and database say now.

    The row is older than `vault.json`, that is older than the vault's id in the row, and this than whatever else is in
    the vault: read in this order, a first run beside this one is never seen half.
    """
    identity = vault.identity()
    used = identity is None and bool(vault.models())
    record = read_record(mongo)
    if identity is None and record is not None and record.vault is not None:
        identity = vault.identity()
    return Sides(mongo.database.name, vault.store.url, identity, record, used=used and identity is None)


def _note(mongo: Mongo, where: Mapping[str, Any], change: Mapping[str, Any]) -> None:
    rows = mongo.database[META].with_options(write_concern=mongo.write_concern)
    with mapping_errors("noting which vault this database has"):
        rows.update_one({"_id": ROW, **where}, {"$set": dict(change)})


def _record(row: Mapping[str, Any]) -> Record:
    return Record(row["database"], tuple(row["names"]), row.get("vault"), row.get("url"))


def _binding(sides: Sides) -> Binding:
    return Binding(frozenset({sides.name} if sides.record is None else sides.record.names))


def _refuse(sides: Sides) -> None:
    error = mismatch(sides)
    if error is not None:
        raise error


def mismatch(sides: Sides) -> VaultMismatch | None:
    """Why this vault is not that of this database; None if it is, or if neither has another."""
    name, url, found, record = sides.name, sides.url, sides.identity, sides.record
    if found is None:
        return _missing(sides)
    if record is None or record.database != found.database:
        return _error(
            sides,
            f"the vault at {url} belongs to another database",
            why=f'it was made for the database "{found.name}" and holds its documents; this is "{name}"',
            next="set DATACTL_VAULT to a vault of its own; if this database was restored from a backup, renamed or "
            f"cloned from that one: {ADOPT}",
        )
    if record.vault is not None and record.vault != found.vault:
        return _error(
            sides,
            f"the vault at {url} is another one than that of the database {name}",
            why=f"that was last seen at {record.url}",
            next=f"set DATACTL_VAULT to it; if it was replaced on purpose: {ADOPT}",
        )
    if name not in record.names:
        return _error(
            sides,
            f"the vault at {url} does not know the database {name}",
            why=f"it carries the id of {', '.join(record.names)}: it was renamed or cloned",
            next=f"set DATACTL_DATABASE to that one; if this one takes its place: {ADOPT}",
        )
    return None


def _missing(sides: Sides) -> VaultMismatch | None:
    record = sides.record
    if record is not None and record.vault is not None:
        return _error(
            sides,
            f"there is no vault at {sides.url}",
            why=f"the database {sides.name} has one that was last seen at {record.url}: "
            "it is not mounted, or this is another directory",
            next=f"mount it, or set DATACTL_VAULT to where it is; if it is lost for good: {ADOPT}",
        )
    if sides.used:
        return _error(
            sides,
            f"the vault at {sides.url} does not say whose it is",
            why="it holds segments, and its vault.json is missing",
            next=f"bring vault.json back from another copy of the vault; to take it as it is: {ADOPT}",
        )
    return None


def _error(sides: Sides, what: str, *, why: str, next: str) -> VaultMismatch:
    found = sides.identity
    return VaultMismatch(
        what,
        why=why,
        next=next,
        url=sides.url,
        record=None if sides.record is None else asdict(sides.record),
        found=None if found is None else {"vault": found.vault, "database": found.database, "name": found.name},
    )
