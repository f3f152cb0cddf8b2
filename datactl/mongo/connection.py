"""The connection: one database of one MongoDB server, opened within bounded time, and what it is asked for."""

from __future__ import annotations

import re
import secrets
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar
from urllib.parse import unquote_plus

import pymongo
from bson.binary import Binary
from pymongo import DeleteMany, DeleteOne, InsertOne, MongoClient, ReplaceOne, UpdateMany, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, InvalidURI
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from datactl.errors import ConfigError, DatabaseError, DatactlError, UsageError, WeakDurability
from datactl.mongo.capabilities import Capabilities
from datactl.mongo.driver_errors import mapping_errors
from datactl.mongo.failures import no_transactions
from datactl.mongo.raw import CODEC
from datactl.mongo.transactions import run_transaction
from datactl.steps import UNWATCHED, Watcher

T = TypeVar("T")

Document: TypeAlias = dict[str, Any]
WriteModel: TypeAlias = InsertOne[Document] | ReplaceOne[Document] | UpdateOne | UpdateMany | DeleteOne | DeleteMany

META = "datactl_meta"
DEFAULT_DATABASE = "test"  # what drivers and mongosh use when a URI names none

# An answer may take long (an index build, a cold scan); a server that says nothing for this long is gone.
SOCKET_TIMEOUT_S = 300
_FAREWELL_S = 1.0
_TELLING_PIECE = 4
_KEY_BYTES = 32


def open_mongo(
    uri: str, database: str | None, *, local: bool = False, app: str = "datactl", timeout_s: float = 10
) -> Mongo:
    """Connect, authenticate, and say who answers; `database` None means the URI's, else `test`.

    `local` is the local engine: the only one that may run with `w=1&journal=true`. Raises ConfigError for a URI that
    cannot be read, CannotConnect or AuthenticationFailed within `timeout_s` seconds.
    """
    wait_ms = int(timeout_s * 1000)
    limits = {
        "serverSelectionTimeoutMS": wait_ms,
        "connectTimeoutMS": wait_ms,
        "socketTimeoutMS": SOCKET_TIMEOUT_S * 1000,
    }
    given = {option.partition("=")[0].lower() for option in uri.partition("?")[2].split("&")}
    unset: dict[str, Any] = {name: value for name, value in limits.items() if name.lower() not in given}
    try:
        with mapping_errors("opening the connection"), _strict_options():
            if "/" in _user_info(uri):  # the driver would take what follows for a database
                raise InvalidURI("a '/' in the user or password must be written %2F")
            client: MongoClient[Document] = MongoClient(
                uri,
                appname=app,
                tz_aware=True,
                uuidRepresentation="standard",
                datetime_conversion="DATETIME_AUTO",
                **unset,
            )
            name = database or client.get_default_database(DEFAULT_DATABASE).name
            mongo = Mongo(client, client[name], local=local)
    except (ValueError, TypeError) as error:
        raise ConfigError("the MongoDB URI is not valid", why=_without_password(str(error), uri)) from None
    except DatactlError as error:
        error.why = _without_password(error.why or "", uri) or None
        raise error from None  # what the driver said of this URI may have its password, and a traceback would show it
    with ExitStack() as unless_it_answers:
        unless_it_answers.callback(mongo.close)
        mongo.ping()
        unless_it_answers.pop_all()
    return mongo


@contextmanager
def _strict_options() -> Iterator[None]:
    """An option of the URI whose value the driver would drop with a warning is an error: `w=-3` must not mean w=1.

    Unknown options stay ignored, as drivers must: other programs' URIs may carry them.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
    dropped = [
        str(one.message)
        for one in said
        if issubclass(one.category, UserWarning) and not str(one.message).startswith("Unknown option")
    ]
    if dropped:
        raise ConfigError("an option of the MongoDB URI is not valid", why="; ".join(dropped))


def _user_info(uri: str) -> str:
    """`user:password` of the URI, as it is written."""
    return _after_scheme(uri).partition("?")[0].rpartition("@")[0]


def _after_scheme(uri: str) -> str:
    """The rest of the URI; all of it where the scheme was forgotten."""
    scheme, separator, rest = uri.partition("//")
    return rest if separator and "@" not in scheme else uri


def _without_password(text: str, uri: str) -> str:
    """`text` without the URI's password, also where the driver took a part of it for something else."""
    password = _after_scheme(uri).rpartition("@")[0].partition(":")[2]
    pieces = {piece for piece in re.split("[/:@?]", password) if len(piece) >= _TELLING_PIECE}
    for secret in sorted({password, unquote_plus(password), *pieces} - {""}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


class Mongo:
    """One database and its server. Safe to share between threads; a context manager that closes the connection."""

    def __init__(self, client: MongoClient[Document], database: Database[Document], *, local: bool = False) -> None:
        self.client = client
        self.database = database.with_options(codec_options=CODEC)
        self.local = local

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Without a limit the driver would look for a lost server, to end its sessions."""
        with pymongo.timeout(_FAREWELL_S):
            self.client.close()

    def collection(self, name: str) -> Collection[Document]:
        return self.database[name]

    def ping(self) -> None:
        """Ask for an answer, authenticated if the URI says so. Raises CannotConnect or AuthenticationFailed."""
        with mapping_errors(f"connecting to {self.where}"):
            self.client.admin.command("ping")

    def server_time(self) -> datetime:
        """The server's clock (UTC, milliseconds): the only clock by which ages and leases are judged."""
        with mapping_errors("asking the server for its time"):
            time: datetime = self.client.admin.command("hello", codec_options=CODEC)["localTime"]
        return time

    @cached_property
    def where(self) -> str:
        """`host:port[,host:port...]/database`, without credentials."""
        seeds = self.client.topology_description.server_descriptions()
        return ",".join(sorted(f"{host}:{port}" for host, port in seeds)) + f"/{self.database.name}"

    @cached_property
    def capabilities(self) -> Capabilities:
        """What this server can do, found once per connection and only where it is asked for."""
        return Capabilities(self.client, self.database[META])

    def require_transactions(self) -> None:
        """Changing commands call this first. Raises WeakDurability or NoTransactions ."""
        weakness = self.weakness()
        if weakness:
            raise WeakDurability(
                f"the MongoDB URI weakens what a write promises: {weakness}",
                why="a change and its event must survive the loss of a server, or neither be there",
                next="take it out of the URI (or write w=majority); reading commands work as it is",
            )
        if not self.capabilities.transactions:
            raise no_transactions(self.capabilities.transactions_refusal or "the trial transaction was not kept apart")

    def weakness(self) -> str | None:
        """What in the URI weakens durability or reads, in its own words; None when nothing does."""
        concern = self.client.write_concern.document
        w = concern.get("w", "majority")
        if w == 0:
            return "w=0"
        if concern.get("j") is False:
            return "journal=false"
        if w != "majority" and not (self.local and w == 1 and concern.get("j") is True):
            return f"w={w}"
        if self.client.read_concern.level in ("local", "available"):
            return f"readConcernLevel={self.client.read_concern.level}"
        if self.client.read_preference != ReadPreference.PRIMARY:
            return f"readPreference={self.client.read_preference.mongos_mode}"
        return None

    @property
    def write_concern(self) -> WriteConcern:
        """What transactions commit with: majority; on the local engine what its URI says."""
        if self.local and self.client.write_concern.document:
            return self.client.write_concern
        return WriteConcern("majority")

    def transaction(self, fn: Callable[[ClientSession], T], *, watch: Watcher = UNWATCHED) -> T:
        """`fn(session)` in one snapshot transaction, tried again as the driver specification says (see `transactions`).

        `fn` may run more than once and must not keep anything from an attempt that failed.
        """
        return run_transaction(self.client, fn, self.write_concern, watch=watch)

    def namespace(self, collection: str) -> str:
        """`database.collection`, as the write models of `bulk_write` want it."""
        return f"{self.database.name}.{collection}"

    def bulk_write(self, models: Sequence[WriteModel], session: ClientSession | None = None) -> BulkCounts:
        """Ordered writes, to several collections at once: each model carries `namespace=mongo.namespace("posts")`.

        One client bulkWrite where the server has it (MongoDB 8.0), else one bulk_write per run of one namespace.
        Stops at the first error, which is raised as ours (DuplicateKey, DocumentRejected, ...).
        """
        if not models:
            return BulkCounts()
        with mapping_errors("writing"):
            if self.capabilities.client_bulk_write:
                if not self.capabilities.bulk_write_opens_transaction:
                    self._open_transaction(session)
                result = self.client.bulk_write(list(models), session=session, ordered=True)
                return BulkCounts(
                    result.inserted_count, result.matched_count, result.modified_count, result.deleted_count
                )
            counts = BulkCounts()
            for namespace, run in groupby(models, key=_namespace_of):
                name = namespace.partition(".")[2]
                done = self.database[name].bulk_write(list(run), ordered=True, session=session)
                counts = counts.plus(done.inserted_count, done.matched_count, done.modified_count, done.deleted_count)
            return counts

    def _open_transaction(self, session: ClientSession | None) -> None:
        """A read that starts the session's transaction, for servers that refuse a bulkWrite with a read concern."""
        if session is not None and session._starting_transaction:
            self.database[META].find_one({"_id": "none"}, session=session)

    @cached_property
    def cursor_key(self) -> bytes:
        """32 random bytes, made once per database and shared by all its processes: they sign cursors and ETags."""
        rows = self.database[META]
        with mapping_errors(f"reading {META}"):
            row = rows.find_one({"_id": "cursor_key"})
            if row is None:
                fresh: Document = {"_id": "cursor_key", "key": Binary(secrets.token_bytes(_KEY_BYTES))}
                try:
                    rows.with_options(write_concern=self.write_concern).insert_one(fresh)
                except DuplicateKeyError:
                    row = rows.find_one({"_id": "cursor_key"})
                else:
                    row = fresh
        if row is None:
            raise DatabaseError(f"the cursor key vanished from {META}", next="run it again")
        key: bytes = row["key"]
        return bytes(key)


@dataclass(frozen=True, slots=True)
class BulkCounts:
    """What a bulk of writes did, in documents."""

    inserted: int = 0
    matched: int = 0
    modified: int = 0
    deleted: int = 0

    def plus(self, inserted: int, matched: int, modified: int, deleted: int) -> BulkCounts:
        return BulkCounts(
            self.inserted + inserted, self.matched + matched, self.modified + modified, self.deleted + deleted
        )


def _namespace_of(model: WriteModel) -> str:
    if model._namespace is None:
        raise UsageError("a bulk write model has no namespace", next='pass namespace=mongo.namespace("posts")')
    return model._namespace
