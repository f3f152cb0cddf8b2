"""The spool: ids of every type, read back as they were, on disk before anything is changed."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Int64, ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datactl.errors import DatactlError, InvalidDocument, NotFound
from datactl.mongo import CODEC, Mongo
from datactl.records import Repository
from datactl.records import spool as spool_module
from datactl.records.freezing import freeze
from datactl.records.spool import Spool
from datactl.schema import Registry
from datactl.steps import UNWATCHED
from tests.objects.test_files import calls_of

IDS: list[Any] = [
    ObjectId(),
    1,
    1.0,
    Int64(1),
    "x",
    UUID(int=3),
    {"k": {"n": 1}},
    b"b",
    True,
    datetime(2026, 1, 1, tzinfo=UTC),
]


def encoded(ids: list[Any]) -> list[bytes]:
    return [bson.encode({"_id": each}, codec_options=CODEC) for each in ids]


def test_there_and_back(tmp_path: Path) -> None:
    order = {"kind": "update", "operators": {"$set": {"a.b": 1}}, "selection": {"x": {"$gt": 1}}}
    written, count = Spool.write(tmp_path / "OP", [b"".join(encoded(IDS))], order)
    assert count == len(IDS)
    found = Spool.open(str(tmp_path / "OP"), "OP")
    assert list(found.ids()) == IDS
    assert list(map(type, found.ids())) == list(map(type, IDS))
    assert list(found.ids(3)) == IDS[3:]
    assert list(found.ids(99)) == []
    assert found.order == order
    written.remove()
    written.remove()
    with pytest.raises(NotFound):
        Spool.open(str(tmp_path / "OP"), "OP")
    with pytest.raises(NotFound):
        Spool.open(None, "OP")


def test_one_operation_is_not_spooled_over_another(tmp_path: Path) -> None:
    Spool.write(tmp_path / "OP", [], {})
    with pytest.raises(FileExistsError):
        Spool.write(tmp_path / "OP", [], {})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.lists(st.text(max_size=30), max_size=40), block=st.integers(1, 64), start=st.integers(0, 45))
def test_however_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, texts: list[str], block: int, start: int
) -> None:
    monkeypatch.setattr(spool_module, "_READ_BYTES", block)
    spool, count = Spool.write(tmp_path_factory.mktemp("spool") / "OP", encoded(texts), {})
    assert count == len(texts)
    assert list(spool.ids(start)) == texts[start:]


@pytest.mark.parametrize(
    ("ids", "order"),
    [
        ([1], {"operators": {"$unset": {"name": 2**64}}}),
        ([1], {"operators": {"$set": {"name": "\ud800"}}}),
        ([1, 2**64], {}),
    ],
)
def test_what_bson_cannot_hold_is_told_and_nothing_is_left(
    mongo: Mongo, registry: Registry, tmp_path: Path, ids: list[Any], order: dict[str, Any]
) -> None:
    with pytest.raises(InvalidDocument):
        freeze(
            mongo,
            registry.model("Product"),
            tmp_path / "spool" / "OP",
            "OP",
            selection=None,
            ids=ids,
            order=order,
            expected=None,
            watch=UNWATCHED,
        )
    assert list(tmp_path.rglob("OP")) == []


def test_nothing_is_left_of_a_selection_that_the_server_refuses(products: Repository, tmp_path: Path) -> None:
    with pytest.raises(DatactlError):
        products.update_many({"price": {"$bad": 1}}, {"name": "b"})
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.real
def test_it_is_on_disk_before_anything_is_changed(tmp_path: Path) -> None:
    """Seen from outside by strace on a real process."""
    spool, trace = tmp_path / "spool", tmp_path / "trace"
    write = (
        "import sys, pathlib; from datactl.records.spool import Spool; Spool.write(pathlib.Path(sys.argv[1]), [], {})"
    )
    watched = "trace=open,openat,write,fsync,fdatasync,mkdir,mkdirat"
    subprocess.run(
        ["strace", "-f", "-y", "-o", trace, "-e", watched, sys.executable, "-c", write, spool / "OP"],
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    calls = [call for call in calls_of(trace, spool) if not call.startswith("write")]
    assert calls == [
        "mkdir spool/OP",
        "mkdir spool",
        "mkdir spool/OP",
        "open spool/OP/ids.bson",
        "fsync spool/OP/ids.bson",
        "open spool/OP/order.bson",
        "fsync spool/OP/order.bson",
        "fsync spool/OP",
        "fsync spool",
    ]
