"""The local engine: a project's own MongoDB-speaking server, started when it is needed and found again by all.

In the state directory (0700): `engine.lock` serialises start and stop, `engine.secret` (0600) has the kind, the port
and the password, `engine.json` says which process runs, `engine.used` is touched by each use, `engine.log` is the
server's, `engine/` its data. The kind is chosen once, with the data: another would not see it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from datactl.errors import EngineError
from datactl.mongo.engine_kinds import KINDS, EngineKind, kind_named
from datactl.mongo.watchdog import listens, private, read_record, still_runs, write_private

START_LIMIT_S = 120.0
STOP_LIMIT_S = 15.0
IDLE_MINUTES = 30.0
_CHECK_S = 5.0
_POLL_S = 0.02
_USER = "datactl"
_LOG_LIMIT = 8 * 1024 * 1024
_WATCHDOG = Path(__file__).with_name("watchdog.py")

State: TypeAlias = Literal["running", "stopped", "crashed", "never started"]


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What is known of a project's engine; `pid`, `started` and `version` only of one that runs."""

    state: State
    kind: str | None
    port: int | None
    pid: int | None
    started: datetime | None
    version: str | None
    data: Path
    log: Path


@dataclass(frozen=True, slots=True)
class _Secret:
    kind: str
    port: int
    password: str

    @property
    def uri(self) -> str:
        return (
            f"mongodb://{_USER}:{self.password}@127.0.0.1:{self.port}/"
            "?authSource=admin&directConnection=true&w=majority"
        )


class LocalEngine:
    """The engine of one state directory. Any process may ask for it; only one starts it."""

    def __init__(self, state_dir: Path, *, kind: str | None = None, idle_minutes: float = IDLE_MINUTES) -> None:
        """`kind` chooses the server for a project that has none yet; None takes the first that is installed."""
        self.state_dir = state_dir
        self.data = state_dir / "engine"
        self.log = state_dir / "engine.log"
        self._kind = kind
        self._idle_s = idle_minutes * 60
        self._lock = state_dir / "engine.lock"
        self._record = state_dir / "engine.json"
        self._used = state_dir / "engine.used"
        self._secret_file = state_dir / "engine.secret"

    def ensure(self) -> str:
        """The URI, with credentials, of the running engine; starts it where it does not run. EngineError."""
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.state_dir.chmod(0o700)
        with self._locked() as lock:
            self._used.touch()
            secret = self._secret()
            if secret is None:
                secret = self._provision(lock)
            elif self._running() is not None:
                return secret.uri
            return self._start(secret).uri

    def status(self) -> EngineStatus:
        """What runs now. Changes nothing and takes no lock."""
        secret, record, running = self._secret(), self._read_record(), self._running()
        state: State = "stopped"
        if running is not None:
            state = "running"
        elif record is not None:
            state = "crashed"
        elif secret is None:
            state = "never started"
        return EngineStatus(
            state,
            secret.kind if secret else None,
            secret.port if secret else None,
            running["pid"] if running else None,
            datetime.fromtimestamp(running["at"], UTC) if running else None,
            running.get("version") if running else None,
            self.data,
            self.log,
        )

    def stop(self) -> bool:
        """Stop it in good order; False when it did not run. Raises EngineError when it does not end."""
        if not self.state_dir.is_dir():
            return False
        with self._locked():
            running = self._running()
            if running is not None:
                self._end(running)
            self._record.unlink(missing_ok=True)
            return running is not None

    # -- the record of what runs --

    def _read_record(self) -> dict[str, Any] | None:
        """What engine.json says; None without one. One that tells nothing is none, if no engine can be behind it."""
        record = read_record(self._record)
        if record is None and self._record.exists():
            secret = self._secret()
            if secret is not None and listens(secret.port):
                raise EngineError(
                    f"{self._record} cannot be read, and something listens on port {secret.port}",
                    why="it may be this project's engine, which ends by itself when its record is lost",
                    next="run this again in a few seconds; if that does not help, end what listens there",
                )
        return record

    def _running(self) -> dict[str, Any] | None:
        record = self._read_record()
        if record is None or not still_runs(record["pid"], record["mark"]):
            return None
        return record

    def _secret(self) -> _Secret | None:
        try:
            return _Secret(**json.loads(self._secret_file.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise EngineError(
                f"{self._secret_file} cannot be read",
                why=str(error),
                next="restore it from a copy: the engine's data needs its password",
            ) from error

    def _write_secret(self, secret: _Secret) -> None:
        write_private(self._secret_file, json.dumps(asdict(secret)))

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        give_up = time.monotonic() + START_LIMIT_S
        with self._lock.open("ab") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > give_up:
                        raise EngineError(
                            "another process has been starting or stopping the local engine for too long",
                            why=f"{self._lock} is locked",
                            next=f"look at {self.log}, end that process, and run this again",
                        ) from None
                time.sleep(_POLL_S)
            yield lock

    # -- starting --

    def _provision(self, lock: IO[bytes]) -> _Secret:
        """Make the data directory and the user whose password is in the secret file; leaves nothing running."""
        kind, binary = self._choose()
        self.data.mkdir(exist_ok=True, mode=0o700)
        self.state_dir.joinpath("secantusd.toml").touch(mode=0o600)
        write_private(self.state_dir / "engine.key", secrets.token_hex(48))
        secret = _Secret(kind.name, _free_port(), secrets.token_urlsafe(24))
        # The set-up server ends with this process, and holds the lock for as long as it lives.
        order = self._order(kind, binary, secret.port, auth=False)
        with self._log() as log:
            watchdog = subprocess.Popen(
                _watchdog_command(order),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(lock.fileno(),),
                start_new_session=True,  # a Ctrl-C at our terminal is not meant for it
            )
        try:
            self._wait_for_port(secret.port, lambda: watchdog.poll() is None)
            _create_user(secret, kind)
        except PyMongoError as error:
            raise self._failed("its user could not be made", str(error)) from error
        finally:
            watchdog.communicate()
        self._write_secret(secret)
        return secret

    def _start(self, secret: _Secret) -> _Secret:
        kind, binary = self._choose(secret.kind)
        if not _is_free(secret.port):
            if kind.initiates:
                raise EngineError(
                    f"port {secret.port} of the local engine is taken by another program",
                    why="a replica set keeps the port it was made with",
                    next="end that program and run this again",
                )
            secret = _Secret(secret.kind, _free_port(), secret.password)
            self._write_secret(secret)
        order = self._order(kind, binary, secret.port, auth=True)
        self._record.unlink(missing_ok=True)
        with self._log() as log:
            begun = subprocess.run(
                _watchdog_command(order),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=False,
            )
        record = self._read_record()
        if begun.returncode != 0 or record is None:
            raise self._failed("its process could not be started", None)
        self._wait_for_port(secret.port, lambda: still_runs(record["pid"], record["mark"]))
        try:
            with MongoClient[dict[str, Any]](secret.uri, serverSelectionTimeoutMS=int(START_LIMIT_S * 1000)) as client:
                version = client.admin.command("buildInfo")["version"]
        except PyMongoError as error:
            raise self._failed("it does not answer", str(error)) from error
        write_private(self._record, json.dumps({**record, "version": version}))
        return secret

    def _choose(self, name: str | None = None) -> tuple[EngineKind, Path]:
        wanted = name or self._kind
        for kind in KINDS if wanted is None else (kind_named(wanted),):
            binary = kind.find()
            if binary is not None:
                return kind, binary
        if name is not None:
            raise EngineError(
                f"the local engine's server {name} is not installed any more",
                why=f"the data in {self.data} was made with it",
                next=f"install {name} again",
            )
        raise EngineError(
            "no server for a local engine is installed",
            why="looked for mongod and secantusd-rs on PATH, and for secantusd-py beside Python",
            next="in the checkout of datactl: pip install '.[embedded]'; or set DATACTL_URI to a MongoDB server",
        )

    def _order(self, kind: EngineKind, binary: Path, port: int, *, auth: bool) -> dict[str, Any]:
        places = {
            "port": port,
            "data": self.data.resolve(),
            "key": (self.state_dir / "engine.key").resolve(),
            "config": (self.state_dir / "secantusd.toml").resolve(),
        }
        flags = kind.flags + (kind.auth if auth else ())
        return {
            "command": [str(binary), *(flag.format(**places) for flag in flags)],
            "cwd": str(self.state_dir.resolve()),
            "kind": kind.name,
            "port": port,
            "record": str(self._record.resolve()) if auth else None,
            "lock": str(self._lock.resolve()),
            "used": str(self._used.resolve()),
            "idle_s": self._idle_s,
            "check_s": min(_CHECK_S, self._idle_s / 4),
        }

    @contextmanager
    def _log(self) -> Iterator[IO[bytes]]:
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with open(self.log, "ab", opener=private) as log:
            yield log

    def _wait_for_port(self, port: int, alive: Callable[[], bool]) -> None:
        give_up = time.monotonic() + START_LIMIT_S
        while True:
            if listens(port):
                return
            if not alive():
                raise self._failed("its process ended", None)
            if time.monotonic() > give_up:
                raise self._failed(f"it does not listen after {START_LIMIT_S:g} s", None)
            time.sleep(_POLL_S)

    def _failed(self, what: str, why: str | None) -> EngineError:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return EngineError(
            f"the local engine did not start: {what}",
            why=why or (lines[-1] if lines else None),
            next=f"look at {self.log}",
        )

    # -- stopping --

    def _end(self, running: dict[str, Any]) -> None:
        pid, mark = running["pid"], running["mark"]
        for number, patience in ((signal.SIGTERM, STOP_LIMIT_S), (signal.SIGKILL, STOP_LIMIT_S)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            give_up = time.monotonic() + patience
            while time.monotonic() < give_up:
                if not still_runs(pid, mark):
                    return
                time.sleep(_POLL_S)
        raise EngineError(f"the local engine (pid {pid}) does not end", next=f"look at {self.log}")


def _create_user(secret: _Secret, kind: EngineKind) -> None:
    uri = f"mongodb://127.0.0.1:{secret.port}/?directConnection=true"
    with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=int(START_LIMIT_S * 1000)) as client:
        if kind.initiates:
            _initiate(client, secret.port)
        rights = [{"role": "root", "db": "admin"}]
        # A set-up that was cut off may have left a user; whoever else slipped in while it was open must go.
        for user in client.admin.command("usersInfo", 1)["users"]:
            client.admin.command("dropUser", user["user"])
        client.admin.command("createUser", _USER, pwd=secret.password, roles=rights)


def _initiate(client: MongoClient[dict[str, Any]], port: int) -> None:
    """A replica set of this one node, and the wait until it takes writes."""
    members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
    try:
        client.admin.command("replSetInitiate", {"_id": "datactl", "members": members})
    except OperationFailure as error:
        if error.code != 23:  # AlreadyInitialized: a set-up that was cut off
            raise
    give_up = time.monotonic() + START_LIMIT_S
    while not client.admin.command("hello").get("isWritablePrimary"):
        if time.monotonic() > give_up:
            raise EngineError("the local engine did not start: its replica set elects no primary")
        time.sleep(_POLL_S)


def _watchdog_command(order: dict[str, Any]) -> Sequence[str]:
    return (sys.executable, "-I", str(_WATCHDOG), json.dumps(order))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
