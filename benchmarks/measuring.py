"""Ratios of one run: ours against a bare equivalent, measured in turn, on an engine of the run's own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from datactl.mongo import Mongo, open_mongo
from tests.engines import TestEngine


@dataclass(frozen=True, slots=True)
class Ratio:
    """`ours / bare`, and the bound it is held against; None where it is printed for the record."""

    what: str
    ours: float
    bare: float
    unit: str
    at_most: float | None = None

    @property
    def value(self) -> float:
        return self.ours / self.bare

    @property
    def is_missed(self) -> bool:
        return self.at_most is not None and self.value > self.at_most

    def __str__(self) -> str:
        bound = f"at most {self.at_most:.2f}" if self.at_most is not None else "for the record"
        mark = "  MISSED" if self.is_missed else ""
        figures = f"{self.ours:9.2f} / {self.bare:9.2f} {self.unit:<3}"
        return f"{self.what:<72} {figures} = {self.value:5.2f}   ({bound}){mark}"


@dataclass(frozen=True, slots=True)
class Bench:
    """A database on an engine of its own, and a directory on a disk; both go when it ends."""

    mongo: Mongo
    uri: str
    scratch: Path


@contextmanager
def bench(kind: str = "rs") -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(dir=Path.home()) as directory:
        engine = TestEngine(Path(directory) / "engine", kind)
        try:
            with open_mongo(engine.uri, "bench") as mongo:
                yield Bench(mongo, engine.uri, Path(directory))
        finally:
            engine.stop()


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median_of(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The pair whose ratio is the median: ours and bare of one and the same round."""
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]


def peak_mb(command: list[str], environment: dict[str, str]) -> float:
    """The peak memory of a process. A process starts with its parent's peak, so a small one starts it."""
    small = (
        "import os, subprocess, sys\n"
        "process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "_, status, usage = os.wait4(process.pid, 0)\n"
        "print(usage.ru_maxrss)\n"
        "os._exit(os.waitstatus_to_exitcode(status))"
    )
    done = subprocess.run(
        [sys.executable, "-u", "-c", small, *command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(done.stdout) / 1024
