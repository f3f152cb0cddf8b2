"""Importing: checked against the model, with events, duplicates left alone, rejects usable as input after a fix."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId

from datactl.errors import Conflict, DatactlError, Locked, NotFound, UsageError, VaultDamaged
from datactl.events import OUTBOX
from datactl.mongo import Mongo
from datactl.records.ledger import OPERATIONS
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.transfer import Exporter, Format, Importer, ImportOptions, ImportReport
from datactl.transfer.running import running
from tests.records.replies import lose_every_reply

Bring = Callable[..., ImportReport]
ID = "60f1b2c3d4e5f6789abcdef0"


def write(path: Path, *documents: dict[str, Any] | str) -> Path:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in documents]
    path.write_text("\n".join(lines) + "\n")
    return path


def items(mongo: Mongo) -> list[dict[str, Any]]:
    return list(mongo.collection("items").find().sort("name", 1))


def test_what_other_tools_write_becomes_what_create_makes(mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.ndjson",
        {"_id": ID, "name": "a", "seen": "2026-01-31T12:30:00Z", "owner": ID, "total": "12.50", "price": 5, "views": 7},
        {"_id": {"$oid": ID[::-1]}, "name": "b", "views": {"$numberLong": "7"}, "address": {"city": "Basel"}},
        {"name": "c"},
    )
    report = bring(path)
    assert (report.created, report.rejected) == (3, 0), report.failed
    a, b, c = items(mongo)
    assert a["_id"] == a["owner"] == ObjectId(ID)
    assert (a["seen"].year, a["total"], a["price"], a["deleted"]) == (2026, Decimal128("12.50"), 5, False)
    assert (type(a["views"]), type(b["views"])) == (int, Int64)
    assert isinstance(c["_id"], ObjectId)
    assert all(each["createdAt"] == each["updatedAt"] for each in (a, b, c))
    row = mongo.collection(OPERATIONS).find_one({"_id": report.op})
    assert row is not None
    assert (row["kind"], row["state"], row["actor"], row["counts"]["changed"]) == ("import", "done", "ann", 3)
    events = list(mongo.collection(OUTBOX).find({"op": report.op}))
    assert {each["eventType"] for each in events} == {"ItemCreated"}
    assert [each["seq"] for each in events] == [1, 1, 1]
    assert {each["payload"]["after"]["name"] for each in events} == {"a", "b", "c"}


def test_the_file_of_rejected_lines_is_input_after_a_fix(mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.ndjson",
        {"_id": ID, "name": "good"},
        {"name": "wrong", "count": "many"},
        '{"name": "cut", ',
        {"name": "unknown", "nmae": 1, "address": {"citi": "x"}},
        {"count": 3},
        {"name": "type", "owner": {"$oid": "x"}},
    )
    report = bring(path)
    assert (report.read, report.created, report.rejected) == (6, 1, 5)
    assert [each.where for each in report.failed] == ["line 2", "line 3", "line 4", "line 5", "line 6"]
    assert report.rejects is not None
    assert report.rejects.stat().st_mode & 0o777 == 0o600
    lines = report.rejects.read_text().splitlines()
    assert lines[1::2] == path.read_text().splitlines()[1:]
    why = [json.loads(line)["$rejected"] for line in lines[::2]]
    assert why[0]["problems"][0]["where"] == "/count"
    assert {each["where"] for each in why[2]["problems"]} == {"/nmae", "/address/citi"}
    again = bring(report.rejects)  # unchanged: nothing of it is taken
    assert (again.created, again.rejected) == (0, 5)
    fixed = (
        report.rejects.read_text()
        .replace('"many"', "4")
        .replace('{"name": "cut", ', '{"name": "cut"}')
        .replace(', "nmae": 1, "address": {"citi": "x"}', "")
        .replace('{"count": 3}', '{"name": "five", "count": 3}')
        .replace('{"$oid": "x"}', json.dumps({"$oid": ID}))
    )
    report.rejects.write_text(fixed)
    last = bring(report.rejects)
    assert (last.created, last.rejected) == (5, 0), last.failed
    assert [each["name"] for each in items(mongo)] == ["cut", "five", "good", "type", "unknown", "wrong"]


def test_rejected_rows_of_a_csv_are_input_after_a_fix(mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(
        b"\xef\xbb\xbfname,count,active,tags,address.city\r\n"
        b'good,1,TRUE,"[""a""]","Basel, BS"\r\n'
        b"wrong,x,true,,\r\n"
        b"short,1\r\n"
        b'"quoted"x,1,,,\r\n'
        b"latin \xe9,1,,,\r\n"
        b"json,1,,[a,\r\n"
    )
    report = bring(path)
    assert (report.read, report.created, report.rejected) == (6, 1, 5), report.failed
    (good,) = items(mongo)
    assert (good["active"], good["tags"], good["address"]) == (True, ["a"], {"city": "Basel, BS"})
    assert report.rejects is not None
    with report.rejects.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    assert [row["$rejected"].partition(":")[0] for row in rows] == [f"line {n}" for n in (3, 4, 5, 6, 7)]
    assert rows[0]["name"] == "wrong"
    assert "/count" in rows[0]["$rejected"]
    for row, fix in zip(
        rows, ({"count": "2"}, {}, {"name": "quoted x"}, {"name": "latin é"}, {"tags": ""}), strict=True
    ):
        row.update(fix)
    with report.rejects.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    last = bring(report.rejects)
    assert (last.created, last.rejected) == (5, 0), last.failed
    names = [each["name"] for each in items(mongo)]
    assert names == ["good", "json", "latin é", "quoted x", "short", "wrong"]


def test_a_taken_id_is_reported_and_left_alone(mongo: Mongo, item: Model, bring: Bring, tmp_path: Path) -> None:
    there = ObjectId()
    mongo.collection("items").insert_one({"_id": there, "name": "theirs", "sku": "x"})
    path = write(
        tmp_path / "in.ndjson",
        {"_id": {"$oid": str(there)}, "name": "ours"},
        {"_id": ID, "name": "first", "sku": "1"},
        {"_id": ID, "name": "second"},
    )
    report = bring(path)
    assert (report.created, report.present, report.rejected) == (1, 0, 2)
    assert [(each.where, each.code) for each in report.failed] == [
        ("line 1", "duplicate_key"),
        ("line 3", "duplicate_key"),
    ]
    assert [each.what.partition("differs in: ")[2] for each in report.failed] == ["name, sku, deleted", "name, sku"]
    assert {each["name"] for each in items(mongo)} == {"theirs", "first"}
    once_more = bring(path, again=True)
    assert (once_more.created, once_more.present, once_more.rejected) == (0, 1, 2)


def test_a_taken_unique_value_is_one_documents_fault(mongo: Mongo, item: Model, bring: Bring, tmp_path: Path) -> None:
    for index in item.unique_keys:
        command = index.as_command()
        mongo.collection("items").create_index(list(command.pop("key").items()), **command)
    rows = [{"name": f"n{n:02}", "sku": "same" if n in (3, 40) else str(n)} for n in range(50)]
    report = bring(write(tmp_path / "in.ndjson", *rows))
    assert (report.created, report.rejected) == (49, 1)
    assert (report.failed[0].where, report.failed[0].code) == ("line 41", "duplicate_key")
    assert mongo.collection(OUTBOX).count_documents({}) == 49


def test_a_done_import_is_not_repeated_by_chance(mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    path = write(tmp_path / "in.ndjson", {"name": "no id"})
    first = bring(path)
    with pytest.raises(Conflict) as caught:
        bring(path)
    assert first.op in (caught.value.why or "")
    assert len(items(mongo)) == 1
    assert bring(path, again=True).created == 1


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layout", ["file", "database folder", "folder"])
def test_a_dump_of_mongodump(packed: bool, layout: str, mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    rows = [{"_id": ObjectId(), "name": f"n{n}", "__v": 0, "old field": n} for n in range(7)]
    data = b"".join(map(bson.encode, rows))
    folder = tmp_path / "dump" / ("shop" if layout == "database folder" else "")
    folder.mkdir(parents=True)
    file = folder / ("items.bson.gz" if packed else "items.bson")
    file.write_bytes(gzip.compress(data) if packed else data)
    (folder / "items.metadata.json").write_text("{}")
    (folder / "others.bson").write_bytes(b"")
    report = bring(file if layout == "file" else tmp_path / "dump")
    assert (report.created, report.rejected) == (7, 0)
    assert items(mongo) == rows  # as they were: no defaults, no time stamps, undeclared fields


def test_documents_of_a_dump_that_the_model_does_not_allow(mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    rows = [{"_id": 1, "name": 5}, {"_id": ObjectId(), "name": 5, "odd": {"$date": 1}}]
    broken = bson.encode({"_id": ObjectId(), "name": "abc"}).replace(b"abc", b"\xff\xfe\xfd")
    path = tmp_path / "items.bson"
    path.write_bytes(b"".join(map(bson.encode, rows)) + broken)
    report = bring(path)
    assert (report.created, report.rejected) == (0, 3)
    assert [each.where for each in report.failed] == ["document 1", "document 2", "document 3"]
    assert report.rejects is not None
    again = bring(report.rejects, as_stored=True)
    assert (again.created, again.rejected) == (0, 3)
    report.rejects.write_text(
        report.rejects.read_text().replace('{"_id":1,"name":5}', '{"_id":1,"name":"five","odd":5}')
    )
    assert bring(report.rejects, as_stored=True).created == 1


def test_marks_of_deleted_documents_are_kept(
    mongo: Mongo, item: Model, exporter: Exporter, bring: Bring, tmp_path: Path
) -> None:
    at = mongo.server_time()
    row = {
        "_id": ObjectId(),
        "name": "gone",
        "deleted": True,
        "deletedAt": at,
        "deletedBy": "bo",
        "deleteReason": "old",
    }
    mongo.collection("items").insert_one(row)
    stored = items(mongo)
    for kind in Format:
        out = exporter.run(item, exporter.plan(item, tmp_path / kind, kind, include_deleted=True))
        mongo.collection("items").drop()
        assert bring(out.path).created == 1
        assert items(mongo) == stored
    assert exporter.run(item, exporter.plan(item, tmp_path / "live")).documents == 0


def test_a_dry_run_changes_nothing(mongo: Mongo, item: Model, importer: Importer, bring: Bring, tmp_path: Path) -> None:
    path = write(tmp_path / "in.ndjson", {"_id": ID, "name": "a"}, {"name": 5}, {"name": "b"})
    before = sorted(mongo.database.list_collection_names())
    plan = importer.plan(item, path)
    report = importer.try_out(item, plan)
    assert (report.created, report.rejected, report.op, report.rejects) == (2, 1, None, None)
    assert sorted(mongo.database.list_collection_names()) == before
    bring(path)
    seen = importer.try_out(item, importer.plan(item, path, ImportOptions(again=True)))
    assert (seen.created, seen.present) == (1, 1)


def test_a_stopped_import_is_carried_on_by_the_same_command(
    mongo: Mongo, item: Model, importer: Importer, bring: Bring, tmp_path: Path
) -> None:
    rows = [{"name": f"n{n:04}", "count": "x" if n % 100 == 50 else n} for n in range(1_300)]
    path = write(tmp_path / "in.ndjson", *rows)

    class Stop(Watcher):
        def stopping(self) -> bool:
            return bool(mongo.collection("items").find_one())

    first = importer.run(item, importer.plan(item, path), watch=Stop())
    assert (first.stopped, first.read, first.rejected) == (True, 500, 5)
    plan = importer.plan(item, path)
    assert (plan.op, plan.position) == (first.op, 500)
    with running(tmp_path / "state" / "imports", first.op or ""), pytest.raises(Locked):
        importer.run(item, plan)
    last = importer.run(item, plan)
    assert (last.op, last.stopped, last.read, last.created, last.rejected) == (first.op, False, 1_300, 1_287, 13)
    assert [each["name"] for each in items(mongo)] == [row["name"] for row in rows if row["count"] != "x"]
    assert last.rejects is not None
    assert len(last.rejects.read_text().splitlines()) == 26
    assert mongo.collection(OUTBOX).count_documents({"op": first.op}) == 1_287
    assert not list((tmp_path / "state" / "imports").iterdir())


def test_an_export_that_was_altered_is_refused(
    mongo: Mongo, item: Model, exporter: Exporter, bring: Bring, tmp_path: Path
) -> None:
    mongo.collection("items").insert_one({"_id": ObjectId(), "name": "n"})
    out = exporter.run(item, exporter.plan(item, tmp_path, Format.NDJSON))
    file = out.path / "Item.ndjson"
    file.write_text(file.read_text().replace('"n"', '"m"'))
    with pytest.raises(VaultDamaged) as caught:
        bring(tmp_path)
    assert str(file) in caught.value.what
    file.unlink()
    with pytest.raises(VaultDamaged):
        bring(out.path)


@pytest.mark.parametrize(
    ("name", "data", "error", "what"),
    [
        ("none", None, NotFound, "is not there"),
        ("a.json", b'[{"name": "a"}]', UsageError, "JSON array"),
        ("a.json", b'{\n  "name": "a"\n}\n', UsageError, "several lines a document"),
        ("a.archive", b"\x6d\xe2\x99\x81" + b"\0" * 60, UsageError, "archive of mongodump"),
        ("a.csv", b"name;count\na;1\n", UsageError, "parts its columns by ';'"),
        ("a.csv", b"name,nam\na,b\n", UsageError, '"nam" is no field of Item: did you mean "name"'),
        ("a.csv", b"name,name\na,b\n", UsageError, "twice"),
        ("a.bson.gz", gzip.compress(b"\x05\0\0\0\0" * 99, mtime=0)[:-9], UsageError, "no whole gzip file"),
        ("a.bson", bson.encode({"_id": 1, "name": "abc"})[:-3], UsageError, "no whole BSON file"),
    ],
)
def test_input_that_makes_no_sense(
    name: str, data: bytes | None, error: type[DatactlError], what: str, mongo: Mongo, bring: Bring, tmp_path: Path
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(error) as caught:
        bring(path)
    assert what in f"{caught.value}"
    assert not items(mongo)


def test_a_directory_of_something_else(bring: Bring, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        bring(tmp_path)
    for database in ("a", "b"):
        (tmp_path / database).mkdir()
        (tmp_path / database / "items.bson").touch()
    with pytest.raises(UsageError):
        bring(tmp_path)


def test_large_documents_go_alone(mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    rows = [{"_id": ObjectId(), "name": "x" * (3 << 20), "count": n} for n in range(4)]
    path = tmp_path / "items.bson"
    path.write_bytes(b"".join(map(bson.encode, rows)))
    assert bring(path).created == 4
    assert mongo.collection(OUTBOX).count_documents({}) == 4


@pytest.mark.parametrize("name", ["in.ndjson.gz", "in.csv.gz"])
def test_gzipped_text(name: str, mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    text = b"name,count\na,1\nb,2\n" if "csv" in name else b'{"name": "a", "count": 1}\n{"name": "b", "count": 2}\n'
    (tmp_path / name).write_bytes(gzip.compress(text[:20]) + gzip.compress(text[20:]))  # two members, as a log may have
    assert bring(tmp_path / name).created == 2
    assert [each["count"] for each in items(mongo)] == [1, 2]


def test_what_the_server_does_not_take_is_rejected(mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(150):
        deep = {"a": deep}
    rows = [
        {"_id": ObjectId(), "name": "good"},
        {"_id": [1], "name": "a list"},
        {"_id": ObjectId(), "name": "deep", "extra": deep},
        {"_id": ObjectId(), "name": "good too"},
        {"_id": {"$a": 1}, "name": "an operator"},
    ]
    path = tmp_path / "items.bson"
    path.write_bytes(b"".join(map(bson.encode, rows)))
    mongo.database.create_collection("items", validator={"name": {"$ne": "good too"}})
    report = bring(path)
    assert (report.read, report.created + report.rejected) == (5, 5)
    assert {"document 2", "document 4", "document 5"} <= {each.where for each in report.failed}
    assert "document_rejected" in {each.code for each in report.failed}
    assert report.created == mongo.collection("items").count_documents({})


@pytest.mark.parametrize("format", list(Format))
def test_an_empty_file(format: Format, mongo: Mongo, bring: Bring, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    report = bring(tmp_path / "empty", format=format)
    assert (report.read, report.created, report.rejects) == (0, 0, None)


def test_replies_that_are_lost(mongo: Mongo, bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was committed without an answer is neither inserted again nor told as there before, or rejected twice."""
    path = write(tmp_path / "in.ndjson", {"_id": ID, "name": "a"}, {"name": "b"}, {"count": "none"})
    lose_every_reply(monkeypatch)
    report = bring(path)
    assert (report.read, report.created, report.present, report.rejected) == (3, 2, 0, 1)
    again = bring(path, again=True, rejects=tmp_path / "again.ndjson")
    assert (again.created, again.present, again.rejected) == (1, 1, 1)
    nothing = write(tmp_path / "nothing.ndjson", {"_id": ID, "name": "a"})  # no event, and yet the ledger moves
    assert bring(nothing).present == 1
    assert len(items(mongo)) == 3
    assert mongo.collection(OUTBOX).count_documents({}) == 3
    assert {row["state"] for row in mongo.collection(OPERATIONS).find()} == {"done"}
