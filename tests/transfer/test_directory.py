"""The directory of an export on the disk: what is durable before it has its name, and what a full disk leaves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CHILD = [sys.executable, "-m", "tests.transfer.directory_child"]
_CALL = re.compile(r"\d+ +(\w+)\((.*)\) += \d+")


def calls_of(trace: Path, root: Path) -> list[str]:
    """The calls on what is below `root`, by path from there; equal ones in a row are one."""
    found: list[str] = []
    for line in trace.read_text().splitlines():
        call = _CALL.match(line)
        if call is None or str(root) not in line:
            continue
        paths = re.findall(rf"{re.escape(str(root))}([^\"<>]*)", call[2])
        named = [re.sub(r"\.unfinished-Post-\w+", "TMP", path.strip("/")) or "." for path in paths]
        said = f"{call[1].removesuffix('at').removesuffix('64')} {' '.join(dict.fromkeys(named))}"
        if not found or found[-1] != said:
            found.append(said)
    return found


@pytest.mark.real
def test_everything_is_durable_before_it_has_its_name(tmp_path: Path) -> None:
    root, trace = tmp_path / "root", tmp_path / "trace"
    root.mkdir()
    watched = "trace=write,fsync,mkdir,mkdirat,rename,renameat,renameat2"
    subprocess.run(
        ["strace", "-f", "-y", "-o", trace, "-e", watched, *CHILD, root / "out" / "Post", "300000"],
        cwd=REPOSITORY,
        check=True,
    )
    assert calls_of(trace, root) == [
        "mkdir out",
        "fsync .",
        "mkdir out/TMP",
        "write out/TMP/one",
        "fsync out/TMP/one",
        "write out/TMP/two",
        "fsync out/TMP/two",
        "fsync out/TMP",
        "rename out/TMP out/Post",
        "fsync out",
    ]


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [*CHILD, tmp_path / "out" / "Post", "300000", "100000"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    error = json.loads(done.stdout)
    assert (error["code"], error["next"][:9]) == ("store_full", "make room")
    assert list((tmp_path / "out").iterdir()) == []
