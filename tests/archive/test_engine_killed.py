"""The engine is killed (SIGKILL) in the middle of an archive run: nothing is lost, and the next run finishes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from datactl.errors import CannotConnect, DatactlError
from datactl.mongo import open_mongo
from datactl.steps import Step, Watcher
from tests.archive.desk import Account, account, desk_at
from tests.archive.killing import expire_lease
from tests.engines import TestEngine

Told = Callable[[str, str], None]

DUE = 1_600

pytestmark = pytest.mark.real


class EngineKiller(Watcher):
    """Kills the engine at the n-th announcement of a step; it is back before the step goes on, or stays down."""

    def __init__(self, engine: TestEngine, at: tuple[str, str, int], *, stays_down: bool = False) -> None:
        self._engine = engine
        self._at = at
        self._stays_down = stays_down
        self._seen = 0
        self.killed = False

    def see(self, step: Step) -> None:
        if (step.name, step.when) != self._at[:2]:
            return
        self._seen += 1
        if self._seen == self._at[2]:
            if self._stays_down:
                self._engine.kill()
            else:
                self._engine.restart()
            self.killed = True


class RandomKiller(Watcher):
    """Kills the engine at a random instant after the first announcement."""

    def __init__(self, engine: TestEngine, seed: int) -> None:
        self._engine = engine
        self._timer = threading.Timer(random.Random(seed).uniform(0, 0.3), self._kill)
        self._done = threading.Event()

    def see(self, step: Step) -> None:
        if not self._timer.ident:
            self._timer.start()

    def _kill(self) -> None:
        self._engine.restart()
        self._done.set()

    @property
    def killed(self) -> bool:
        """True once the engine is back."""
        return self._done.wait(60)


STEPS = [
    ("lease", "after", 1),
    ("segment.put", "after", 1),
    ("manifest.put", "after", 1),
    ("delete", "before", 1),
    ("compare", "before", 1),
    ("compare", "after", 1),
    ("compare", "after", 2),
    ("delete", "after", 1),
    ("delete", "after", 2),
    ("event", "before", 1),
    ("event", "after", 1),
    ("receipt", "after", 1),
    ("delete", "after", 3),
]


@pytest.mark.parametrize("at", [*STEPS, *range(8)], ids=str)
def test_the_next_run_finishes(
    start_engine: Callable[..., TestEngine], tmp_path: Path, told: Told, at: tuple[str, str, int] | int
) -> None:
    engine = start_engine()
    with open_mongo(engine.uri, "killed") as mongo:
        desk = desk_at(mongo, tmp_path / "vault")
        desk.posts.create_index([("deleted", 1), ("deletedAt", 1)])
        before = desk.insert(desk.marked(DUE))
        killer = RandomKiller(engine, at) if isinstance(at, int) else EngineKiller(engine, at)
        archiver = desk.archiver()
        plan = archiver.plan("Post", 90)
        try:
            ended = f"archived {archiver.run(plan, watch=killer).archived}"
        except DatactlError as error:
            ended = error.code
        assert killer.killed
        left = len(desk.live())
        expire_lease(mongo)
        report = archiver.run(archiver.plan("Post", 90))
        done = account(desk, before)
        assert done == Account(live=0, archived=DUE)
        assert not list(desk.vault.manifests_without_receipt("Post"))
        where = f"at a random instant ({at})" if isinstance(at, int) else f"{at[1]} {at[0]} #{at[2]}"
        told(
            "engine killed",
            f"{where}: the run ended with {ended}, {left} in MongoDB; next run settled {report.settled.segments}, "
            f"archived {report.archived}; {done.archived} of {DUE} archived once",
        )


@pytest.mark.parametrize(
    "at",
    [
        ("segment.put", "after", 1),
        ("manifest.put", "after", 1),
        ("compare", "after", 1),
        ("delete", "after", 1),
        ("event", "before", 1),
        ("receipt", "after", 1),
    ],
    ids=str,
)
def test_a_run_whose_engine_stays_down_ends_and_the_next_one_finishes(
    start_engine: Callable[..., TestEngine], tmp_path: Path, told: Told, at: tuple[str, str, int]
) -> None:
    engine = start_engine()
    with open_mongo(engine.uri, "killed", timeout_s=2) as mongo:
        desk = desk_at(mongo, tmp_path / "vault")
        before = desk.insert(desk.marked(DUE))
        archiver = desk.archiver()
        killer = EngineKiller(engine, at, stays_down=True)
        with pytest.raises(CannotConnect) as ended:
            archiver.run(archiver.plan("Post", 90), watch=killer)
        assert ended.value.exit_code == 4
    engine.start()
    with open_mongo(engine.uri, "killed") as mongo:
        desk = desk_at(mongo, tmp_path / "vault")
        left = len(desk.live())
        expire_lease(mongo)
        report = desk.archive()
        assert account(desk, before) == Account(live=0, archived=DUE)
        assert not list(desk.vault.manifests_without_receipt("Post"))
        told(
            "engine killed",
            f"{at[1]} {at[0]} #{at[2]}, and it stays down: the run ended with {ended.value.code}, {left} in MongoDB; "
            f"next run settled {report.settled.segments}, archived {report.archived}",
        )
