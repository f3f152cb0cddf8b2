"""The spool: ids of every type, read back as they were, on disk before anything is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Int64, ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datactl.errors import NotFound
from datactl.mongo import CODEC
from datactl.records import spool as spool_module
from datactl.records.spool import Spool

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
