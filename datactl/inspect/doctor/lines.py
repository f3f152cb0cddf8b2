"""What doctor says: one line for each thing it looked at, and the table of what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from datactl.errors import DatactlError


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"  # it works, and somebody should know
    FAIL = "fail"  # a command will fail, or a promise is not kept


class Check(NamedTuple):
    """A row of the table: the part of the project it belongs to, and what is looked at."""

    area: str
    about: str


CHECKS: Mapping[str, Check] = {
    "models": Check("project", "The models file is there and says nothing wrong."),
    "settings": Check("project", "No setting has a doubtful value: a retention of 0 days, the database `test`, ..."),
    "secret_files": Check(
        "project",
        "Only this user reads .env, files with secrets, the state directory and the vault (there a group may).",
    ),
    "connection": Check("database", "The server answers and takes the user."),
    "engine": Check("database", "Which server it is, of which version, alone, a replica set or sharded."),
    "capabilities": Check("database", "What the server can do: client bulkWrite, text indexes, change streams."),
    "transactions": Check("database", "A trial transaction is kept apart: whatever changes data needs that."),
    "write_concern": Check("database", "The URI does not weaken what a write promises."),
    "unique_indexes": Check("database", "Unique indexes cover live documents without a mark (MongoDB 6.0)."),
    "clock": Check("database", "The server's clock and this machine's agree."),
    "operations": Check("runs", "No operation was killed, stopped or failed, and waits to be carried on."),
    "archive_runs": Check("runs", "What came due was archived: no run was missed."),
    "vault": Check("vault", "The vault can be reached and belongs to this database."),
    "vault_space": Check("vault", "The vault's disk has room."),
    "vault_write": Check("vault", "A probe object can be put under `probe/`."),
    "vault_once": Check("vault", "A second put to its key is refused (If-None-Match): nothing is overwritten."),
    "vault_checksum": Check("vault", "Read back, it has the SHA-256 of what was put."),
    "vault_range": Check("vault", "A part of it is read alone, and a range beyond its end is an error."),
    "vault_list": Check("vault", "A listing has it."),
    "vault_remove": Check("vault", "It can be removed, and is gone then."),
    "credentials": Check("production", "The server asks for a user, over TLS, and this one may not do everything."),
    "lifecycle": Check("production", "Rules that move archived objects to cheaper storage classes."),
    "retention": Check("production", "How long marked documents stay was chosen for every model, not left to chance."),
    "outbox": Check("production", "Somebody watches how many events are pending and dead."),
    "restore_test": Check("production", "A document was brought back from the vault in the last 90 days."),
    "logs": Check("production", "What commands say is collected."),
    "alerts": Check("production", "Somebody is told when a check fails."),
}
"""Check -> what it looks at, in the order in which they are looked at; docs/doctor.md lists them."""

PRODUCTION = tuple(name for name, check in CHECKS.items() if check.area == "production")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing looked at: which check, how it stands, what was seen, and the command or step that mends it."""

    check: str
    level: Level
    what: str
    next: str | None = None

    @property
    def area(self) -> str:
        return CHECKS[self.check].area

    def row(self) -> dict[str, str | None]:
        """The line by its names, its area with it."""
        return {
            "area": self.area,
            "check": self.check,
            "level": self.level.value,
            "what": self.what,
            "next": self.next,
        }


def ok(check: str, what: str) -> Line:
    return Line(check, Level.OK, what)


def warn(check: str, what: str, next: str) -> Line:
    return Line(check, Level.WARN, what, next)


def fail(check: str, what: str, next: str | None) -> Line:
    return Line(check, Level.FAIL, what, next)


def looked_at(check: str, look: Callable[[], Iterable[Line]]) -> Iterator[Line]:
    """The lines of one check. An error it meets is its answer, and keeps no other check from being made."""
    try:
        yield from look()
    except DatactlError as error:
        yield fail(check, str(error), error.next)
