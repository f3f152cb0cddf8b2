"""Exported files: whole or not there, described by their manifest, readable by others."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from datactl.errors import CannotConnect, DatactlError, ObjectExists, StoreError, UsageError, VaultDamaged
from datactl.mongo import Mongo
from datactl.schema import Model, Registry
from datactl.steps import Step, Watcher, When
from datactl.transfer import Exporter, ExportManifest, Format, ImportReport
from datactl.vault.trailer import read_trailer


class Failing(Watcher):
    """Raises at one announcement."""

    def __init__(self, name: str, when: When = When.BEFORE) -> None:
        self._at = (name, when)

    def see(self, step: Step) -> None:
        if (step.name, step.when) == self._at:
            raise CannotConnect("it is gone")


def fill(mongo: Mongo, number: int) -> None:
    rows = [{"_id": ObjectId(), "name": f"Item {n}", "count": n, "deleted": n % 5 == 0} for n in range(number)]
    mongo.collection("items").insert_many(rows)


@pytest.mark.parametrize("step", ["segment", "verify", "manifest", "commit"])
def test_what_fails_leaves_nothing(step: str, mongo: Mongo, item: Model, exporter: Exporter, tmp_path: Path) -> None:
    fill(mongo, 20)
    with pytest.raises(CannotConnect):
        exporter.run(item, exporter.plan(item, tmp_path / "out"), watch=Failing(step))
    assert list((tmp_path / "out").iterdir()) == []
    report = exporter.run(item, exporter.plan(item, tmp_path / "out"))
    assert report.documents == 16
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["Item"]


def test_nothing_is_overwritten(mongo: Mongo, item: Model, exporter: Exporter, tmp_path: Path) -> None:
    fill(mongo, 5)
    exporter.run(item, exporter.plan(item, tmp_path))
    before = sorted(each.read_bytes() for each in (tmp_path / "Item").iterdir())
    with pytest.raises(ObjectExists) as caught:
        exporter.run(item, exporter.plan(item, tmp_path, Format.CSV))
    assert str(tmp_path / "Item") in caught.value.what
    assert sorted(each.read_bytes() for each in (tmp_path / "Item").iterdir()) == before


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(
    mongo: Mongo, item: Model, exporter: Exporter, tmp_path: Path
) -> None:
    fill(mongo, 5)

    class Other(Watcher):
        def see(self, step: Step) -> None:
            if (step.name, step.when) == ("commit", When.BEFORE):
                (tmp_path / "Item").mkdir()
                (tmp_path / "Item" / "theirs").write_text("x")

    with pytest.raises(ObjectExists):
        exporter.run(item, exporter.plan(item, tmp_path), watch=Other())
    assert [str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*")] == ["Item", "Item/theirs"]


def test_a_byte_that_changed_on_the_disk_is_seen(mongo: Mongo, item: Model, exporter: Exporter, tmp_path: Path) -> None:
    fill(mongo, 20)

    class Flip(Watcher):
        def see(self, step: Step) -> None:
            if (step.name, step.when) == ("verify", When.BEFORE):
                (file,) = tmp_path.rglob("*.bson.gz")
                data = bytearray(file.read_bytes())
                data[len(data) // 2] ^= 1
                file.write_bytes(data)

    with pytest.raises(VaultDamaged):
        exporter.run(item, exporter.plan(item, tmp_path), watch=Flip())
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_says_what_is_there(mongo: Mongo, item: Model, exporter: Exporter, tmp_path: Path) -> None:
    fill(mongo, 20)
    report = exporter.run(item, exporter.plan(item, tmp_path, filter={"count": {"$lt": 10}}, include_deleted=True))
    manifest = ExportManifest.read(report.path)
    assert (manifest.model, manifest.documents, manifest.include_deleted) == ("Item", 10, True)
    assert manifest.filter == '{"count": {"$lt": {"$numberInt": "10"}}}'
    assert manifest.namespace == f"{mongo.database.name}.items"
    for file in manifest.files:
        data = (report.path / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=report.path, capture_output=True, check=True)
    assert checked.stdout.count(b": OK") == 1
    assert {oct(each.stat().st_mode & 0o777) for each in report.path.iterdir()} == {"0o600"}
    text = (report.path / "manifest.json").read_text()
    (report.path / "manifest.json").write_text(text.replace('"documents": 10', '"documents": 11'))
    with pytest.raises(VaultDamaged):
        ExportManifest.read(report.path)


def test_several_segments_each_a_file_of_mongodump(
    mongo: Mongo, item: Model, bring: Callable[..., ImportReport], tmp_path: Path
) -> None:
    mongo.collection("items").create_index("name", unique=True, name="by_name")
    fill(mongo, 900)
    exporter = Exporter(mongo, segment_bytes=1_000)
    report = exporter.run(item, exporter.plan(item, tmp_path))
    assert len(report.files) > 2
    ids = set()
    for number, file in enumerate(report.files, start=1):
        packed = (report.path / file.name).read_bytes()
        found = bson.decode_all(gzip.decompress(packed))
        assert len(found) == file.documents == read_trailer(packed).documents
        assert file.name.startswith(f"00000000-{number:06d}-")
        ids.update(each["_id"] for each in found)
        metadata = report.path / file.name.replace(".bson.gz", ".metadata.json.gz")
        about = json.loads(gzip.decompress(metadata.read_bytes()))
        assert [each["name"] for each in about["indexes"]] == ["_id_", "by_name"]
        assert about["collectionName"] == "items"
    assert len(ids) == report.documents == 720
    mongo.collection("items").drop()
    assert bring(report.path).created == 720


class Commands(CommandListener):
    """The commands that were sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append((event.command_name, dict(event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None: ...
    def failed(self, event: CommandFailedEvent) -> None: ...


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_snapshot_is_asked_for(snapshot: bool, mongo: Mongo, engine_uri: str, item: Model, tmp_path: Path) -> None:
    """The engines of the tests read everything at the first command: what is asked of the server has to show it."""
    fill(mongo, 5_000)
    client = MongoClient[dict[str, Any]](engine_uri, event_listeners=[seen := Commands()], tz_aware=True)
    with Mongo(client, client[mongo.database.name]) as listening:
        exporter = Exporter(listening)
        plan = exporter.plan(item, tmp_path, include_deleted=True, snapshot=snapshot)
        report = exporter.run(item, plan)
    assert report is not None
    assert ExportManifest.read(report.path).snapshot is snapshot
    reads = [command for name, command in seen.sent if name in ("find", "getMore")]
    assert len(reads) > 2
    assert (reads[0].get("readConcern", {}).get("level") == "snapshot") is snapshot
    assert len({bytes(command["lsid"]["id"]) for command in reads}) == 1


def test_secrets_in_bson_want_a_word(shop: Registry, exporter: Exporter, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        exporter.plan(shop.model("Secret"), tmp_path)
    assert "--reveal" in (caught.value.next or "")
    assert "token" in caught.value.what


def test_a_stopped_export_leaves_nothing(mongo: Mongo, item: Model, exporter: Exporter, tmp_path: Path) -> None:
    fill(mongo, 20)

    class Stop(Watcher):
        def stopping(self) -> bool:
            return True

    assert exporter.run(item, exporter.plan(item, tmp_path / "out"), watch=Stop()) is None
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/none", "/dev/null/x"])
def test_where_nothing_can_be_written(place: str, mongo: Mongo, item: Model, exporter: Exporter) -> None:
    fill(mongo, 3)
    with pytest.raises(StoreError) as caught:
        exporter.run(item, exporter.plan(item, Path(place)))
    assert place in caught.value.what


def test_a_broken_document_is_exported_and_not_lost(
    mongo: Mongo, item: Model, exporter: Exporter, tmp_path: Path
) -> None:
    """NDJSON of a document that the driver cannot decode holds its bytes."""
    from datactl.transfer.ejson_lines import line_of, read_line

    broken = bson.encode({"_id": 1, "name": "abc"}).replace(b"abc", b"\xff\xfe\xfd")
    assert read_line(line_of(broken)) == broken
    with pytest.raises(DatactlError):
        read_line(b'{"$bson": "no base64"}')


def test_ndjson_can_be_read_by_any_json_reader(mongo: Mongo, item: Model, exporter: Exporter, tmp_path: Path) -> None:
    fill(mongo, 10)
    report = exporter.run(item, exporter.plan(item, tmp_path, Format.NDJSON))
    lines = io.StringIO((report.path / "Item.ndjson").read_text())
    assert sorted(json.loads(line)["count"] for line in lines) == [n for n in range(10) if n % 5]
