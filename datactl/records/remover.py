"""What removes documents by way of the vault and brings them back: the protocol that the archive implements.

A removal copies a document into a committed segment of the vault, and deletes it from MongoDB only while its bytes are
still those of the copy. Records decides what is to be removed; it knows the vault by nothing but this page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from pymongo.client_session import ClientSession

from datactl.errors import DatactlError
from datactl.mongo import Document
from datactl.records.operations import Context
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher


class Fate(StrEnum):
    """What became of one id that was to be removed."""

    REMOVED = "removed"
    CHANGED = "changed"  # not what its copy says any more, when its turn came: it stays, and may be tried again
    MISSING = "missing"  # there is no such document, or it does not match the selection
    REFUSED = "refused"  # `allow` or `refusals` said why


@dataclass(frozen=True, slots=True)
class Removed:
    """One id and its fate. Of a removed one: its bytes, the `seq` of its event, and where its copy is."""

    id: Any
    fate: Fate
    error: DatactlError | None = None
    document: bytes | None = None
    seq: int | None = None
    segment: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """One id that was to come back. `changed` False and no error: a document is there already, live or marked."""

    id: Any
    changed: bool
    error: DatactlError | None = None


Allow: TypeAlias = Callable[[Document], DatactlError | None]
"""Asked of each document as it is copied: why it must stay, None where it may go. What it saw is what is removed."""

Refusals: TypeAlias = Callable[[ClientSession | None, Sequence[Document]], Sequence[DatactlError | None]]
"""Asked inside the removing transaction, of the documents about to go: for each why it must stay, or None."""

Inside: TypeAlias = Callable[[ClientSession, Sequence[Removed]], None]
"""Called inside each transaction, with the fates it decides: what it writes is committed with them, or not at all."""


class Removal(Protocol):
    """One model's removal under way: it has its epoch and its lease."""

    def remove(
        self,
        ids: Iterable[Any],
        *,
        selection: Mapping[str, Any] | None = None,
        if_match: str | None = None,
        allow: Allow | None = None,
        refusals: Refusals | None = None,
        inside: Inside | None = None,
    ) -> Iterator[Sequence[Removed]]:
        """Remove them; the fates of the ids in their order, one transaction's at a time, once it is committed.

        `selection`: a document that does not match it is missing. `if_match`: the ETag it must have, else it is
        refused (PreconditionFailed). Iterate to the end: receipts are written when a segment's last fate was taken.
        When the watcher wants to stop it ends early, and what was not told is not decided.
        """


class Remover(Protocol):
    """Removes documents by way of the vault, and brings them back."""

    def removal(
        self, model: Model, context: Context, *, wait_s: float = 0, watch: Watcher = UNWATCHED
    ) -> AbstractContextManager[Removal]:
        """Begin to remove documents of a model under an operation; what dead removals of the model left is settled.

        VaultMismatch, StoreError: nothing was removed. Locked while another process removes for the same operation
        (waits `wait_s` seconds for it).
        """

    def offered(self, model: Model, ids: Sequence[Any]) -> Sequence[Document | None]:
        """Of each of these, which are absent from MongoDB, the copy that `bring_back` would insert, its marks with it.

        None where the vault offers none. Changes nothing. VaultMismatch, VaultDamaged.
        """

    def bring_back(
        self,
        model: Model,
        ids: Sequence[Any],
        context: Context,
        *,
        set: Mapping[str, Any] | None = None,
        as_archived: bool = False,
        together: Callable[[Model, bytes], bool] | None = None,
        watch: Watcher = UNWATCHED,
    ) -> Sequence[BroughtBack]:
        """Insert the copies that the vault offers of absent documents, each in its own transaction with its event.

        `as_archived`: byte for byte as they left, marks included. Never over a document. What stands against one
        (RestoreConflict, NotFound ...) is in its answer and keeps no other. Doing it again does nothing twice. When the
        watcher wants to stop, the answers end early.
        A reference to a document that is `together` with it, by model and key, does not stand against it.
        """
