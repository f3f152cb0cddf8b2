"""Engines for tests: a server of the test's own on a free loopback port, that may be killed and restarted."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from pymongo import MongoClient

PARTS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datactl" / "parts"


def engine_binary(kind: str) -> Path:
    """The server of `kind`: `py` or `rs`. A missing one is an error, never a reason to leave a test out."""
    name = f"secantusd-{kind}"
    beside = Path(sys.executable).parent / name
    cached = sorted(PARTS.glob(f"{name}-*/bin/{name}"))
    for candidate in (beside, *reversed(cached)):
        if candidate.exists():
            return candidate
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(
            f"{name} is not installed: run `make install`, and tools/install-{name} for the fast one"
        )
    return Path(found)


class TestEngine:
    """One server process over a directory. `kill()` is SIGKILL; `restart()` opens the same data on the same port."""

    __test__ = False

    def __init__(self, directory: Path, kind: str, *flags: str) -> None:
        self.kind = kind
        self.directory = directory
        self.port = _free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/?directConnection=true&w=majority"
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self.start()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the engine is not running")
        return self._process.pid

    @property
    def log(self) -> Path:
        return self.directory / "engine.log"

    def start(self) -> None:
        """Start, and return once it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(engine_binary(self.kind)), "--host", "127.0.0.1", "--port", str(self.port)),
                    *("--storage-path", str(self.directory / "data"), "--sync-on-commit", "--log-level", "WARNING"),
                    *self._flags,
                ],
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        try:
            with MongoClient(self.uri, serverSelectionTimeoutMS=30_000) as client:
                client.admin.command("ping")
        except BaseException:
            self.stop()
            raise

    def kill(self) -> None:
        """SIGKILL, as a power cut would; returns when the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self, *flags: str) -> None:
        """The same data on the same port, from now on with these flags as well."""
        self.kill()
        self._flags += flags
        self.start()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
