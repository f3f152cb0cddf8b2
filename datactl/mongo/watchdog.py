"""The local engine's parent: starts it away from any terminal, and stops it when nobody has used it for a while.

Run as a file, with the standard library only, so that it costs next to nothing while it waits. Its one argument is
a JSON object: `command`, `cwd`, `kind`, `port`, `record` (null: a set-up start, ended by the end of stdin), `lock`,
`used`, `idle_s`, `check_s`. Protocol with `engine.LocalEngine`: the record is written once the engine's process
exists; the lock is held around an idle stop; a changed modification time of `used` counts as use.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

GRACE_S = 15.0
_POLL_S = 0.05
_ESTABLISHED = "01"


_PROC = Path("/proc")
_STATE, _START_TIME = 0, 19  # fields 3 and 22 of proc(5) stat, counted from behind the command's closing bracket


def start_mark(pid: int) -> str | None:
    """What tells a process from a later one of the same number: its start time. None when it does not run."""
    if not _PROC.joinpath("self").exists():
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return shown.stdout.strip() or None
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[_STATE] in ("Z", "X") else fields[_START_TIME]


def still_runs(pid: int, mark: str) -> bool:
    """Whether the process that had this start mark still runs: a number may have gone to another meanwhile."""
    return start_mark(pid) == mark


def client_connections(port: int, table: Path = Path("/proc/net/tcp")) -> int | None:
    """Connections that clients hold to a local port; None where the system does not tell (not Linux)."""
    try:
        lines = table.read_text().splitlines()[1:]
    except FileNotFoundError:
        return None
    rows = (line.split() for line in lines)
    return sum(1 for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == _ESTABLISHED)


def log(line: str) -> None:
    """Our stdout is the engine's log."""
    sys.stdout.write(f"watchdog: {line}\n")
    sys.stdout.flush()


def listens(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(engine: subprocess.Popen[bytes]) -> None:
    """Ask the engine to stop, and make it after the grace time: what it acknowledged is on disk either way."""
    engine.terminate()
    try:
        engine.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        engine.kill()
        engine.wait()


def start(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SECANTUS")}
    return subprocess.Popen(order["command"], cwd=order["cwd"], env=clean, stdin=subprocess.DEVNULL)


def write_record(order: dict[str, Any], pid: int) -> None:
    facts = {"kind": order["kind"], "port": order["port"], "pid": pid, "mark": start_mark(pid), "at": time.time()}
    write_private(Path(order["record"]), json.dumps(facts))


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step, readable by its owner only, and on disk when this returns."""
    fresh = path.with_name(path.name + ".new")
    with open(fresh, "w", opener=private) as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def private(path: str, flags: int) -> int:
    """An opener of files for their owner only."""
    return os.open(path, flags, 0o600)


def read_record(path: Path) -> dict[str, Any] | None:
    """The record; None where it is missing or, cut off or empty after a power failure, does not name a process."""
    try:
        record = json.loads(path.read_text())
        pid, mark, at = record["pid"], record["mark"], record["at"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    sound = isinstance(pid, int) and isinstance(mark, str) and isinstance(at, int | float)
    return dict(record) if sound else None


def names(record: Path, pid: int) -> bool:
    """Whether the record is there and tells of this process, not of an engine in a directory made anew."""
    found = read_record(record)
    return found is not None and found["pid"] == pid


def supervise(order: dict[str, Any], engine: subprocess.Popen[bytes]) -> None:
    """Wait until the engine ends, by itself, by a signal to this process, or because it was idle."""
    record, used = Path(order["record"]), Path(order["used"])
    last_use, last_mark = time.monotonic(), _mark(used)
    while True:
        try:
            code = engine.wait(order["check_s"])
        except subprocess.TimeoutExpired:
            pass
        else:
            log(f"the engine ended with {code}")
            return
        if not names(record, engine.pid):  # the project's directory was removed: nobody can find this engine any more
            end(engine)
            return
        mark = _mark(used)
        if mark != last_mark or client_connections(order["port"]) != 0:
            last_use, last_mark = time.monotonic(), mark
        elif time.monotonic() - last_use > order["idle_s"] and _stopped_idle(order, engine, mark):
            return


def _stopped_idle(order: dict[str, Any], engine: subprocess.Popen[bytes], mark: int) -> bool:
    with Path(order["lock"]).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _mark(Path(order["used"])) != mark or client_connections(order["port"]) != 0:
            return False  # somebody asked for it just now
        log(f"idle for {order['idle_s']:g} s, stopping")
        end(engine)
        Path(order["record"]).unlink(missing_ok=True)
        return True


def _mark(used: Path) -> int:
    try:
        return used.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def set_up(order: dict[str, Any]) -> None:
    """The engine while the caller keeps our stdin open: it ends with the caller, however the caller ends."""
    engine = start(order)
    while engine.poll() is None:
        ready, _, _ = select.select([sys.stdin], [], [], _POLL_S)
        if ready:
            end(engine)


def stand_by(order: dict[str, Any]) -> None:
    """The engine detached from the caller, who goes on when its record is written."""
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os._exit(0 if os.read(told, 1) else 1)
    os.umask(0o077)
    engine = start(order)
    signal.signal(signal.SIGTERM, lambda *_: engine.terminate())
    write_record(order, engine.pid)
    os.write(tell, b".")
    os.close(tell)
    os.close(told)
    supervise(order, engine)


def main() -> None:
    order = json.loads(sys.argv[1])
    if order["record"] is None:
        set_up(order)
    else:
        stand_by(order)


if __name__ == "__main__":
    main()
