"""`make bench`: every ratio in one run, as a table for benchmarks/README.md.

python -m benchmarks
"""

from __future__ import annotations

import compileall
import os
import platform
from datetime import UTC, datetime

import datactl
from benchmarks import bench_adopt, bench_archive, bench_records, bench_startup, bench_transfer, bench_validate


def main() -> None:
    compileall.compile_dir(os.path.dirname(datactl.__file__), quiet=1)  # noqa: PTH120 - as an installation leaves it
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, secantusd-rs\n")
    missed = []
    for bench in (bench_startup, bench_records, bench_archive, bench_validate, bench_transfer, bench_adopt):
        for ratio in bench.measure():
            print(ratio, flush=True)
            missed += [ratio] if ratio.is_missed else []
    print(f"\n{len(missed)} of the bounds missed" if missed else "\nevery bound is kept")


if __name__ == "__main__":
    main()
