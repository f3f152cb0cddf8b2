"""The archive of all 234,908 places against a bare sequence of the same work; its memory; mongodump if there is one.

python -m benchmarks.bench_archive [--runs 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from isal import igzip
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from benchmarks.measuring import Ratio, bench, median_of, peak_mb, timed
from datactl.archive import Archiver
from datactl.demo.places import read_cities
from datactl.inspect import IndexKeeper
from datactl.mongo import Mongo, split_batch
from datactl.objects import open_store
from datactl.schema import Registry, load_models
from datactl.vault import Vault

MODELS = Path(__file__).parent.parent / "examples/geonames/models.yaml"
MEMBER_BYTES = 256 * 1024
SEGMENT_BYTES = 16 * 1024 * 1024
CHUNK = 500


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3)
    for ratio in measure(options.parse_args().runs):
        print(ratio, flush=True)


def measure(runs: int = 3) -> Iterator[Ratio]:
    """The ratios, as they are measured."""
    registry = load_models(MODELS)
    cities = [bson.encode(city) for city in read_cities(everything=True)]
    with bench() as at:
        yield from _times(at.mongo, registry, cities, at.scratch, runs)
        yield from _memory(at.mongo, at.uri, registry, cities, at.scratch)


def _times(mongo: Mongo, registry: Registry, cities: Sequence[bytes], scratch: Path, runs: int) -> Iterator[Ratio]:
    pairs = []
    for number in range(runs):
        _load(mongo, registry, cities, copies=1)
        bare = timed(lambda place=scratch / f"bare{number}": _bare(mongo, place))
        _load(mongo, registry, cities, copies=1)
        vault = Vault(open_store(f"file:{scratch}/vault"))
        archiver = Archiver(mongo, vault, registry, actor="bench")
        started = time.perf_counter()
        report = archiver.run(archiver.plan("City", 0))
        ours = time.perf_counter() - started
        assert report.archived == len(cities), report
        assert not mongo.collection("cities").estimated_document_count()
        pairs.append((ours, bare))
    yield Ratio(f"archive of {len(cities):,} documents / the bare sequence", *median_of(pairs), unit="s", at_most=1.5)
    if shutil.which("mongodump"):
        _load(mongo, registry, cities, copies=1)
        host = mongo.client.address or ("127.0.0.1", 27017)
        command = ["mongodump", "--gzip", "--quiet", f"--port={host[1]}", "-d", "bench", "-c", "cities"]
        took = timed(lambda: subprocess.run([*command, "-o", str(scratch / "dump")], check=True))
        yield Ratio("archive / mongodump --gzip (which removes and verifies nothing)", pairs[0][0], took, unit="s")


def _memory(mongo: Mongo, uri: str, registry: Registry, cities: Sequence[bytes], scratch: Path) -> Iterator[Ratio]:
    peaks = []
    for copies in (1, 4):
        _load(mongo, registry, cities, copies=copies)
        command = [sys.executable, "-m", "datactl", "archive", "City", "0", "--quiet", "--models", str(MODELS)]
        environment = {
            "DATACTL_URI": uri,
            "DATACTL_DATABASE": "bench",
            "DATACTL_VAULT": f"file:{scratch}/vault",
        }
        peaks.append(peak_mb(command, environment))
    yield Ratio("peak memory of the process / 200 MB", peaks[0], 200.0, unit="MB", at_most=1.0)
    yield Ratio(
        f"peak memory at {4 * len(cities):,} documents / at {len(cities):,}",
        peaks[1],
        peaks[0],
        unit="MB",
        at_most=1.15,
    )


def _load(mongo: Mongo, registry: Registry, cities: Sequence[bytes], *, copies: int) -> None:
    """The collection with its indexes, every document marked a year ago."""
    for name in ("cities", "outboxes", "datactl_ops"):
        mongo.collection(name).drop()
    at = mongo.server_time() - timedelta(days=365)
    mark = bson.encode({"deleted": True, "deletedAt": at, "deletedBy": "bench", "deleteReason": "bench"})[4:-1]
    collection = mongo.collection("cities")
    for copy in range(copies):
        for start in range(0, len(cities), 2000):
            collection.insert_many([_marked(city, mark, copy) for city in cities[start : start + 2000]])
    IndexKeeper(mongo, registry).create_missing(["City"])


def _marked(city: bytes, mark: bytes, copy: int) -> RawBSONDocument:
    """The document with its mark; `_id` (an int32 that comes first) is made another one in each copy."""
    body = city[4:-1] if not copy else city[4:9] + (copy * 100_000_000 + _id(city)).to_bytes(4, "little") + city[13:-1]
    return RawBSONDocument((len(body) + len(mark) + 5).to_bytes(4, "little") + body + mark + b"\0")


def _id(city: bytes) -> int:
    return int.from_bytes(city[9:13], "little")


def _bare(mongo: Mongo, place: Path) -> None:
    """What the archive does, with nothing around it: scan raw, compress, write, read back, compare, delete."""
    place.mkdir()
    client, cities = mongo.client, mongo.database["cities"]
    pending: list[bytes] = []
    members: list[bytes] = []
    room, packed, number = 0, 0, 0

    def seal() -> None:
        nonlocal room
        members.append(igzip.compress(b"".join(pending), 2))
        pending.clear()
        room = 0

    def segment() -> None:
        nonlocal packed, number
        file = place / f"{number}.bson.gz"
        with file.open("wb") as out:
            out.writelines(members)
            out.flush()
            os.fsync(out.fileno())
        _remove(client, cities, igzip.decompress(file.read_bytes()))
        members.clear()
        packed, number = 0, number + 1

    query = {"deleted": True, "deletedAt": {"$lt": mongo.server_time()}}
    for batch in cities.find_raw_batches(query, batch_size=5000):
        for _, document in split_batch(batch):
            pending.append(document)
            room += len(document)
            if room >= MEMBER_BYTES:
                seal()
                packed += len(members[-1])
                if packed >= SEGMENT_BYTES:
                    segment()
    if pending:
        seal()
    if members:
        segment()
    mongo.collection("datactl_ops").insert_one({"kind": "archive"})


def _remove(client: Any, cities: Any, copy: bytes) -> None:
    documents = list(split_batch(copy))
    for start in range(0, len(documents), CHUNK):
        chunk = {bson.decode(document)["_id"]: document for _, document in documents[start : start + CHUNK]}
        with client.start_session() as session:
            session.start_transaction(ReadConcern("snapshot"), WriteConcern("majority"))
            ids = {"_id": {"$in": list(chunk)}}
            stored = b"".join(cities.find_raw_batches(ids, session=session, batch_size=CHUNK))
            equal = {
                key
                for key, document in ((bson.decode(d)["_id"], d) for _, d in split_batch(stored))
                if chunk[key] == document
            }
            cities.delete_many({"_id": {"$in": list(equal)}}, session=session)
            session.commit_transaction()


if __name__ == "__main__":
    main()
