"""CPU time of what answers without a database, against bare Python.

python -m benchmarks.bench_startup
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Ratio

RUNS = 11
BOUND_MS = 150 / 19  # 150 ms where bare Python takes 19


def measure() -> Iterator[Ratio]:
    installed = str(Path(sys.executable).parent / "datactl")
    commands = {
        " ".join(["datactl", *words]): [installed, *words]
        for words in (["--help"], ["--version"], ["completion", "show", "bash"])
    }
    took: dict[str, list[float]] = {name: [] for name in ("bare", *commands)}
    for _ in range(RUNS):
        took["bare"].append(_cpu_ms(["-c", ""]))
        for name, words in commands.items():
            took[name].append(_cpu_ms(words))
    bare = statistics.median(took["bare"])
    for name in commands:
        yield Ratio(f"CPU of `{name}` / bare Python", statistics.median(took[name]), bare, "ms", at_most=BOUND_MS)


def _cpu_ms(words: list[str]) -> float:
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return (usage.ru_utime + usage.ru_stime) * 1000


if __name__ == "__main__":
    for ratio in measure():
        print(ratio)
