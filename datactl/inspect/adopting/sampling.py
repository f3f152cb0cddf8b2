"""Reading a collection's documents for what they are: all of a small one, a random sample of a large one."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import bson
from bson.datetime_ms import DatetimeMS
from bson.objectid import ObjectId

from datactl.inspect.adopting.catalogue import Held
from datactl.inspect.adopting.observing import Budget, Seen
from datactl.mongo import CODEC, Document, Mongo, mapping_errors

DISCRIMINATOR = "__t"
MOST_BYTES = 256 * 1024 * 1024  # of one collection: documents of 16 MB must not make an afternoon of it
_BATCH = 100
_LENIENT = CODEC.with_options(unicode_decode_error_handler="replace")  # text that is no UTF-8 is data too


@dataclass(slots=True)
class Sample:
    """What was seen of one collection. `created`: when its documents were made, in seconds since 1970, sorted."""

    collection: str
    documents: int
    read: int = 0
    root: Seen = field(default_factory=Seen)
    created: list[int] = field(default_factory=list)
    varieties: Counter[str] = field(default_factory=Counter)

    def since(self, moment: int) -> int:
        """How many of the documents read were created at or after this second."""
        return len(self.created) - bisect_left(self.created, moment)


def read_sample(mongo: Mongo, held: Held, size: int) -> Sample:
    """Read at most `size` documents (all where there are no more), one batch in memory at a time."""
    with mapping_errors(f"read {held.name}"):
        sample = sample_of(held, _batches(mongo, held, size))
        if sample.read >= size > held.documents:  # after a crash the server's own count may be too low
            sample.documents = mongo.collection(held.name).count_documents({})
    return sample


def sample_of(held: Held, batches: Iterable[bytes]) -> Sample:
    """What these batches of BSON show of a collection; about `MOST_BYTES` of them at most."""
    sample = Sample(held.name, held.documents)
    budget = Budget()
    octets = 0
    for batch in batches:
        for document in bson.decode_all(batch, _LENIENT):
            _add(sample, document, budget)
        octets += len(batch)
        if octets > MOST_BYTES:
            break
    sample.documents = max(sample.documents, sample.read)
    sample.created.sort()
    return sample


def _batches(mongo: Mongo, held: Held, size: int) -> Iterator[bytes]:
    rows = mongo.collection(held.name)
    if held.documents <= size:
        cursor = rows.find_raw_batches({}, batch_size=_BATCH, limit=size)
    else:
        # $sample may answer with a document twice, and sorts all where many are asked for: hence the disk.
        stages = [{"$sample": {"size": size}}]
        cursor = rows.aggregate_raw_batches(stages, batchSize=_BATCH, allowDiskUse=True)
    with cursor:
        yield from cast("Iterator[bytes]", cursor)  # the driver's types say documents


def _add(sample: Sample, document: Document, budget: Budget) -> None:
    when = _created(document)
    variety = document.get(DISCRIMINATOR)
    variety = variety if type(variety) is str else None  # bson.Code is a str, too
    sample.read += 1
    root = sample.root
    root.count += 1
    root.kinds["object"] += 1
    if when is not None:
        sample.created.append(when)
    if variety is not None:
        sample.varieties[variety] += 1
    for name, value in document.items():
        child = root.child(name, budget, top=True)
        if child is not None:
            child.add(value, budget, 1)
            if value is not None:
                child.dated(when, variety)


def _created(document: Document) -> int | None:
    """When a document was created, as its ObjectId says, or its `createdAt`."""
    key = document.get("_id")
    if isinstance(key, ObjectId):
        return int.from_bytes(key.binary[:4], "big")
    made = document.get("createdAt")
    if made is None or isinstance(made, DatetimeMS) or not hasattr(made, "timestamp"):
        return None
    return int(made.timestamp())
