"""Freezing: which documents an operation on many is about is decided once, at its start, and kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import bson

from datactl.errors import Declined
from datactl.mongo import CODEC, Mongo, find_raw, mapping_errors
from datactl.records.spool import Spool
from datactl.schema import Model
from datactl.steps import Watcher


def freeze(
    mongo: Mongo,
    model: Model,
    directory: Path,
    op: str,
    *,
    selection: Mapping[str, Any] | None,
    ids: Iterable[Any] | None,
    order: Mapping[str, Any],
    expected: int | None,
    watch: Watcher,
) -> tuple[Spool, int]:
    """The spool of what the selection matches (or of these ids), and how many they are. `order`: what is to be done.

    Declined, and nothing is kept, if they are more than `expected` (what was confirmed).
    """
    if ids is None:
        place = mongo.collection(model.collection)
        batches: Iterable[bytes] = find_raw(place, selection or {}, projection={"_id": 1})
    else:
        batches = map(_encoded, ids)
    with watch.around("spool", op=op):
        spool, matched = Spool.write(directory, batches, {**order, "selection": selection})
    if expected is not None and matched > expected:
        spool.remove()
        raise Declined(
            f"{model.name}: {matched:,} documents match now, {expected:,} were confirmed",
            why="more came to match in between",
            next="nothing was changed; look again, and confirm the new number",
            matched=matched,
            expected=expected,
        )
    return spool, matched


def _encoded(id: Any) -> bytes:
    with mapping_errors("encoding the id of a document"):
        return bson.encode({"_id": id}, codec_options=CODEC)
