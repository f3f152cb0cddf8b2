"""The file store under real conditions: what is durable, a full disk, a read-only one, leftovers of a crash."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datactl.errors import EXIT_CODES, ObjectExists, StoreError, StoreReadOnly
from datactl.objects.files import FileStore

REPOSITORY = Path(__file__).parents[2]
WRITER = [sys.executable, "-m", "tests.objects.writer"]


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can reach (pytest's own are private)."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def run_writer(*arguments: str, before: str = "") -> dict[str, Any]:
    """The error that the writer met, {} if none; `before`: shell commands in a mount namespace of its own."""
    command = [*WRITER, *arguments]
    if before:
        namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
        command = [*namespace, "sh", "-ec", f"{before}; exec {shlex.join(command)}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    error: dict[str, Any] = json.loads(done.stdout or "{}")
    return error


def assert_says_all(error: dict[str, Any], code: str) -> None:
    assert error["code"] == code
    assert error["exitCode"] == 1
    assert error["exitCode"] in EXIT_CODES
    assert error["what"]
    assert error["why"]
    assert error["next"]


def calls_of(trace: Path, root: Path) -> list[str]:
    """The calls in a trace that touch files below the parent of `root`, as `call path`, in order."""
    calls = []
    for line in trace.read_text().splitlines():
        found = re.match(r"\d+\s+(\w+)\((.*)\)\s+= (-?\d+)", line)
        if not found or str(root.parent) not in found[2]:
            continue
        call, arguments = found[1], found[2]
        paths = re.findall(rf"[\"<]({re.escape(str(root.parent))}[^\">]*)[\">]", arguments)
        shown = [re.sub(r"\.tmp-\w+", "TMP", os.path.relpath(path, root.parent)) for path in paths]
        if call.startswith("open") and "O_CREAT" not in arguments:
            continue
        calls.append(f"{call.removesuffix('at')} {' '.join(dict.fromkeys(shown))}")
    return calls


def collapsed(calls: list[str]) -> list[str]:
    """Consecutive equal calls as one: how many writes it takes is nobody's business."""
    return [call for n, call in enumerate(calls) if n == 0 or calls[n - 1] != call]


@pytest.mark.real
def test_a_put_is_durable_in_this_order(tmp_path: Path) -> None:
    """I7, seen from outside by strace on a real process."""
    root, trace = tmp_path / "vault", tmp_path / "trace"
    watched = "trace=open,openat,write,writev,pwrite64,fsync,fdatasync,link,linkat,unlink,unlinkat,mkdir,mkdirat,rename"
    subprocess.run(
        ["strace", "-f", "-y", "-o", trace, "-e", watched, *WRITER, root, "segments/Post/one", "300000"],
        cwd=REPOSITORY,
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    calls = collapsed(calls_of(trace, root))
    assert calls == [
        "mkdir vault",
        "fsync .",
        "mkdir vault/segments",
        "fsync vault",
        "mkdir vault/segments/Post",
        "fsync vault/segments",
        "open vault/segments/Post/TMP",
        "write vault/segments/Post/TMP",
        "fsync vault/segments/Post/TMP",
        "link vault/segments/Post/TMP vault/segments/Post/one",
        "unlink vault/segments/Post/TMP",
        "fsync vault/segments/Post",
    ]
    assert (root / "segments/Post/one").stat().st_size == 300_000


@pytest.mark.real
def test_directories_of_others_are_made_durable_too(tmp_path: Path) -> None:
    """A folder that is there already may have been made by a process that died before its fsync."""
    root, trace = tmp_path / "vault", tmp_path / "trace"
    (root / "segments/Post").mkdir(parents=True)
    subprocess.run(
        ["strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,linkat,link", *WRITER, root, "segments/Post/one", "10"],
        cwd=REPOSITORY,
        check=True,
    )
    assert calls_of(trace, root) == [
        "fsync .",
        "fsync vault",
        "fsync vault/segments",
        "fsync vault/segments/Post/TMP",
        "link vault/segments/Post/TMP vault/segments/Post/one",
        "fsync vault/segments/Post",
    ]


@pytest.mark.real
def test_an_object_that_is_there_is_durable_too(tmp_path: Path) -> None:
    """Whoever finds its own object there counts it as stored: its writer may have died between link and fsync."""
    root, trace = tmp_path / "vault", tmp_path / "trace"
    (root / "segments").mkdir(parents=True)
    (root / "segments/one").write_bytes(b"x")
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,linkat,link", *WRITER, root, "segments/one", "10"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["code"] == "object_exists"
    assert "EEXIST" in trace.read_text()
    assert calls_of(trace, root)[-1] == "fsync vault/segments"


@pytest.mark.real
def test_a_deletion_is_durable_in_this_order(tmp_path: Path) -> None:
    """An object that comes back with a power cut would be there without what named it."""
    root, trace = tmp_path / "vault", tmp_path / "trace"
    (root / "segments").mkdir(parents=True)
    (root / "segments/one").write_bytes(b"x")
    watched = "trace=fsync,unlink,unlinkat"
    subprocess.run(
        ["strace", "-f", "-y", "-o", trace, "-e", watched, *WRITER, root, "segments/one", "0", "delete"],
        cwd=REPOSITORY,
        check=True,
    )
    assert calls_of(trace, root) == ["unlink vault/segments/one", "fsync vault/segments"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("call", "met", "code", "said"),
    [
        ("link,linkat", "EPERM", "store", "no hard links"),
        ("link,linkat", "EOPNOTSUPP", "store", "no hard links"),
        ("link,linkat", "EACCES", "store_read_only", "Permission denied"),
        ("mkdir,mkdirat", "EPERM", "store_read_only", "not permitted"),
    ],
)
def test_a_file_system_without_hard_links(tmp_path: Path, call: str, met: str, code: str, said: str) -> None:
    """vfat and exFAT answer EPERM, as to somebody who may not."""
    root = tmp_path / "vault"
    root.mkdir()
    inject = ["-e", f"inject={call}:error={met}", "-P", root, "-P", root / "a", "-P", root / "a/key"]
    done = subprocess.run(
        ["strace", "-f", "-o", tmp_path / "trace", *inject, *WRITER, root, "a/key", "10"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    error = json.loads(done.stdout)
    assert_says_all(error, code)
    assert said in error["why"]
    assert [path for path in root.rglob("*") if path.is_file()] == []


@pytest.mark.real
def test_a_full_disk(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=64k none {tmp_path}"
    assert run_writer(str(tmp_path / "vault"), "a/key", "20000", before=mount) == {}
    error = run_writer(str(tmp_path / "vault"), "a/key", "200000", before=mount)
    assert_says_all(error, "store_full")
    assert "No space left" in error["why"]


@pytest.mark.real
def test_a_read_only_disk(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs none {tmp_path}; mkdir -p {tmp_path}/vault; mount -o remount,ro {tmp_path}"
    for key in ("key", "a/key"):
        error = run_writer(str(tmp_path / "vault"), key, "20", before=mount)
        assert_says_all(error, "store_read_only")
        assert "Read-only" in error["why"]


def test_a_file_size_limit_counts_as_full(tmp_path: Path) -> None:
    error = run_writer(str(tmp_path / "vault"), "a/key", "300000", "limit=100000")
    assert_says_all(error, "store_full")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_directory_of_somebody_else(open_directory: Path) -> None:
    (open_directory / "vault").mkdir(mode=0o555)
    error = run_writer(str(open_directory / "vault"), "key", "10", "as-nobody")
    assert_says_all(error, "store_read_only")
    assert "Permission denied" in error["why"]
    assert list((open_directory / "vault").iterdir()) == []


def test_a_failed_put_leaves_nothing(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put("a/key", b"1")
    with pytest.raises(ObjectExists):
        store.put("a/key", b"2")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["key"]


def test_leftovers_of_a_crash_are_harmless(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.tmp-0011223344556677").write_bytes(b"half")
    (tmp_path / ".DS_Store").write_bytes(b"?")
    store.put("a/key", b"whole")
    assert [info.key for info in store.list("")] == ["a/key"]
    assert [info.key for info in store.list("a/")] == ["a/key"]


def test_an_object_where_a_folder_has_to_be(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put("a", b"1")
    with pytest.raises(StoreError, match="Not a directory") as raised:
        store.put("a/key", b"2")
    assert raised.value.code == "store"
    assert store.get("a") == b"1"


def test_a_vault_that_went_away_is_not_made_anew(tmp_path: Path) -> None:
    """A disk that was unmounted half-way: what would be written next would be lost under the mount."""
    store = FileStore(tmp_path / "vault")
    store.put("a/key", b"1")
    shutil.rmtree(tmp_path / "vault")
    with pytest.raises(StoreError, match="No such file"):
        store.put("a/other", b"2")
    assert not (tmp_path / "vault").exists()


def test_an_error_names_the_place(open_directory: Path) -> None:
    """The place is in the text: a vault on another disk than the one that was looked at is found that way."""
    (open_directory / "vault").mkdir(mode=0o555)
    error = run_writer(str(open_directory / "vault"), "key", "10", "as-nobody")
    assert str(open_directory / "vault") in error["what"]
    assert StoreReadOnly.code == error["code"]


def test_what_is_stored_is_private_unless_the_root_says_otherwise(tmp_path: Path) -> None:
    """Objects hold documents. An owner who opens the root to a group opens with it what is put later."""

    def modes(root: Path) -> tuple[set[int], set[int]]:
        found = [(each.is_dir(), stat.S_IMODE(each.stat().st_mode)) for each in root.rglob("*")]
        return {mode for folder, mode in found if folder}, {mode for folder, mode in found if not folder}

    FileStore(tmp_path / "state/vault").put("segments/Post/one", b"1")
    assert modes(tmp_path) == ({0o700}, {0o600})
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    FileStore(shared).put("segments/Post/one", b"1")
    assert modes(shared) == ({0o2770}, {0o660})
