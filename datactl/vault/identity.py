"""The vault's identity: one object at its root that says which vault it is, and whose documents it holds."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from datactl.errors import ObjectExists, ObjectMissing, VaultDamaged
from datactl.objects import ObjectStore
from datactl.vault.names import IDENTITY
from datactl.vault.sealed import date_text, read_date, seal, unseal

FORMAT = "datactl-vault"


@dataclass(frozen=True, slots=True)
class Identity:
    """`vault` and `database` are random ids; `name` is what the database was called when the vault was made."""

    vault: str
    database: str
    name: str
    created_at: datetime

    @classmethod
    def new(cls, database: str, name: str, now: datetime) -> Self:
        """A new vault's identity, for the database of this id and name."""
        return cls(new_id(), database, name, now)

    def to_json(self) -> bytes:
        return seal(
            {
                "format": FORMAT,
                "version": 1,
                "vault": self.vault,
                "database": self.database,
                "name": self.name,
                "createdAt": date_text(self.created_at),
            }
        )


def new_id() -> str:
    """A random id of a vault or of a database: 16 bytes in hexadecimal."""
    return secrets.token_hex(16)


def read_identity(store: ObjectStore) -> Identity | None:
    """What the vault says it is; None where nothing is. Never remembered: the directory behind it may be another one.

    Raises `VaultDamaged`.
    """
    try:
        data = store.get(IDENTITY)
    except ObjectMissing:
        return None
    fields = unseal(data, FORMAT, IDENTITY)
    try:
        return Identity(fields["vault"], fields["database"], fields["name"], read_date(fields["createdAt"]))
    except (KeyError, TypeError, ValueError) as error:
        raise VaultDamaged(f"{IDENTITY} lacks a field", why=repr(error), key=IDENTITY) from error


def put_identity(store: ObjectStore, mine: Identity) -> Identity:
    """Give the vault this identity if it has none; the one that counts is returned."""
    try:
        store.put(IDENTITY, mine.to_json())
    except ObjectExists:
        return read_identity(store) or mine
    return mine
