"""What an import keeps apart: its file of rejected documents, its input as it was, and another run of the same one."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datactl.errors import Conflict, DatactlError, InvalidDocument, Locked, NotFound, UsageError, VaultDamaged
from datactl.mongo import Mongo
from datactl.records.ledger import OPERATIONS
from datactl.schema import Model
from datactl.steps import Step, Watcher
from datactl.transfer import Exporter, ExportManifest, Format, Importer, ImportOptions, ImportReport
from datactl.transfer.ejson_lines import read_line
from datactl.vault.sealed import seal
from datactl.vault.trailer import END_BYTES, read_trailer

Bring = Callable[..., ImportReport]


class StopAfter(Watcher):
    """Stops once so many transactions have been seen."""

    def __init__(self, chunks: int) -> None:
        self._left = chunks

    def see(self, step: Step) -> None:
        self._left -= step.name == "chunk" and step.when.value == "after"

    def stopping(self) -> bool:
        return self._left <= 0


class At(Watcher):
    """Does something once, at a step."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self._name, self._act, self._done = name, act, False

    def see(self, step: Step) -> None:
        if step.name == self._name and not self._done:
            self._done = True
            self._act()


def rows(path: Path, count: int, wrong: tuple[int, ...] = ()) -> Path:
    lines = [json.dumps({"name": f"n{n:04}", "count": "x" if n in wrong else n}) for n in range(count)]
    path.write_text("\n".join(lines) + "\n")
    return path


def names(mongo: Mongo) -> list[str]:
    return [each["name"] for each in mongo.collection("items").find().sort("name", 1)]


def test_a_file_of_rejected_documents_is_one_imports_own(
    item: Model, importer: Importer, bring: Bring, tmp_path: Path
) -> None:
    """Stopped before it rejected anything; another wrote there meanwhile: that one's documents stay."""
    path, rejects = rows(tmp_path / "in.ndjson", 600, wrong=(550,)), tmp_path / "rej"
    first = importer.run(item, importer.plan(item, path, ImportOptions(rejects=rejects)), watch=StopAfter(1))
    assert first.stopped
    bring(rows(tmp_path / "other.ndjson", 1, wrong=(0,)), rejects=rejects)
    theirs = rejects.read_bytes()
    with pytest.raises(Conflict) as caught:
        bring(path)
    assert "--rejects" in (caught.value.next or "")
    assert rejects.read_bytes() == theirs
    last = bring(path, rejects=tmp_path / "mine")
    assert (last.op, last.created, last.rejected) == (first.op, 599, 1)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.ndjson", "mine", "other.ndjson", "rej", "state"]


def test_a_file_that_took_the_place_of_the_rejected_documents(
    item: Model, importer: Importer, bring: Bring, tmp_path: Path
) -> None:
    path, rejects = rows(tmp_path / "in.ndjson", 600, wrong=(5, 550)), tmp_path / "rej"
    importer.run(item, importer.plan(item, path, ImportOptions(rejects=rejects)), watch=StopAfter(1))
    rejects.rename(tmp_path / "away")
    rejects.write_text("somebody's " * 1000)
    with pytest.raises(Conflict, match="not the file that this import wrote"):
        bring(path)
    assert rejects.read_text() == "somebody's " * 1000
    (tmp_path / "away").rename(rejects)
    assert bring(path).rejected == 2
    assert len(rejects.read_text().splitlines()) == 4


def test_two_imports_begun_together_insert_once(mongo: Mongo, item: Model, importer: Importer, tmp_path: Path) -> None:
    """Both planned before either began."""
    path = rows(tmp_path / "in.ndjson", 3)
    for options in (ImportOptions(), ImportOptions(again=True)):
        first, second = (importer.plan(item, path, options) for _ in range(2))
        met: list[DatactlError] = []

        def begin(plan: Any = second, met: list[DatactlError] = met) -> None:
            with pytest.raises(Locked) as caught:
                importer.run(item, plan)
            met.append(caught.value)

        before = len(names(mongo))
        importer.run(item, first, watch=At("chunk", begin))
        assert len(met) == 1
        with pytest.raises(Conflict, match="was imported into Item before"):
            importer.run(item, second)
        assert len(names(mongo)) == before + 3


def test_an_input_that_changed_is_not_carried_on(
    mongo: Mongo, item: Model, importer: Importer, bring: Bring, tmp_path: Path
) -> None:
    path = rows(tmp_path / "in.ndjson", 600)
    first = importer.run(item, importer.plan(item, path), watch=StopAfter(1))
    rows(path, 601)
    with pytest.raises(Conflict) as caught:
        bring(path)
    assert (first.op or "") in caught.value.what
    assert "--again" in (caught.value.next or "")
    assert len(names(mongo)) == 500
    rows(path, 600)
    assert bring(path).op == first.op
    assert len(names(mongo)) == 600


def test_lines_written_during_an_import_are_not_taken(
    mongo: Mongo, item: Model, importer: Importer, tmp_path: Path
) -> None:
    path = rows(tmp_path / "in.ndjson", 600)

    def append() -> None:
        with path.open("a") as file:
            file.write('{"name": "late"}\n')

    with pytest.raises(Conflict, match="changed while it was read"):
        importer.run(item, importer.plan(item, path), watch=At("chunk", append))
    assert names(mongo) == [f"n{n:04}" for n in range(500)]
    row = mongo.collection(OPERATIONS).find_one()
    assert row is not None
    assert (row["state"], row["position"]) == ("failed", 500)


def test_an_import_goes_on_as_it_began(
    mongo: Mongo, item: Model, importer: Importer, bring: Bring, tmp_path: Path
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("name;odd\n" + "".join(f"n{n};{n}\n" for n in range(600)))
    options = ImportOptions(delimiter=";", as_stored=True)
    importer.run(item, importer.plan(item, path, options), watch=StopAfter(1))
    with pytest.raises(Conflict, match="--delimiter"):
        bring(path, delimiter="|")
    assert bring(path).created == 600
    assert mongo.collection("items").count_documents({"createdAt": None, "odd": {"$exists": True}}) == 600


def test_what_is_no_row_of_a_csv_is_in_the_file_until_it_is_mended(bring: Bring, mongo: Mongo, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b'name,count\r\n"quoted"x,1\r\n"two\r\nlines"y,2\r\n')
    first = bring(path)
    assert first.rejects is not None
    again = bring(first.rejects)
    assert (again.created, again.rejected) == (0, 2)
    assert again.rejects is not None
    kept = again.rejects.read_bytes()
    assert b'""quoted""x,1' in kept
    assert b'""two\r\nlines""y,2' in kept
    assert not any("quoted" in problem.what for problem in again.failed)  # the ledger holds no values
    again.rejects.write_bytes(kept.replace(b'\r\n,,"line 2', b'\r\nmended,1,"line 2'))
    assert bring(again.rejects).created == 1
    assert names(mongo) == ["mended"]


@pytest.mark.parametrize("format", list(Format))
def test_a_file_of_an_export_given_by_its_own_path(
    format: Format, mongo: Mongo, item: Model, exporter: Exporter, bring: Bring, tmp_path: Path
) -> None:
    mongo.collection("items").insert_one({"name": "a", "odd": {"$date": 1}, "address": {"city": "x", "inner": 5}})
    before = mongo.collection("items").find_one()
    report = exporter.run(item, exporter.plan(item, tmp_path, format))
    assert report is not None
    file = report.path / report.files[0].name
    mongo.collection("items").delete_many({})
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    with pytest.raises(VaultDamaged, match="is not what was exported"):
        bring(file)
    file.write_bytes(data)
    assert bring(file).created == 1
    assert mongo.collection("items").find_one() == before


@pytest.mark.parametrize("name", [None, "items.bson.gz"])
def test_a_segment_without_its_manifest_is_whole_or_refused(
    name: str | None, mongo: Mongo, item: Model, exporter: Exporter, bring: Bring, tmp_path: Path
) -> None:
    """One that was cut between two members is a whole gzip file, and so is one that lost a member."""
    mongo.collection("items").insert_many([{"name": str(number) * 200_000} for number in range(4)])
    report = exporter.run(item, exporter.plan(item, tmp_path / "out", Format.BSON))
    assert report is not None
    written = report.path / report.files[0].name
    data = written.read_bytes()
    trailer = read_trailer(data)
    assert len(trailer.members) > 2
    mongo.collection("items").delete_many({})
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / (name or written.name)
    second = trailer.members[1]
    spoilt = [data[: second.offset] + data[second.offset + second.length :]]
    if name is None:  # without its last bytes only the name says that it is a segment
        spoilt += [data[: second.offset], data[: trailer.data_bytes], data[:-END_BYTES]]
    for octets in spoilt:
        assert gzip.decompress(octets)
        file.write_bytes(octets)
        for given in (file, file.parent) if name else (file,):
            with pytest.raises(VaultDamaged, match="is no whole segment"):
                bring(given)
    if name is None:
        other = file.with_name("00000000-000001-0123456789abcdef.bson.gz")
        other.write_bytes(data)
        with pytest.raises(VaultDamaged, match="is another segment"):
            bring(other)
        other.unlink()
    assert mongo.collection("items").count_documents({}) == 0
    file.write_bytes(data)
    assert bring(file).created == 4


def test_a_sealed_manifest_with_other_keys(item: Model, mongo: Mongo, exporter: Exporter, tmp_path: Path) -> None:
    mongo.collection("items").insert_one({"name": "a"})
    report = exporter.run(item, exporter.plan(item, tmp_path, Format.CSV))
    assert report is not None
    path = report.path / "manifest.json"
    whole = {name: value for name, value in json.loads(path.read_text()).items() if name != "digest"}
    lacking = {name: value for name, value in whole.items() if name != "namespace"}
    surplus = {**whole, "files": [{**whole["files"][0], "more": 1}]}
    for fields in (lacking, surplus):
        path.write_bytes(seal(fields))
        with pytest.raises(VaultDamaged, match="no manifest that export wrote"):
            ExportManifest.read(report.path)


def test_inputs_that_cannot_be_read_are_refused_at_once(bring: Bring, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe or a device"):
        bring(tmp_path / "pipe")
    for text in ("utf-16", "utf-16-be"):
        file = tmp_path / f"{text}.csv"
        file.write_bytes(b"\xfe\xff" * (text == "utf-16-be") + "name\na\n".encode(text))
        with pytest.raises(UsageError, match="UTF-16"):
            bring(file)


@pytest.mark.parametrize("line", [b'{"a": 1, "a": 2}', b'{"b": [{"a": 1, "a": 1}]}'])
def test_a_name_twice_in_one_object(line: bytes) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_line(line)
    assert caught.value.why == "a name stands twice in one object"


def test_the_export_of_a_collection_that_is_not_there(
    item: Model, mongo: Mongo, exporter: Exporter, tmp_path: Path
) -> None:
    mongo.database.create_collection("itemz")
    with pytest.raises(NotFound, match='did you mean "itemz"'):
        exporter.plan(item, tmp_path)
    mongo.database.create_collection("items")
    report = exporter.run(item, exporter.plan(item, tmp_path))
    assert report is not None
    assert report.documents == 0


def test_the_state_directory_is_private(bring: Bring, tmp_path: Path) -> None:
    bring(rows(tmp_path / "in.ndjson", 1))
    for place in (tmp_path / "state", tmp_path / "state" / "imports"):
        assert place.stat().st_mode & 0o777 == 0o700
