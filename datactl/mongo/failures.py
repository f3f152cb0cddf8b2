"""Failures of the driver and the server in this project's words: what happened, why, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datactl.errors import (
    AuthenticationFailed,
    BadId,
    CannotConnect,
    ConfigError,
    Conflict,
    DatabaseError,
    DatabaseTimeout,
    DatactlError,
    DocumentRejected,
    DocumentTooLarge,
    DuplicateKey,
    FilterError,
    InvalidDocument,
    NotFound,
    NotPermitted,
    NoTransactions,
    UsageError,
    WriteConflict,
)
from datactl.mongo.validation import rejected_by
from datactl.mongo.wording import reason_of

# What one command line makes of a standalone server; said wherever transactions are refused.
REPLICA_SET_REMEDY = (
    "start mongod with --replSet rs0, then run once: mongosh --eval 'rs.initiate()' (one node is enough)"
)

# What the server quotes of a document may be secret: "Cannot create field 'b' in element {a: ...}".
_VALUES = re.compile(r"\{.*\}", re.DOTALL)
_EXECUTOR = "Plan executor error during update :: caused by :: "
_DUPLICATE = re.compile(r"collection: (?P<ns>\S+) index: (?P<index>.+?) dup key: (?P<key>\{.*\})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that is told in the same words whatever its details: called with it, and with what was being done.

    `{doing}` in `what` stands for that; why is what the driver or server says.
    """

    kind: type[DatactlError]
    what: str
    next: str | None = None

    def __call__(self, error: Exception, doing: str) -> DatactlError:
        return self.kind(self.what.replace("{doing}", doing), why=reason_of(error), next=self.next)


cannot_connect = Failure(
    CannotConnect,
    "cannot reach the database while {doing}",
    "check that the server runs, and the host and port of the URI",
)
pool_exhausted = Failure(
    CannotConnect,
    "no free connection to the database while {doing}",
    "raise maxPoolSize in the URI, or run less at once",
)
certificate = Failure(
    CannotConnect,
    "the server's certificate was refused while {doing}",
    "check tlsCAFile and the host name in the URI",
)
protocol = Failure(
    CannotConnect,
    "the answer was not the MongoDB protocol while {doing}",
    "check that the URI's host and port are a MongoDB server's",
)
bad_uri = Failure(
    ConfigError,
    "the MongoDB URI is not valid",
    "write it as mongodb://USER:PASSWORD@HOST:PORT/DATABASE, with USER and PASSWORD percent-encoded",
)
encryption = Failure(
    DatabaseError,
    "client-side field encryption failed while {doing}",
    "check the key provider and the schema map of the encrypted collection",
)
misuse = Failure(DatabaseError, "the database connection was used wrongly while {doing}")
bad_name = Failure(
    UsageError,
    "a database or collection name is not valid while {doing}",
    "names are not empty and hold no '$', no NUL; a database name no '/', '\\', '.', ' ' or '\"' either",
)
exists_already = Failure(Conflict, "it exists already: {doing}")
bad_id = Failure(BadId, "not a valid ObjectId", "an ObjectId is 24 hexadecimal digits")
unreadable_bson = Failure(
    DatabaseError,
    "a stored document is not valid BSON while {doing}",
    "find it with mongosh (db.runCommand({validate: COLLECTION, full: true})) and repair it",
)
bad_document = Failure(InvalidDocument, "a value cannot be stored in MongoDB while {doing}")
too_large = Failure(
    DocumentTooLarge,
    "the document is too large while {doing}",
    "a MongoDB document holds at most 16 MiB (16777216 bytes) of BSON: split it",
)
timeout = Failure(
    DatabaseTimeout,
    "the database took too long while {doing}",
    "run it again; look for a missing index with `datactl find --explain`",
)
unconfirmed = Failure(
    DatabaseTimeout,
    "written, but not confirmed by a majority in time while {doing}",
    "check the members of the replica set with rs.status()",
)
write_concern = Failure(
    DatabaseError,
    "the write is not confirmed while {doing}",
    "check w in the URI and the members of the replica set with rs.status()",
)
cursor_gone = Failure(
    DatabaseError,
    "the server forgot the cursor while {doing}",
    "run it again: a cursor left alone for 10 minutes, or a restart of the server, ends it",
)
authentication = Failure(
    AuthenticationFailed,
    "the database did not accept the user or password while {doing}",
    "check user, password and authSource in the URI",
)
write_conflict = Failure(
    WriteConflict,
    "another writer changed the same document while {doing}",
    "run it again: nothing of this transaction was written",
)
transaction_gone = Failure(
    WriteConflict,
    "the server ended the transaction while {doing}",
    "run it again: nothing of this transaction was written",
)
no_such_thing = Failure(NotFound, "no such collection or index while {doing}")
disk_full = Failure(DatabaseError, "the database's disk is full while {doing}", "free space on the server's disk")
unknown_write_concern = Failure(
    ConfigError,
    "the server does not know the URI's write concern while {doing}",
    "use w=majority in the URI",
)
driver_failure = Failure(DatabaseError, "the database driver failed while {doing}")
bad_pattern = Failure(FilterError, "a regular expression is not valid")


def bad_configuration(error: Exception, doing: str) -> DatactlError:
    if "essions are not supported" in str(error):
        return no_transactions(reason_of(error))
    return ConfigError(
        f"the connection settings cannot work while {doing}",
        why=reason_of(error),
        next="check the options of the MongoDB URI",
    )


def no_transactions(why: str) -> NoTransactions:
    """The refusal of a server without transactions, with its remedy."""
    return NoTransactions("this MongoDB server has no transactions", why=why, next=REPLICA_SET_REMEDY)


def duplicate_key(error: Exception, _doing: str) -> DatactlError:
    details = getattr(error, "details", None) or {}
    message = str(details.get("errmsg") or error)
    found = _DUPLICATE.search(message)
    namespace = found["ns"] if found else None
    collection = namespace.partition(".")[2] if namespace else None
    index = found["index"] if found else None
    key = details.get("keyValue")
    shown = ", ".join(f"{name} = {value!r}" for name, value in key.items()) if key else (found["key"] if found else "")
    what = f"{collection or 'the collection'} already has a document with {shown or 'this key'}"
    return DuplicateKey(
        what,
        why=f"index {index} is unique" if index else reason_of(error),
        next="change the value, or change the document that holds it",
        collection=collection,
        index=index,
        key={name: _plain(value) for name, value in key.items()} if key else None,
    )


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def rejected(error: Exception, doing: str) -> DatactlError:
    details = getattr(error, "details", None) or {}
    problems = rejected_by(details.get("errInfo"))
    return DocumentRejected(
        f"the collection's validator refused the document while {doing}",
        why="; ".join(f"{p.where or '/'} {p.what}" for p in problems) or reason_of(error),
        next="compare the document with the validator: db.getCollectionInfos() in mongosh shows it",
        problems=problems,
    )


def not_permitted(error: Exception, doing: str) -> DatactlError:
    anonymous = "requires authentication" in str(error)
    remedy = "put a user and password into the URI" if anonymous else "ask for a role that allows it (readWrite)"
    return NotPermitted(f"the database does not allow this: {doing}", why=reason_of(error), next=remedy)


def illegal_operation(error: Exception, doing: str) -> DatactlError:
    if "ransaction numbers" in str(error):
        return no_transactions(reason_of(error))
    return other_failure(error, doing)


def other_failure(error: Exception, doing: str) -> DatactlError:
    details = getattr(error, "details", None)
    code = getattr(error, "code", None)
    name = details.get("codeName") if isinstance(details, Mapping) else None
    return DatabaseError(
        f"the database refused while {doing}",
        why=reason_of(error),
        serverCode=code,
        serverCodeName=name,
    )


def cannot_update(error: Exception, doing: str) -> DatactlError:
    details = getattr(error, "details", None) or {}
    why = _VALUES.sub("{...}", str(details.get("errmsg") or reason_of(error)).removeprefix(_EXECUTOR))
    return DocumentRejected(
        f"the server cannot change the document in this way while {doing}",
        why=why,
        next="compare the update with what the document holds in this field",
    )
