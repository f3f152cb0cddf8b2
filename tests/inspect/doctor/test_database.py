"""What doctor says of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datactl.inspect.doctor.database import database_lines
from datactl.inspect.doctor.lines import Level, Line
from datactl.mongo import Mongo, open_mongo
from datactl.schema import Registry, define_model
from tests.engines import TestEngine
from tests.inspect.posing import PosingProxy, posing_as

REGISTRY = Registry([define_model("Product", {"sku": "string"}, unique_fields=["sku"], text_search_fields=["sku"])])


def by_check(mongo: Mongo) -> dict[str, Line]:
    return {line.check: line for line in database_lines(mongo, REGISTRY)}


def test_a_good_server(mongo: Mongo) -> None:
    found = by_check(mongo)
    assert {check for check, line in found.items() if line.level is Level.FAIL} == set()
    assert mongo.capabilities.server_kind in found["engine"].what
    assert found["capabilities"].level is (Level.OK if mongo.capabilities.text_index else Level.WARN)
    assert set(mongo.database.list_collection_names()) <= {"datactl_meta"}


def test_a_standalone_server_fails_with_its_remedy(standalone_uri: str) -> None:
    with open_mongo(standalone_uri, "posing") as mongo:
        line = by_check(mongo)["transactions"]
    assert line.level is Level.FAIL
    assert "rs.initiate()" in str(line.next)


@pytest.mark.parametrize("option", ["w=1", "journal=false", "readPreference=secondary", "readConcernLevel=local"])
def test_a_uri_that_weakens_is_named(option: str, engine_uri: str) -> None:
    uri = engine_uri.replace("w=majority", option)
    with open_mongo(uri, "weak") as mongo:
        line = by_check(mongo)["write_concern"]
    assert line.level is Level.FAIL
    assert option.lower() in line.what.lower()


@contextmanager
def posing(proxy: PosingProxy) -> Iterator[Mongo]:
    with open_mongo(proxy.uri, "posing") as mongo:
        yield mongo
    proxy.close()


def test_before_6_0_the_backfill_is_offered(start_engine: Callable[..., TestEngine]) -> None:
    with posing(posing_as(start_engine().port, "5.0.30")) as mongo:
        line = by_check(mongo)["unique_indexes"]
    assert line.level is Level.WARN
    assert "db.products.updateMany({deleted: {$exists: false}}, {$set: {deleted: false}})" in str(line.next)


@pytest.mark.parametrize(
    ("ahead", "level"),
    [
        (timedelta(0), Level.OK),
        (timedelta(seconds=40), Level.WARN),
        (timedelta(seconds=-40), Level.WARN),
        (timedelta(hours=1), Level.FAIL),
    ],
)
def test_clocks_that_differ(ahead: timedelta, level: Level, start_engine: Callable[..., TestEngine]) -> None:
    def answer(command: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if "hello" not in command or "lsid" not in command:  # the driver's own have no session
            return None
        shifted = datetime.now(UTC) + ahead
        return {"localTime": shifted, "setName": "rs0", "maxWireVersion": 25, "isWritablePrimary": True, "ok": 1.0}

    with posing(PosingProxy(start_engine().port, answer)) as mongo:
        line = by_check(mongo)["clock"]
    assert line.level is level
    if ahead:
        assert ("ahead of" if ahead > timedelta(0) else "behind") in line.what
