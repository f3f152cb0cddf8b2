"""BSON files: written as segments (docs/segment-format.md), which are what mongodump writes; read as either."""

from __future__ import annotations

import json
import os
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bson import json_util

from datactl.errors import StoreError, UsageError, VaultDamaged
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.transfer.formats import opened
from datactl.vault.names import SegmentName
from datactl.vault.rawbson import LONGEST_DOCUMENT, boundaries
from datactl.vault.trailer import END_BYTES, has_locator, read_trailer

SUFFIX = ".bson.gz"
METADATA = ".metadata.json.gz"
EXPORTED = 0
"""The epoch in the names of exported segments: those of archive runs begin with 1."""

_LENGTH = struct.Struct("<i")
_READ_BYTES = 1 << 20
_LONGEST_SEGMENT = 64 * 1024 * 1024


def members_of(batch: bytes, size: int) -> Iterator[tuple[bytes, int]]:
    """A batch of documents in blocks of whole ones, `size` bytes at most or one larger document; and their number."""
    bounds = boundaries(batch)
    first = 0
    while first < len(bounds) - 1:
        last = max(first + 1, bisect_right(bounds, bounds[first] + size) - 1)
        yield batch[bounds[first] : bounds[last]], last - first
        first = last


def describe(mongo: Mongo, collection: str) -> dict[str, Any]:
    """Indexes and options of a collection as mongodump's metadata has them: mongorestore makes them again."""
    with mapping_errors(f"reading the indexes of {collection}"):
        place = mongo.collection(collection)
        indexes = [_canonical(index) for index in place.list_indexes()]
        options = _canonical(place.options())
    return {"indexes": indexes or None, "options": options}


def read_documents(path: Path) -> Iterator[bytes]:
    """The BSON documents of a file one after another, as their bytes. UsageError where it is cut or no BSON."""
    with opened(path) as file:
        rest, at = b"", 0
        while block := file.read(_READ_BYTES):
            data = rest + block
            start = 0
            while len(data) - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(data, start)
                if not 5 <= length <= LONGEST_DOCUMENT:
                    raise _broken(path, at + start, f"a document of {length} bytes")
                if start + length > len(data):
                    break
                yield data[start : start + length]
                start += length
            rest, at = data[start:], at + start
        if rest:
            raise _broken(path, at, f"it ends inside a document, after {len(rest)} bytes of it")


def require_whole_segment(path: Path) -> None:
    """VaultDamaged for a segment that is not as it was written: one cut between two members is a whole gzip file.

    A file is a segment by its name or by its last bytes. A dump of mongodump is neither, and has no trailer to ask.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - END_BYTES))
            if not has_locator(file.read()) and not _is_named_as_one(path):
                return
            file.seek(0)
            data = file.read(_LONGEST_SEGMENT)
    except OSError as error:
        raise StoreError(f"cannot read {path}", why=error.strerror or str(error)) from None
    try:
        trailer = read_trailer(data)
    except VaultDamaged as damage:
        why = f"{damage.what}: {damage.why}" if damage.why else damage.what
        raise _damaged(path, why) from None
    if _is_named_as_one(path) and trailer.name != path.name.removesuffix(SUFFIX):
        raise _damaged(path, f"it is another segment: {trailer.name}")


def _is_named_as_one(path: Path) -> bool:
    if not path.name.endswith(SUFFIX):
        return False
    try:
        SegmentName.parse(path.name.removesuffix(SUFFIX))
    except UsageError:
        return False
    return True


def _damaged(path: Path, why: str) -> VaultDamaged:
    return VaultDamaged(
        f"{path} is no whole segment", why=why, next="copy it once more; nothing of it was imported", file=str(path)
    )


def _broken(path: Path, at: int, why: str) -> UsageError:
    return UsageError(f"{path} is no whole BSON file", why=f"at byte {at:,}: {why}", next="copy or dump it once more")


def _canonical(value: Document | Mapping[str, Any] | Sequence[Any]) -> Any:
    return json.loads(json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS))
