"""The export of 500,000 documents as BSON against a raw scan, isal-2 and a write; its memory.

python -m benchmarks.bench_transfer [--runs 3] [--documents 500000]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bson import ObjectId
from isal import igzip

from benchmarks.measuring import Ratio, bench, median_of, peak_mb, timed
from datactl.mongo import Mongo
from datactl.schema import Model, parse_models
from datactl.transfer import Exporter, Format

MODELS = """\
models:
  Order:
    additionalFields: true
    fields:
      number: int
"""
DOCUMENTS = 500_000
BATCH = 2000
MEMORY_MB = 150.0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--documents", type=int, default=DOCUMENTS)
    given = options.parse_args()
    for ratio in measure(given.runs, given.documents):
        print(ratio, flush=True)


def measure(runs: int = 3, documents: int = DOCUMENTS) -> Iterator[Ratio]:
    """The ratios, as they are measured."""
    model = parse_models(MODELS).model("Order")
    with bench() as at:
        size = _load(at.mongo, documents)
        yield from _times(at.mongo, model, at.scratch, documents, size, runs)
        yield _memory(at.uri, at.scratch)


def _times(mongo: Mongo, model: Model, place: Path, documents: int, size: int, runs: int) -> Iterator[Ratio]:
    pairs = []
    exporter = Exporter(mongo)
    for number in range(runs):
        target = place / "bare.gz"
        bare = timed(lambda: _bare(mongo, target))  # noqa: B023 - called at once
        target.unlink()
        plan = exporter.plan(model, place / f"run{number}", Format.BSON)
        started = time.perf_counter()
        report = exporter.run(model, plan)
        pairs.append((time.perf_counter() - started, bare))
        assert report.documents == documents, report
        shutil.rmtree(plan.target.parent)
    what = f"export of {documents:,} documents ({size / 1e6:,.0f} MB) as bson, read back / raw scan + isal-2 + write"
    yield Ratio(what, *median_of(pairs), unit="s", at_most=1.3)


def _memory(uri: str, place: Path) -> Ratio:
    models = place / "models.yaml"
    models.write_text(MODELS)
    command = [sys.executable, "-m", "datactl", "export", "Order", str(place / "memory"), "--models", str(models), "-q"]
    peak = peak_mb(command, {"DATACTL_URI": uri, "DATACTL_DATABASE": "bench"})
    return Ratio(f"peak memory of the exporting process / {MEMORY_MB:.0f} MB", peak, MEMORY_MB, unit="MB", at_most=1.0)


def _load(mongo: Mongo, documents: int) -> int:
    """Fill the collection with documents of about 780 bytes, as an order of a shop is; their bytes together."""
    words = [bytes(random.Random(1).choices(b"abcdefghijklmnopqrstuvwxyz", k=7)).decode() for _ in range(2000)]
    chance = random.Random(2)
    collection = mongo.collection("orders")
    for start in range(0, documents, BATCH):
        collection.insert_many([_order(n, chance, words) for n in range(start, min(documents, start + BATCH))])
    return sum(map(len, collection.find_raw_batches({}, batch_size=BATCH)))


def _order(number: int, chance: random.Random, words: list[str]) -> dict[str, Any]:
    lines = [{"sku": chance.choice(words), "quantity": chance.randrange(9), "price": chance.random()} for _ in range(5)]
    text = " ".join(chance.choices(words, k=45))
    return {"_id": ObjectId(), "number": number, "customer": ObjectId(), "lines": lines, "text": text, "deleted": False}


def _bare(mongo: Mongo, target: Path) -> None:
    query = {"deleted": {"$in": [False, None]}}
    with target.open("wb") as out:
        for batch in mongo.database["orders"].find_raw_batches(query, batch_size=BATCH):
            out.write(igzip.compress(batch, 2))
        out.flush()
        os.fsync(out.fileno())


if __name__ == "__main__":
    main()
