"""Removing documents under a given operation: what the repository, a cascade and an undo do it by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from datactl.errors import WriteConflict
from datactl.records.operations import Context
from datactl.records.remover import Allow, Fate, Inside, Refusals, Removal, Removed, Remover
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher

TRIES = 5
"""So often a document is copied anew that changed between its copy and its removal."""


class Removing:
    """Removes documents of one model by way of the vault, under one operation. A context manager:

        with Removing(remover, model, context, watch=watch) as removing:
            for fates in removing.remove(ids, allow=allow, inside=progress):
                ...

    Entering it claims the epoch and takes the lease of this operation and model; leaving it gives the lease back.
    """

    def __init__(
        self, remover: Remover, model: Model, context: Context, *, wait_s: float = 0, watch: Watcher = UNWATCHED
    ) -> None:
        self._remover = remover
        self._model = model
        self._context = context
        self._wait_s = wait_s
        self._watch = watch
        self._stack = ExitStack()
        self._removal: Removal | None = None

    def __enter__(self) -> Self:
        begun = self._remover.removal(self._model, self._context, wait_s=self._wait_s, watch=self._watch)
        self._removal = self._stack.enter_context(begun)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

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
        """Each id's fate, in their order, a transaction's at a time: see `Removal.remove`. Iterate to the end.

        `allow(document)` is asked as the copy is made, outside any transaction; since the bytes are compared with the
        copy, what it saw is what goes. `refusals(session, documents)` is asked inside the removing transaction.
        `inside(session, fates)` is called in every transaction, last but for the fence; a transaction may be tried
        again, and then all three that are asked in it are called again.
        """
        if self._removal is None:
            raise RuntimeError("enter it first")
        return self._removal.remove(
            ids, selection=selection, if_match=if_match, allow=allow, refusals=refusals, inside=inside
        )

    def one(
        self,
        id: Any,
        *,
        if_match: str | None = None,
        allow: Allow | None = None,
        refusals: Refusals | None = None,
        inside: Inside | None = None,
    ) -> Removed:
        """One document's fate, never CHANGED: it is copied anew, and WriteConflict if it changes each time."""
        for _ in range(TRIES):
            chunks = list(self.remove([id], if_match=if_match, allow=allow, refusals=refusals, inside=inside))
            (fate,) = [fate for chunk in chunks for fate in chunk]
            if fate.fate is not Fate.CHANGED:
                return fate
        raise WriteConflict(
            f"{self._model.name} {id} is being changed all the time",
            why=f"{TRIES} times it was no longer what its copy in the vault says",
            next="nothing was removed; run it again",
        )
