"""`init --from-db` of many collections, against 20 s and against the bare reads that it needs.

    python -m benchmarks.bench_adopt [--collections 50] [--documents 10000] [--kind rs|py]

The documents are those of a Mongoose application: nested parts, lists, references between the collections (a few of
them dangling), mongoose-delete's marks, timestamps, a secret, two indexes. The command runs as a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bson import ObjectId

from benchmarks.measuring import Ratio, bench, timed
from datactl.mongo import Mongo

COLLECTIONS, DOCUMENTS = 50, 10_000
SAMPLE = 1_000
BOUND_S = 20.0
BATCH = 2_000
START = datetime(2021, 1, 1, tzinfo=UTC)


def measure(collections: int = COLLECTIONS, documents: int = DOCUMENTS, kind: str = "rs") -> Iterator[Ratio]:
    with bench(kind) as at:
        _fill(at.mongo, collections, documents)
        bare = timed(lambda: _bare(at.mongo, collections))
        project = at.scratch / "project"
        project.mkdir()
        ours = timed(lambda: _ours(at.uri, project))
        assert "ref: " in (project / "models.yaml").read_text(), "no reference was found"
    what = f"`init --from-db` of {collections} collections of {documents:,} documents"
    yield Ratio(f"{what} / {BOUND_S:.0f} s", ours, BOUND_S, "s", at_most=1.0)
    yield Ratio(f"{what} / its samples, read and decoded", ours, bare, "s")


def _ours(uri: str, project: Path) -> None:
    environment = {**os.environ, "DATACTL_URI": uri, "DATACTL_DATABASE": "bench"}
    subprocess.run(
        [sys.executable, "-m", "datactl", "init", "--from-db", str(project), "-q"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _bare(mongo: Mongo, collections: int) -> None:
    for number in range(collections):
        stages: list[dict[str, Any]] = [{"$sample": {"size": SAMPLE}}]
        assert len(list(mongo.collection(f"things{number}s").aggregate(stages))) == SAMPLE


def _fill(mongo: Mongo, collections: int, documents: int) -> None:
    ids = {number: [ObjectId() for _ in range(documents)] for number in range(collections)}
    for number in range(collections):
        rows = mongo.collection(f"things{number}s")
        for start in range(0, documents, BATCH):
            rows.insert_many(
                [_document(ids, number, n, collections) for n in range(start, min(start + BATCH, documents))]
            )
        rows.create_index([("email", 1)], unique=True)
        rows.create_index([("owner", 1), ("createdAt", -1)])


def _document(ids: dict[int, list[ObjectId]], number: int, n: int, collections: int) -> dict[str, Any]:
    made = START + timedelta(minutes=5 * n)
    owners = ids[(number + 1) % collections]
    parts = ids[(number + 7) % collections]
    return {
        "_id": ids[number][n],
        "email": f"user{n}@mail.example",
        "name": {"first": f"First{n}", "last": f"Last{n % 977}"},
        "slug": f"thing-{n % 9_990}",
        "owner": owners[n % len(owners)] if n % 100 else ObjectId(),
        "parts": [parts[(n * k) % len(parts)] for k in range(1, 1 + n % 4)],
        "status": ("draft", "published", "archived")[n % 3],
        "price": n / 4,
        "count": n % 50 if n % 20 else str(n % 50),
        "tags": [f"tag{k}" for k in range(n % 5)],
        "lines": [{"_id": ObjectId(), "text": f"line {k}", "amount": k * 1.5} for k in range(n % 3)],
        "address": {
            "street": f"{n} Road",
            "city": f"City{n % 90}",
            "geo": {"type": "Point", "coordinates": [n / 9, 4.2]},
        },
        "settings": {"mail": n % 2 == 0, "theme": "dark" if n % 3 else "light"},
        "passwordHash": f"$2b$10${str(n).rjust(22, 'a')}{'b' * 31}",
        "note": None if n % 50 else "x" * 80,
        "deleted": n % 12 == 0,
        **({"deletedAt": made} if n % 12 == 0 else {}),
        "createdAt": made,
        "updatedAt": made,
        "__v": 0,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--collections", type=int, default=COLLECTIONS)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--kind", choices=("rs", "py"), default="rs")
    given = parser.parse_args()
    for ratio in measure(given.collections, given.documents, given.kind):
        print(ratio)


if __name__ == "__main__":
    main()
