"""Packing: documents that are to be removed go into a segment, read by their ids a batch at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from datactl.archive.documents import decoded, read_by_id
from datactl.archive.whereabouts import id_key
from datactl.errors import DatactlError, PreconditionFailed
from datactl.mongo import Mongo
from datactl.records.etags import matches
from datactl.records.remover import Allow, Fate
from datactl.schema import Model
from datactl.vault import SegmentWriter, normalise_id_key

# Ids a segment answers for, found or not: what is remembered of them is in memory until they are decided.
SEGMENT_IDS = 20_000

# Ids of one read, and bytes of its answer: of one that is larger, half the ids are asked for again.
_BATCH_IDS = 500
_BATCH_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Looked:
    """One id that was looked at. `fate` None: its document is in the segment, to be removed."""

    id: Any
    fate: Fate | None = None
    error: DatactlError | None = None


class Packing:
    """Fills segments with the documents of these ids, in their order."""

    def __init__(
        self,
        mongo: Mongo,
        model: Model,
        ids: Iterator[Any],
        *,
        selection: Mapping[str, Any] | None = None,
        if_match: str | None = None,
        allow: Allow | None = None,
    ) -> None:
        self._mongo = mongo
        self._model = model
        self._ids = ids
        self._also = _beside_an_id(selection)
        self._if_match = if_match
        self._allow = allow
        self._waiting: deque[Any] = deque()
        self._batch = _BATCH_IDS

    def fill(self, writer: SegmentWriter) -> list[Looked]:
        """Add documents until the segment is full or answers for enough ids; what was looked at. Empty: no more ids."""
        looked: list[Looked] = []
        seen: set[bytes] = set()
        full = False
        while len(looked) < SEGMENT_IDS and not full:
            self._waiting.extend(islice(self._ids, max(0, self._batch - len(self._waiting))))
            if not self._waiting:
                break
            keys = [id_key(each) for each in islice(self._waiting, self._batch)]
            found, asked = self._read(keys)
            for key in keys[:asked]:
                normal = normalise_id_key(key)
                # Given twice: of two copies in one segment nobody could tell which of them left.
                document = None if normal in seen else found.get(normal)
                seen.add(normal)
                looked.append(self._look(self._waiting.popleft(), document, writer))
                full = writer.full
                if full:  # what is left of the batch is read again, as it is then
                    break
        return looked

    def _look(self, wanted: Any, document: bytes | None, writer: SegmentWriter) -> Looked:
        if document is None:
            return Looked(wanted, Fate.MISSING)
        error = self._refusal(wanted, document)
        if error is not None:
            return Looked(wanted, Fate.REFUSED, error)
        writer.add(document)
        return Looked(wanted)

    def _refusal(self, wanted: Any, document: bytes) -> DatactlError | None:
        if self._if_match is not None and not matches(self._if_match, self._mongo.cursor_key, document):
            return PreconditionFailed(
                f"{self._model.name} {wanted} has changed",
                why="its state is not the one that If-Match names",
                next="read it again, and decide on what it is now",
            )
        return None if self._allow is None else self._allow(decoded(document))

    def _read(self, keys: Sequence[bytes]) -> tuple[dict[bytes, bytes], int]:
        """The documents of the first so many keys, by their normal form, and how many: as many as memory takes."""
        asked = len(keys)
        while (found := self._within(keys[:asked])) is None:
            asked //= 2
        self._batch = min(_BATCH_IDS, 2 * asked)
        return found, asked

    def _within(self, keys: Sequence[bytes]) -> dict[bytes, bytes] | None:
        """The documents of these keys; None if there are several and they are too large together."""
        found: dict[bytes, bytes] = {}
        size = 0
        for key, document in read_by_id(self._mongo, self._model.collection, keys, also=self._also):
            found[normalise_id_key(key)] = document
            size += len(document)
            if size > _BATCH_BYTES and len(keys) > 1:
                return None
        return found


def _beside_an_id(selection: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A selection that can stand beside a condition on `_id` in one filter."""
    if not selection or "_id" not in selection:
        return selection
    return {"$and": [dict(selection)]}
