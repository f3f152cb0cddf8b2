"""A look at one model: its documents, all of them or a sample, and what the checks share while they read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from datactl.archive import decoded
from datactl.inspect.validating.archived import ArchivedIds
from datactl.mongo import Document, Mongo, mapping_errors, split_batch
from datactl.schema import Model, Registry
from datactl.steps import Watcher

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Look:
    """One model, and where its documents and copies are. `sample`: the ids that are looked at, None for all.

    `checks`: those of this run, which leave to each other what the table in `checks` says.

    `archived` None: the vault is not this database's, or does not say whose it is, so that nothing is told by it.
    """

    mongo: Mongo
    registry: Registry
    model: Model
    sample: Sequence[Any] | None
    checks: frozenset[str]
    now: datetime
    archived: Mapping[str, ArchivedIds] | None
    event_key: bytes | None
    watch: Watcher

    def parts(self, field: str = "_id") -> Iterator[dict[str, Any]]:
        """The filters that together select what is looked at, by the field that holds the document's id."""
        if self.sample is None:
            yield {}
            return
        step = self.mongo.capabilities.in_chunk
        for start in range(0, len(self.sample), step):
            yield {field: {"$in": list(self.sample[start : start + step])}}

    def rows(self, *stages: Mapping[str, Any], collation: Mapping[str, Any] | None = None) -> Iterator[Document]:
        """What a pipeline makes of the documents that are looked at, as the server gives it."""
        for part in self.parts():
            yield from self.read(self.model.collection, part, *stages, collation=collation)

    def read(
        self,
        collection: str,
        part: Mapping[str, Any],
        *stages: Mapping[str, Any],
        collation: Mapping[str, Any] | None = None,
    ) -> Iterator[Document]:
        """Rows that have an `_id`. A string that is no UTF-8 ends nothing: it has U+FFFD in it."""
        # The part is a stage of its own: beside other conditions some servers no longer look its ids up.
        pipeline = [{"$match": dict(part)}, *stages] if part else list(stages)
        with mapping_errors(f"reading {collection}"):
            batches = self.mongo.collection(collection).aggregate_raw_batches(
                pipeline, allowDiskUse=True, batchSize=_BATCH, collation=collation
            )
            for batch in cast("Iterator[bytes]", batches):  # the driver's types say documents
                yield from (decoded(document) for _, document in split_batch(batch))


def draw_sample(mongo: Mongo, model: Model, number: int) -> tuple[Any, ...]:
    """Ids of so many documents at random; of fewer where there are no more."""
    pipeline: list[dict[str, Any]] = [{"$sample": {"size": number}}, {"$project": {"_id": 1}}]
    with mapping_errors(f"drawing a sample of {model.collection}"):
        return tuple(row["_id"] for row in mongo.collection(model.collection).aggregate(pipeline, allowDiskUse=True))
