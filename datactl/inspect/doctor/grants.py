"""What each group of commands does in MongoDB, as one table, and the least role that lets it: for `doctor --grants`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datactl.archive.holds import HOLDS
from datactl.archive.owed import RESTORES
from datactl.events.outbox import CHUNKS, OUTBOX
from datactl.inspect.doctor.privileges import Lack, Need, Privileges, User, connected_user
from datactl.inspect.indexing.made import MADE
from datactl.inspect.stats import STATISTICS
from datactl.mongo import Mongo
from datactl.mongo.connection import META
from datactl.mongo.fences import FENCES
from datactl.mongo.leases import LEASES
from datactl.records.ledger import OPERATIONS
from datactl.schema import Registry

MODELS = "the models' collections"
DATABASE = ""
"""The database itself; as the resource of a privilege, every collection of it too."""

_READ = ("find",)
_KEEP = ("find", "insert", "update")
_ALL = ("find", "insert", "update", "remove")

Touches = Mapping[str, tuple[str, ...]]

_LOOKS: Touches = {
    DATABASE: ("listCollections",),
    MODELS: ("find", "listIndexes", "collStats", "indexStats"),
    OUTBOX: _READ,
    CHUNKS: _READ,
    OPERATIONS: _READ,
    LEASES: _READ,
    HOLDS: _READ,
    RESTORES: _READ,
    MADE: _READ,
    META: (
        "find",
        "insert",
        "remove",
    ),  # the key of the cursors is made once; the trial transaction's row is taken back
    STATISTICS: ("insert", "update"),
}
_RUNS: Touches = {
    OPERATIONS: _KEEP,
    LEASES: _ALL,
    FENCES: ("insert", "update", "remove"),
    META: _ALL,
}
_WRITES: Touches = {
    DATABASE: ("listCollections",),
    MODELS: (*_ALL, "listIndexes"),
    OUTBOX: ("find", "insert", "createIndex"),
    CHUNKS: ("find", "insert", "createIndex"),
    **_RUNS,
    HOLDS: ("insert", "remove", "createIndex"),
    RESTORES: ("find", "insert", "remove"),
    MADE: _READ,
}
_ARCHIVES: Touches = {
    MODELS: ("find", "remove", "listIndexes"),
    OUTBOX: ("find", "insert", "createIndex"),
    CHUNKS: ("insert", "createIndex"),
    **_RUNS,
    HOLDS: _READ,
    RESTORES: ("find", "remove"),
}
_INDEXES: Touches = {
    DATABASE: ("listCollections",),
    MODELS: ("find", "listIndexes", "createIndex", "dropIndex", "indexStats"),
    MADE: _ALL,
}
_VALIDATORS: Touches = {
    DATABASE: ("listCollections",),
    MODELS: ("find", "collMod", "createCollection"),
    META: ("insert", "remove"),
}
_SAMPLES: Touches = {DATABASE: ("find", "listCollections", "listIndexes")}


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that need the same: a role's name, what it is for, the command lines, and what they touch."""

    role: str
    about: str
    commands: tuple[str, ...]
    touches: Touches


GROUPS: tuple[Group, ...] = (
    Group(
        "datactl_read",
        "looks at documents and figures, and changes none",
        (
            *("find", "get", "stats", "validate", "export", "doctor", "index plan", "models diff"),
            *("ops list", "ops show", "archive plan", "archive find"),
        ),
        _LOOKS,
    ),
    Group(
        "datactl_write",
        "changes documents, and takes changes back",
        ("create", "update", "delete", "restore", "undo", "import", "ops resume", "validate --fix-marks"),
        _WRITES,
    ),
    Group(
        "datactl_archive",
        "moves marked documents into the vault",
        ("archive", "archive adopt"),
        _ARCHIVES,
    ),
    Group(
        "datactl_index",
        "makes, rebuilds and drops indexes",
        ("index", "index apply", "index drop"),
        _INDEXES,
    ),
    Group(
        "datactl_validators",
        "puts validators in place",
        ("models apply",),
        _VALIDATORS,
    ),
    Group(
        "datactl_adopt",
        "samples every collection of the database, to write models.yaml",
        ("init --from-db",),
        _SAMPLES,
    ),
)


@dataclass(frozen=True, slots=True)
class Grant:
    """One group's role as a createRole command, and what the connected user lacks of it."""

    role: str
    about: str
    commands: tuple[str, ...]
    command: Mapping[str, Any]
    missing: tuple[Need, ...]
    unknown: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Grants:
    """The roles of one database. `user` None: nobody is logged in, or the server was not asked."""

    database: str
    user: User | None
    grants: tuple[Grant, ...]
    sharded: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """The roles of which the user lacks something."""
        return tuple(grant.role for grant in self.grants if grant.missing)


def needs(group: Group, registry: Registry) -> Iterator[Need]:
    """What a group needs on each collection by its name, the models' one by one."""
    for place, actions in group.touches.items():
        names = sorted({model.collection for model in registry.values()}) if place == MODELS else [place]
        yield from (Need(name, actions) for name in names)


def create_role(group: Group, registry: Registry, database: str) -> dict[str, Any]:
    """The createRole command for a database (MongoDB manual, createRole)."""
    return {
        "createRole": group.role,
        "privileges": [
            {"resource": {"db": database, "collection": need.collection}, "actions": list(need.actions)}
            for need in needs(group, registry)
        ],
        "roles": [],
    }


def grants(registry: Registry, database: str, mongo: Mongo | None) -> Grants:
    """The role of every group, and what the user of this connection lacks of each."""
    user = None if mongo is None else connected_user(mongo)
    privileges = None if mongo is None else Privileges(mongo, user)
    found = []
    for group in GROUPS:
        lack = Lack(()) if privileges is None else privileges.lacking(needs(group, registry))
        command = create_role(group, registry, database)
        found.append(Grant(group.role, group.about, group.commands, command, lack.missing, lack.unknown))
    sharded = mongo is not None and mongo.capabilities.topology == "sharded"
    return Grants(database, user, tuple(found), sharded)
