"""tools/install-secantusd-rs: builds once with cargo, outside the tree, and prints where."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "install-secantusd-rs"


def run(cache: Path, path: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": path, "HOME": str(cache / "home"), "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(["/bin/bash", str(SCRIPT)], capture_output=True, text=True, env=env, check=False)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory for PATH with what the script may use, and no cargo."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("mkdir", "flock", "touch", "chmod", "bash"):
        (programs / name).symlink_to(f"/usr/bin/{name}" if os.access(f"/usr/bin/{name}", os.X_OK) else f"/bin/{name}")
    return programs


def test_it_builds_once_and_prints_only_the_path(tmp_path: Path, programs: Path) -> None:
    cargo = programs / "cargo"
    cargo.write_text(
        '#!/usr/bin/env bash\necho "compiling"\necho "$@" >> "$XDG_CACHE_HOME/asked"\n'
        'while [ $# -gt 0 ]; do [ "$1" = --root ] && root=$2; shift; done\n'
        'mkdir -p "$root/bin"; touch "$root/bin/secantusd-rs"; chmod +x "$root/bin/secantusd-rs"\n'
    )
    cargo.chmod(0o755)
    cache = tmp_path / "cache"
    cache.mkdir()
    expected = f"{cache}/datactl/parts/secantusd-rs-0.5.3-beta.193/bin/secantusd-rs\n"
    path = f"{programs}:/usr/bin:/bin"
    for _ in range(2):
        done = run(cache, path)
        assert (done.returncode, done.stdout) == (0, expected), done.stderr
    asked = (cache / "asked").read_text().splitlines()
    root = expected.removesuffix("/bin/secantusd-rs\n")
    assert asked == [f"install secantus-mdb --version 0.5.3-beta.193 --ignore-rust-version --root {root}"]


def test_without_cargo_it_says_so(tmp_path: Path, programs: Path) -> None:
    done = run(tmp_path / "cache", str(programs))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "cargo" in done.stderr
