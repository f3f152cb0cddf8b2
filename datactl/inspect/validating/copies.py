"""The check `copies`: documents that are in MongoDB and count as archived, both.

The hashes of what left MongoDB are held in memory; the ids of what is there pass by them, read as raw batches. What
they have in common is looked at exactly, and once more: a restore beside this may just have brought it back.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from datactl.archive import Place, id_key, place_of, read_by_id
from datactl.inspect.findings import Finding
from datactl.inspect.validating.archived import ArchivedIds, holds
from datactl.inspect.validating.checks import COPIES, finding
from datactl.inspect.validating.looking import Look
from datactl.mongo import decode_id, find_raw, split_batch

_BATCH = 5_000


def check_copies(look: Look) -> Iterator[Finding]:
    """One finding per document."""
    if look.archived is None:
        return
    archived = look.archived[look.model.name]
    for hashes in archived.passes():
        for key in _present(look, hashes):
            found = _both(look, archived, key)
            if found is not None:
                yield found


def _present(look: Look, hashes: array[int]) -> Iterator[bytes]:
    """The id keys of documents that are in MongoDB and whose hash is among these."""
    if look.sample is not None:
        for each in look.sample:
            if holds(hashes, key := id_key(each)):
                yield key
        return
    for batch in find_raw(look.mongo.collection(look.model.collection), {}, projection={"_id": 1}, batch_size=_BATCH):
        for key, _ in split_batch(batch):
            if holds(hashes, key):
                yield key


def _both(look: Look, archived: ArchivedIds, key: bytes) -> Finding | None:
    copy = archived.copy_of(key, absent=False)
    if copy is None:
        return None
    document = next((each for _, each in read_by_id(look.mongo, look.model.collection, [key])), None)
    if document is None:
        return None
    place = place_of(look.model, document)
    code = "marked_and_archived" if place is Place.MARKED else "live_and_archived"
    manifest = copy.manifest
    what = f"it is {place.value} and was archived on {manifest.created_at:%Y-%m-%d} with segment {manifest.name}"
    return finding(COPIES, code, look.model.name, what, id=decode_id(key))
