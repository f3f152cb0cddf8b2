"""Fixtures of all tests: an engine per pytest process, a fresh database per test, engines that may be killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bson import ObjectId

from datactl.mongo import Mongo, open_mongo
from tests.engines import TestEngine
from tests.standalone import StandaloneProxy

ENGINE_KIND = os.environ.get("DATACTL_TEST_ENGINE", "py")


@pytest.fixture(scope="session")
def engine_kind() -> str:
    """`py` or `rs`, by DATACTL_TEST_ENGINE."""
    return ENGINE_KIND


@pytest.fixture(scope="session")
def engine_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI, without a database, of the one engine that the tests of this process share. Never kill this one."""
    engine = TestEngine(tmp_path_factory.mktemp("engine"), ENGINE_KIND)
    yield engine.uri
    engine.stop()


@pytest.fixture
def mongo(engine_uri: str) -> Iterator[Mongo]:
    """A connection to a database of this test's own, dropped afterwards."""
    with open_mongo(engine_uri, f"t_{ObjectId()}") as opened:
        yield opened
        opened.client.drop_database(opened.database.name)


@pytest.fixture
def start_engine(tmp_path: Path) -> Iterator[Callable[..., TestEngine]]:
    """`start_engine(*flags, kind=None)`: an engine of the test's own, which it may kill(), restart() or pause."""
    started: list[TestEngine] = []

    def start(*flags: str, kind: str | None = None) -> TestEngine:
        engine = TestEngine(tmp_path / f"engine-{len(started)}", kind or ENGINE_KIND, *flags)
        started.append(engine)
        return engine

    yield start
    for engine in started:
        engine.kill()


@pytest.fixture
def standalone_uri(start_engine: Callable[..., TestEngine]) -> Iterator[str]:
    """The URI of a standalone server, which refuses transactions as MongoDB's own does."""
    proxy = StandaloneProxy(start_engine("--standalone").port)
    yield proxy.uri
    proxy.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What suites tell of a run (`record_property("told SUITE", line)`), also from parallel processes."""
    told: dict[str, list[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, line in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
                if name.startswith("told "):
                    told.setdefault(name.removeprefix("told "), []).append(str(line))
    for suite, lines in told.items():
        terminalreporter.section(suite)
        for line in lines:
            terminalreporter.line(line)
