"""What each driver exception and server code means here: the table behind `driver_errors`."""

from __future__ import annotations

from collections.abc import Callable
from ssl import SSLCertVerificationError

from bson import errors as bson_errors
from pymongo import errors as pymongo_errors

from datactl.errors import DatactlError
from datactl.mongo import failures

Maker = Callable[[Exception, str], DatactlError]


def _write_failure(error: Exception, doing: str) -> DatactlError:
    """A write's own error: some codes mean the one document here, and anything elsewhere."""
    code = getattr(error, "code", None) or 0
    return UPDATE_CODES.get(code, SERVER_CODES.get(code, failures.other_failure))(error, doing)


def _operation_failure(error: Exception, doing: str) -> DatactlError:
    return SERVER_CODES.get(getattr(error, "code", None) or 0, failures.other_failure)(error, doing)


DUPLICATE_CODES = (11000, 11001, 12582)

# Server codes: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
SERVER_CODES: dict[int, Maker] = {
    6: failures.cannot_connect,  # HostUnreachable
    7: failures.cannot_connect,  # HostNotFound
    11: failures.authentication,  # UserNotFound
    13: failures.not_permitted,  # Unauthorized
    18: failures.authentication,  # AuthenticationFailed
    20: failures.illegal_operation,  # IllegalOperation: transactions on a standalone server, among others
    24: failures.timeout,  # LockTimeout
    26: failures.no_such_thing,  # NamespaceNotFound
    27: failures.no_such_thing,  # IndexNotFound
    43: failures.cursor_gone,  # CursorNotFound
    48: failures.exists_already,  # NamespaceExists
    50: failures.timeout,  # MaxTimeMSExpired
    64: failures.unconfirmed,  # WriteConcernTimeout
    68: failures.exists_already,  # IndexAlreadyExists
    79: failures.unknown_write_concern,  # UnknownReplWriteConcern
    85: failures.exists_already,  # IndexOptionsConflict
    86: failures.exists_already,  # IndexKeySpecsConflict
    89: failures.cannot_connect,  # NetworkTimeout
    91: failures.cannot_connect,  # ShutdownInProgress
    100: failures.unknown_write_concern,  # UnsatisfiableWriteConcern
    112: failures.write_conflict,  # WriteConflict
    121: failures.rejected,  # DocumentValidationFailure
    189: failures.cannot_connect,  # PrimarySteppedDown
    202: failures.timeout,  # NetworkInterfaceExceededTimeLimit
    251: failures.transaction_gone,  # NoSuchTransaction
    262: failures.timeout,  # ExceededTimeLimit
    9001: failures.cannot_connect,  # SocketException
    8000: failures.authentication,  # AtlasError: what Atlas answers to a wrong password
    10107: failures.cannot_connect,  # NotWritablePrimary
    10334: failures.too_large,  # BSONObjectTooLarge
    11000: failures.duplicate_key,
    11001: failures.duplicate_key,
    11600: failures.cannot_connect,  # InterruptedAtShutdown
    11602: failures.cannot_connect,  # InterruptedDueToReplStateChange
    12582: failures.duplicate_key,
    13435: failures.cannot_connect,  # NotPrimaryNoSecondaryOk
    13436: failures.cannot_connect,  # NotPrimaryOrSecondary
    14031: failures.disk_full,  # OutOfDiskSpace
    17280: failures.too_large,  # KeyTooLong
    17419: failures.too_large,  # the document after the update is beyond the limit
    17420: failures.too_large,  # the document after the replacement is beyond the limit
    51091: failures.bad_pattern,  # a regular expression that PCRE does not take
}

# The same codes in the answer to one write: the update does not go with what the document holds.
UPDATE_CODES: dict[int, Maker] = {
    2: failures.cannot_update,  # BadValue
    14: failures.cannot_update,  # TypeMismatch
    28: failures.cannot_update,  # PathNotViable
    40: failures.cannot_update,  # ConflictingUpdateOperators
    66: failures.cannot_update,  # ImmutableField
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
    pymongo_errors.PyMongoError: failures.driver_failure,
    pymongo_errors.ProtocolError: failures.protocol,
    pymongo_errors.ConnectionFailure: failures.cannot_connect,
    pymongo_errors.WaitQueueTimeoutError: failures.pool_exhausted,
    pymongo_errors.AutoReconnect: failures.cannot_connect,
    pymongo_errors.NetworkTimeout: failures.cannot_connect,
    pymongo_errors.NotPrimaryError: failures.cannot_connect,
    pymongo_errors.ServerSelectionTimeoutError: failures.cannot_connect,
    _operation_cancelled: failures.cannot_connect,
    SSLCertVerificationError: failures.certificate,
    pymongo_errors.ConfigurationError: failures.bad_configuration,
    pymongo_errors.InvalidURI: failures.bad_uri,
    pymongo_errors.OperationFailure: _operation_failure,
    pymongo_errors.CursorNotFound: failures.cursor_gone,
    pymongo_errors.ExecutionTimeout: failures.timeout,
    pymongo_errors.WriteConcernError: failures.write_concern,
    pymongo_errors.WTimeoutError: failures.unconfirmed,
    pymongo_errors.WriteError: _write_failure,
    pymongo_errors.DuplicateKeyError: failures.duplicate_key,
    pymongo_errors.BulkWriteError: _operation_failure,
    pymongo_errors.ClientBulkWriteException: _operation_failure,
    pymongo_errors.InvalidOperation: failures.misuse,
    pymongo_errors.InvalidName: failures.bad_name,
    pymongo_errors.CollectionInvalid: failures.exists_already,
    pymongo_errors.EncryptionError: failures.encryption,
    pymongo_errors.EncryptedCollectionError: failures.encryption,
    pymongo_errors.DocumentTooLarge: failures.too_large,
    bson_errors.BSONError: failures.bad_document,
    bson_errors.InvalidBSON: failures.unreadable_bson,
    bson_errors.InvalidStringData: failures.bad_document,
    bson_errors.InvalidDocument: failures.bad_document,
    bson_errors.InvalidId: failures.bad_id,
    OverflowError: failures.bad_document,
    UnicodeError: failures.bad_document,
}
