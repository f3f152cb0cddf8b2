"""What each driver exception and server code means here: the table behind `driver_errors`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ssl import SSLCertVerificationError
from typing import Any

from bson import errors as bson_errors
from pymongo import errors as pymongo_errors

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

Maker = Callable[[Exception, str], DatactlError]

# What the server quotes of a document may be secret: "Cannot create field 'b' in element {a: ...}".
_VALUES = re.compile(r"\{.*\}", re.DOTALL)
_EXECUTOR = "Plan executor error during update :: caused by :: "
_DUPLICATE = re.compile(r"collection: (?P<ns>\S+) index: (?P<index>.+?) dup key: (?P<key>\{.*\})", re.DOTALL)


def _cannot_connect(error: Exception, doing: str) -> DatactlError:
    return CannotConnect(
        f"cannot reach the database while {doing}",
        why=reason_of(error),
        next="check that the server runs, and the host and port of the URI",
    )


def _pool_exhausted(error: Exception, doing: str) -> DatactlError:
    return CannotConnect(
        f"no free connection to the database while {doing}",
        why=reason_of(error),
        next="raise maxPoolSize in the URI, or run less at once",
    )


def _certificate(error: Exception, doing: str) -> DatactlError:
    return CannotConnect(
        f"the server's certificate was refused while {doing}",
        why=reason_of(error),
        next="check tlsCAFile and the host name in the URI",
    )


def _protocol(error: Exception, doing: str) -> DatactlError:
    return CannotConnect(
        f"the answer was not the MongoDB protocol while {doing}",
        why=reason_of(error),
        next="check that the URI's host and port are a MongoDB server's",
    )


def _bad_uri(error: Exception, _doing: str) -> DatactlError:
    return ConfigError(
        "the MongoDB URI is not valid",
        why=reason_of(error),
        next="write it as mongodb://USER:PASSWORD@HOST:PORT/DATABASE, with USER and PASSWORD percent-encoded",
    )


def _bad_configuration(error: Exception, doing: str) -> DatactlError:
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


def _encryption(error: Exception, doing: str) -> DatactlError:
    return DatabaseError(
        f"client-side field encryption failed while {doing}",
        why=reason_of(error),
        next="check the key provider and the schema map of the encrypted collection",
    )


def _misuse(error: Exception, doing: str) -> DatactlError:
    return DatabaseError(f"the database connection was used wrongly while {doing}", why=reason_of(error))


def _bad_name(error: Exception, doing: str) -> DatactlError:
    return UsageError(
        f"a database or collection name is not valid while {doing}",
        why=reason_of(error),
        next="names are not empty and hold no '$', no NUL; a database name no '/', '\\', '.', ' ' or '\"' either",
    )


def _exists_already(error: Exception, doing: str) -> DatactlError:
    return Conflict(f"it exists already: {doing}", why=reason_of(error))


def _bad_id(error: Exception, _doing: str) -> DatactlError:
    return BadId("not a valid ObjectId", why=reason_of(error), next="an ObjectId is 24 hexadecimal digits")


def _unreadable_bson(error: Exception, doing: str) -> DatactlError:
    return DatabaseError(
        f"a stored document is not valid BSON while {doing}",
        why=reason_of(error),
        next="find it with mongosh (db.runCommand({validate: COLLECTION, full: true})) and repair it",
    )


def _bad_document(error: Exception, doing: str) -> DatactlError:
    return InvalidDocument(f"a value cannot be stored in MongoDB while {doing}", why=reason_of(error))


def _too_large(error: Exception, doing: str) -> DatactlError:
    return DocumentTooLarge(
        f"the document is too large while {doing}",
        why=reason_of(error),
        next="a MongoDB document holds at most 16 MiB (16777216 bytes) of BSON: split it",
    )


def _timeout(error: Exception, doing: str) -> DatactlError:
    return DatabaseTimeout(
        f"the database took too long while {doing}",
        why=reason_of(error),
        next="run it again; look for a missing index with `datactl find --explain`",
    )


def _unconfirmed(error: Exception, doing: str) -> DatactlError:
    return DatabaseTimeout(
        f"written, but not confirmed by a majority in time while {doing}",
        why=reason_of(error),
        next="check the members of the replica set with rs.status()",
    )


def _write_concern(error: Exception, doing: str) -> DatactlError:
    return DatabaseError(
        f"the write is not confirmed while {doing}",
        why=reason_of(error),
        next="check w in the URI and the members of the replica set with rs.status()",
    )


def _cursor_gone(error: Exception, doing: str) -> DatactlError:
    return DatabaseError(
        f"the server forgot the cursor while {doing}",
        why=reason_of(error),
        next="run it again: a cursor left alone for 10 minutes, or a restart of the server, ends it",
    )


def _duplicate_key(error: Exception, _doing: str) -> DatactlError:
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


def _rejected(error: Exception, doing: str) -> DatactlError:
    details = getattr(error, "details", None) or {}
    problems = rejected_by(details.get("errInfo"))
    return DocumentRejected(
        f"the collection's validator refused the document while {doing}",
        why="; ".join(f"{p.where or '/'} {p.what}" for p in problems) or reason_of(error),
        next="compare the document with the validator: db.getCollectionInfos() in mongosh shows it",
        problems=problems,
    )


def _authentication(error: Exception, doing: str) -> DatactlError:
    return AuthenticationFailed(
        f"the database did not accept the user or password while {doing}",
        why=reason_of(error),
        next="check user, password and authSource in the URI",
    )


def _not_permitted(error: Exception, doing: str) -> DatactlError:
    anonymous = "requires authentication" in str(error)
    remedy = "put a user and password into the URI" if anonymous else "ask for a role that allows it (readWrite)"
    return NotPermitted(f"the database does not allow this: {doing}", why=reason_of(error), next=remedy)


def _illegal_operation(error: Exception, doing: str) -> DatactlError:
    if "ransaction numbers" in str(error):
        return no_transactions(reason_of(error))
    return _other_failure(error, doing)


def _write_conflict(error: Exception, doing: str) -> DatactlError:
    return WriteConflict(
        f"another writer changed the same document while {doing}",
        why=reason_of(error),
        next="run it again: nothing of this transaction was written",
    )


def _transaction_gone(error: Exception, doing: str) -> DatactlError:
    return WriteConflict(
        f"the server ended the transaction while {doing}",
        why=reason_of(error),
        next="run it again: nothing of this transaction was written",
    )


def _no_such_thing(error: Exception, doing: str) -> DatactlError:
    return NotFound(f"no such collection or index while {doing}", why=reason_of(error))


def _disk_full(error: Exception, doing: str) -> DatactlError:
    return DatabaseError(
        f"the database's disk is full while {doing}", why=reason_of(error), next="free space on the server's disk"
    )


def _unknown_write_concern(error: Exception, doing: str) -> DatactlError:
    return ConfigError(
        f"the server does not know the URI's write concern while {doing}",
        why=reason_of(error),
        next="use w=majority in the URI",
    )


def _other_failure(error: Exception, doing: str) -> DatactlError:
    details = getattr(error, "details", None)
    code = getattr(error, "code", None)
    name = details.get("codeName") if isinstance(details, Mapping) else None
    return DatabaseError(
        f"the database refused while {doing}",
        why=reason_of(error),
        serverCode=code,
        serverCodeName=name,
    )


def _cannot_update(error: Exception, doing: str) -> DatactlError:
    details = getattr(error, "details", None) or {}
    why = _VALUES.sub("{...}", str(details.get("errmsg") or reason_of(error)).removeprefix(_EXECUTOR))
    return DocumentRejected(
        f"the server cannot change the document in this way while {doing}",
        why=why,
        next="compare the update with what the document holds in this field",
    )


def _bad_pattern(error: Exception, _doing: str) -> DatactlError:
    return FilterError("a regular expression is not valid", why=reason_of(error))


def _write_failure(error: Exception, doing: str) -> DatactlError:
    """A write's own error: some codes mean the one document here, and anything elsewhere."""
    code = getattr(error, "code", None) or 0
    return UPDATE_CODES.get(code, SERVER_CODES.get(code, _other_failure))(error, doing)


def _operation_failure(error: Exception, doing: str) -> DatactlError:
    return SERVER_CODES.get(getattr(error, "code", None) or 0, _other_failure)(error, doing)


DUPLICATE_CODES = (11000, 11001, 12582)

# Server codes: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
SERVER_CODES: dict[int, Maker] = {
    6: _cannot_connect,  # HostUnreachable
    7: _cannot_connect,  # HostNotFound
    11: _authentication,  # UserNotFound
    13: _not_permitted,  # Unauthorized
    18: _authentication,  # AuthenticationFailed
    20: _illegal_operation,  # IllegalOperation: transactions on a standalone server, among others
    24: _timeout,  # LockTimeout
    26: _no_such_thing,  # NamespaceNotFound
    27: _no_such_thing,  # IndexNotFound
    43: _cursor_gone,  # CursorNotFound
    48: _exists_already,  # NamespaceExists
    50: _timeout,  # MaxTimeMSExpired
    64: _unconfirmed,  # WriteConcernTimeout
    68: _exists_already,  # IndexAlreadyExists
    79: _unknown_write_concern,  # UnknownReplWriteConcern
    85: _exists_already,  # IndexOptionsConflict
    86: _exists_already,  # IndexKeySpecsConflict
    89: _cannot_connect,  # NetworkTimeout
    91: _cannot_connect,  # ShutdownInProgress
    100: _unknown_write_concern,  # UnsatisfiableWriteConcern
    112: _write_conflict,  # WriteConflict
    121: _rejected,  # DocumentValidationFailure
    189: _cannot_connect,  # PrimarySteppedDown
    202: _timeout,  # NetworkInterfaceExceededTimeLimit
    251: _transaction_gone,  # NoSuchTransaction
    262: _timeout,  # ExceededTimeLimit
    9001: _cannot_connect,  # SocketException
    8000: _authentication,  # AtlasError: what Atlas answers to a wrong password
    10107: _cannot_connect,  # NotWritablePrimary
    10334: _too_large,  # BSONObjectTooLarge
    11000: _duplicate_key,
    11001: _duplicate_key,
    11600: _cannot_connect,  # InterruptedAtShutdown
    11602: _cannot_connect,  # InterruptedDueToReplStateChange
    12582: _duplicate_key,
    13435: _cannot_connect,  # NotPrimaryNoSecondaryOk
    13436: _cannot_connect,  # NotPrimaryOrSecondary
    14031: _disk_full,  # OutOfDiskSpace
    17280: _too_large,  # KeyTooLong
    17419: _too_large,  # the document after the update is beyond the limit
    17420: _too_large,  # the document after the replacement is beyond the limit
    51091: _bad_pattern,  # a regular expression that PCRE does not take
}

# The same codes in the answer to one write: the update does not go with what the document holds.
UPDATE_CODES: dict[int, Maker] = {
    2: _cannot_update,  # BadValue
    14: _cannot_update,  # TypeMismatch
    28: _cannot_update,  # PathNotViable
    40: _cannot_update,  # ConflictingUpdateOperators
    66: _cannot_update,  # ImmutableField
}

# Raised out of a monitor that is being closed; the driver keeps the name to itself.
_operation_cancelled: type[Exception] = pymongo_errors.__dict__["_OperationCancelled"]

# What `mapping_errors` takes in. The encoder lets two builtins out for values that BSON cannot hold: an int beyond
# 64 bits, a lone surrogate.
DRIVER_ERRORS: tuple[type[Exception], ...] = (
    pymongo_errors.PyMongoError,
    bson_errors.BSONError,
    SSLCertVerificationError,
    OverflowError,
    UnicodeError,
)

# Every exception class of pymongo.errors and bson.errors; a test walks both modules.
MEANINGS: dict[type[BaseException], Maker] = {
    pymongo_errors.PyMongoError: lambda error, doing: DatabaseError(
        f"the database driver failed while {doing}", why=reason_of(error)
    ),
    pymongo_errors.ProtocolError: _protocol,
    pymongo_errors.ConnectionFailure: _cannot_connect,
    pymongo_errors.WaitQueueTimeoutError: _pool_exhausted,
    pymongo_errors.AutoReconnect: _cannot_connect,
    pymongo_errors.NetworkTimeout: _cannot_connect,
    pymongo_errors.NotPrimaryError: _cannot_connect,
    pymongo_errors.ServerSelectionTimeoutError: _cannot_connect,
    _operation_cancelled: _cannot_connect,
    SSLCertVerificationError: _certificate,
    pymongo_errors.ConfigurationError: _bad_configuration,
    pymongo_errors.InvalidURI: _bad_uri,
    pymongo_errors.OperationFailure: _operation_failure,
    pymongo_errors.CursorNotFound: _cursor_gone,
    pymongo_errors.ExecutionTimeout: _timeout,
    pymongo_errors.WriteConcernError: _write_concern,
    pymongo_errors.WTimeoutError: _unconfirmed,
    pymongo_errors.WriteError: _write_failure,
    pymongo_errors.DuplicateKeyError: _duplicate_key,
    pymongo_errors.BulkWriteError: _operation_failure,
    pymongo_errors.ClientBulkWriteException: _operation_failure,
    pymongo_errors.InvalidOperation: _misuse,
    pymongo_errors.InvalidName: _bad_name,
    pymongo_errors.CollectionInvalid: _exists_already,
    pymongo_errors.EncryptionError: _encryption,
    pymongo_errors.EncryptedCollectionError: _encryption,
    pymongo_errors.DocumentTooLarge: _too_large,
    bson_errors.BSONError: _bad_document,
    bson_errors.InvalidBSON: _unreadable_bson,
    bson_errors.InvalidStringData: _bad_document,
    bson_errors.InvalidDocument: _bad_document,
    bson_errors.InvalidId: _bad_id,
    OverflowError: _bad_document,
    UnicodeError: _bad_document,
}
