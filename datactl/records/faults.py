"""Faults: of what a transaction may fail, which of them one document is guilty of, and how they are told."""

from __future__ import annotations

from typing import Any

from datactl.errors import DatactlError, DocumentRejected, DocumentTooLarge, DuplicateKey, InvalidDocument, NotFound
from datactl.events import OUTBOX, SEQ_INDEX
from datactl.schema import Model

ITS_OWN_FAULT = (DuplicateKey, DocumentRejected, DocumentTooLarge, InvalidDocument)
"""What one document can be guilty of: the chunk is made smaller until that document stands alone."""


def seq_was_taken(error: DatactlError) -> bool:
    """Two transactions read the same newest `seq`: this one lost, and may be run again."""
    if not isinstance(error, DuplicateKey):
        return False
    return error.details.get("collection") == OUTBOX and error.details.get("index") == SEQ_INDEX


def concealed(error: DatactlError, model: Model) -> DatactlError:
    """The error without the value of a secret field: a taken key is named in messages, in ledgers and in logs."""
    key = error.details.get("key") if isinstance(error, DuplicateKey) else None
    if not key or not any(model.touches_secret(path) for path in key):
        return error
    return DuplicateKey(
        f"{model.collection} already has a document with this {', '.join(key)}",
        why=error.why,
        next=error.next,
        **{**error.details, "key": dict.fromkeys(key)},
    )


def not_found(model: Model, id: Any) -> NotFound:
    return NotFound(f"{model.name} {id} is not there", next=f"datactl find {model.name} lists what is")
