"""Driver errors to datactl errors: the one place where an exception of pymongo or bson becomes one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo import errors as pymongo_errors

from datactl.errors import DatabaseError, DatactlError
from datactl.mongo.meanings import DRIVER_ERRORS, DUPLICATE_CODES, MEANINGS
from datactl.mongo.wording import reason_of


@contextmanager
def mapping_errors(doing: str) -> Iterator[None]:
    """Errors of the driver raised in the block leave it as ours, chained to their cause.

    `doing` is what was tried, as a phrase that follows "while": "reading posts".
    """
    try:
        yield
    except DRIVER_ERRORS as error:
        raise as_datactl(error, doing) from error


def as_datactl(error: Exception, doing: str) -> DatactlError:
    """The datactl error that says what `error`, a driver exception, means; a bulk's is that of its first error."""
    failure = first_failure(error)
    for kind in type(failure).__mro__:
        maker = MEANINGS.get(kind)
        if maker is not None and isinstance(failure, Exception):
            return maker(failure, doing)
    return DatabaseError(f"the database driver failed while {doing}", why=reason_of(error))


def is_server_code(error: BaseException | None, *codes: int) -> bool:
    """Whether `error`, the first error of a bulk, or what it was raised from is one of these server codes."""
    while error is not None:
        failure = first_failure(error)
        if isinstance(failure, pymongo_errors.OperationFailure) and failure.code in codes:
            return True
        error = error.__cause__
    return False


def has_label(error: BaseException | None, label: str) -> bool:
    """Whether `error` or what it was raised from carries an error label of the driver specification."""
    while error is not None:
        for failure in (error, first_failure(error)):
            if isinstance(failure, pymongo_errors.PyMongoError) and failure.has_error_label(label):
                return True
        error = error.__cause__
    return False


def first_failure(error: BaseException) -> BaseException:
    """The first error inside a bulk error; any other error itself."""
    if isinstance(error, pymongo_errors.ClientBulkWriteException):
        if isinstance(error.error, Exception):
            return first_failure(error.error)
        return _first_of(error, error.details)
    if isinstance(error, pymongo_errors.BulkWriteError):
        return _first_of(error, error.details)
    return error


def _first_of(error: pymongo_errors.OperationFailure, details: Mapping[str, Any] | None) -> BaseException:
    found = details or {}
    for entry in found.get("writeErrors") or ():
        if isinstance(entry, pymongo_errors.PyMongoError):
            return entry
        code = entry.get("code")
        kind = pymongo_errors.DuplicateKeyError if code in DUPLICATE_CODES else pymongo_errors.WriteError
        return kind(str(entry.get("errmsg", "")), code, entry)
    for entry in found.get("writeConcernErrors") or ():
        if isinstance(entry, pymongo_errors.PyMongoError):
            return entry
        timed_out = bool((entry.get("errInfo") or {}).get("wtimeout"))
        concern = pymongo_errors.WTimeoutError if timed_out else pymongo_errors.WriteConcernError
        return concern(str(entry.get("errmsg", "")), entry.get("code"), entry)
    return error
