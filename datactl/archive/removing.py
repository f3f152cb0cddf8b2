"""One removal of one model: segment after segment, each committed before the first of its documents is deleted.

The order is docs/archive-protocol.md's. A segment has a receipt when its last transaction is decided; what dies before
that is closed by whoever meets it, from the events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pymongo.client_session import ClientSession

from datactl.archive.committing import commit_segment
from datactl.archive.documents import decoded, read_by_id
from datactl.archive.outranked import outranked
from datactl.archive.packing import Looked, Packing
from datactl.archive.removal import delete_compared
from datactl.archive.removed import left_with, removed_row
from datactl.archive.rules import BY_DELETE, Outcome, outcome
from datactl.errors import DuplicateKey
from datactl.events import insert_rows, next_seqs
from datactl.mongo import Mongo, decode_id, mapping_errors
from datactl.mongo.leases import Lease
from datactl.records.faults import seq_was_taken
from datactl.records.operations import Context
from datactl.records.remover import Allow, Fate, Inside, Refusals, Removed
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.vault import Manifest, SegmentName, SegmentWriter, StoredDocument, Vault, VerifiedSegment
from datactl.vault.segment import MEMBER_BYTES

_SEQ_TRIES = 10


class VaultRemoval:
    """See `Removal`. `new_epoch` claims one where the first is no longer the newest of what is being removed."""

    def __init__(
        self,
        mongo: Mongo,
        vault: Vault,
        model: Model,
        context: Context,
        lease: Lease,
        namespaces: frozenset[str],
        *,
        new_epoch: Callable[[], int],
        event_key: bytes | None,
        segment_bytes: int,
        watch: Watcher,
    ) -> None:
        self._mongo = mongo
        self._vault = vault
        self._model = model
        self._context = context
        self._lease = lease
        self._namespaces = namespaces
        self._new_epoch = new_epoch
        self._event_key = event_key
        self._segment_bytes = segment_bytes
        self._watch = watch
        self._epoch = lease.epoch
        self._segments = 0
        self._overtaken = False

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
        """See `Removal.remove`."""
        packing = Packing(self._mongo, self._model, iter(ids), selection=selection, if_match=if_match, allow=allow)
        while True:
            writer = self._writer()
            looked = packing.fill(writer)
            if not looked:
                return
            yield from self._decide(writer, looked, refusals, inside)
            if self._watch.stopping():
                return

    def _writer(self) -> SegmentWriter:
        if self._overtaken:
            self._epoch, self._segments, self._overtaken = self._new_epoch(), 0, False
        return SegmentWriter(
            self._mongo.namespace(self._model.collection),
            self._model.name,
            name=SegmentName.new(self._epoch, self._segments + 1),
            segment_bytes=self._segment_bytes,
            member_bytes=min(MEMBER_BYTES, self._segment_bytes),
        )

    def _decide(
        self, writer: SegmentWriter, looked: Sequence[Looked], refusals: Refusals | None, inside: Inside | None
    ) -> Iterator[Sequence[Removed]]:
        """The fates of a segment's ids, a transaction's at a time; its receipt behind the last of them."""
        if not writer.documents:
            yield self._none_of(looked, inside)
            return
        segment, manifest = self._commit(writer)
        places = [place for place, each in enumerate(looked) if each.fate is None]
        positions: list[int] = []
        begin = 0
        for chunk in segment.chunks():
            last = chunk[-1].position
            end = len(looked) if last + 1 == segment.documents else places[last] + 1
            fates = self._remove(manifest, chunk, looked[begin:end], refusals, inside)
            positions += [each.position for each in fates if each.position is not None]
            yield fates
            begin = end
            if self._watch.stopping():
                break
        self._lease.check()
        with self._watch.around("receipt", unit="segments"):
            self._vault.put_deleted_receipt(manifest, positions, op=self._context.op, actor=self._context.actor)

    def _commit(self, writer: SegmentWriter) -> tuple[VerifiedSegment, Manifest]:
        self._segments += 1
        return commit_segment(
            self._vault,
            writer,
            self._lease,
            op=self._context.op,
            actor=self._context.actor,
            reason=self._context.reason,
            cause=BY_DELETE,
            watch=self._watch,
        )

    def _none_of(self, looked: Sequence[Looked], inside: Inside | None) -> list[Removed]:
        """The fates of ids of which no document may go: nothing is put, and only the caller has something to write."""
        fates = [_told(each) for each in looked]

        def write(session: ClientSession) -> None:
            if inside is not None:
                inside(session, fates)
            self._lease.touch(session)

        with self._watch.around("remove", total=0):
            self._mongo.transaction(write, watch=self._watch)
        return fates

    def _remove(
        self,
        manifest: Manifest,
        chunk: Sequence[StoredDocument],
        looked: Sequence[Looked],
        refusals: Refusals | None,
        inside: Inside | None,
    ) -> list[Removed]:
        """Take a chunk out in one transaction, with its events and what `inside` writes; the fates of `looked`."""
        tried: list[Removed] | None = None

        def attempt(session: ClientSession) -> list[Removed]:
            nonlocal tried
            if tried is not None and self._is_done(session, manifest, chunk, tried):
                return tried  # it was committed, and the answer was lost
            fates = self._fates(session, manifest, chunk, looked, refusals)
            if inside is not None:
                inside(session, fates)
            self._lease.touch(session)
            tried = fates
            return fates

        with self._watch.around("remove", total=len(chunk)):
            for tries in range(_SEQ_TRIES):
                try:
                    return self._mongo.transaction(attempt, watch=self._watch)
                except DuplicateKey as error:
                    if not seq_was_taken(error) or tries + 1 == _SEQ_TRIES:
                        raise
        raise AssertionError("unreachable")

    def _is_done(
        self, session: ClientSession, manifest: Manifest, chunk: Sequence[StoredDocument], tried: Sequence[Removed]
    ) -> bool:
        """Whether the events of an earlier attempt are there: they are committed with all that it did."""
        out = {each.position for each in tried if each.fate is Fate.REMOVED}
        keys = [copy.id_key for copy in chunk if copy.position in out]
        return bool(keys) and bool(left_with(self._mongo, self._model, manifest, keys, session=session))

    def _fates(
        self,
        session: ClientSession,
        manifest: Manifest,
        chunk: Sequence[StoredDocument],
        looked: Sequence[Looked],
        refusals: Refusals | None,
    ) -> list[Removed]:
        keys = [copy.id_key for copy in chunk]
        stored = dict(read_by_id(self._mongo, self._model.collection, keys, session=session))
        found = [outcome(copy.document, stored.get(copy.id_key)) for copy in chunk]
        equal = [copy for copy, each in zip(chunk, found, strict=True) if each is Outcome.REMOVE]
        newer = outranked(self._vault, manifest, equal, self._namespaces)
        self._overtaken = self._overtaken or bool(newer)
        going = [copy for copy in equal if copy.position not in newer]
        errors = [None] * len(going) if refusals is None else refusals(session, [decoded(c.document) for c in going])
        refused = {copy.position: error for copy, error in zip(going, errors, strict=True) if error is not None}
        seqs = self._take_out(session, manifest, [copy for copy in going if copy.position not in refused])
        fates: list[Removed] = []
        copies = iter(zip(chunk, found, strict=True))
        for each in looked:
            if each.fate is not None:
                fates.append(_told(each))
                continue
            copy, became = next(copies)
            position = copy.position
            if position in seqs:
                segment = manifest.name
                fates.append(Removed(each.id, Fate.REMOVED, None, copy.document, seqs[position], segment, position))
            elif position in refused:
                fates.append(Removed(each.id, Fate.REFUSED, refused[position]))
            else:
                fates.append(Removed(each.id, Fate.MISSING if became is Outcome.VANISHED else Fate.CHANGED))
        return fates

    def _take_out(self, session: ClientSession, manifest: Manifest, going: Sequence[StoredDocument]) -> dict[int, int]:
        """Delete the documents and write their events; position -> the `seq` of its event."""
        if not going:
            return {}
        seqs = next_seqs(self._mongo, session, self._model.name, [decode_id(copy.id_key) for copy in going])
        rows = [
            removed_row(self._model, copy, manifest, seq, self._context, self._event_key)
            for copy, seq in zip(going, seqs, strict=True)
        ]
        delete_compared(self._mongo, self._model, session, [copy.id_key for copy in going])
        with mapping_errors("recording removed documents"):
            insert_rows(self._mongo, session, rows)
        return {copy.position: seq for copy, seq in zip(going, seqs, strict=True)}


def _told(each: Looked) -> Removed:
    """The fate of an id whose document is not in the segment."""
    return Removed(each.id, each.fate or Fate.MISSING, each.error)
