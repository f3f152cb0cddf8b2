"""The local engine: started once, found by all, behind a password, and gone when nobody uses it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pymongo import MongoClient

from datactl.errors import AuthenticationFailed, EngineError, NotPermitted
from datactl.mongo import mapping_errors, open_mongo
from datactl.mongo.engine import LocalEngine
from datactl.mongo.engine_kinds import KINDS
from datactl.mongo.watchdog import client_connections, names, start_mark, still_runs, write_record
from datactl.records import Repository
from datactl.schema import Registry, define_model
from tests.mongo.waiting import until


@pytest.fixture
def engine(tmp_path: Path, engine_kind: str) -> Iterator[LocalEngine]:
    engine = LocalEngine(tmp_path / ".datactl", kind=f"secantusd-{engine_kind}")
    yield engine
    engine.stop()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pid_of(engine: LocalEngine) -> int:
    pid = engine.status().pid
    assert pid is not None
    return pid


def test_its_life(engine: LocalEngine, engine_kind: str) -> None:
    assert engine.status().state == "never started"
    assert engine.stop() is False
    uri = engine.ensure()
    with open_mongo(uri, "here", local=True) as mongo:
        mongo.require_transactions()
        mongo.collection("posts").insert_one({"_id": 1})
    status = engine.status()
    assert (status.state, status.kind, status.version) == ("running", f"secantusd-{engine_kind}", "8.2.11")
    assert f":{status.port}/" in uri
    assert LocalEngine(engine.state_dir).ensure() == uri
    assert pid_of(engine) == status.pid

    assert engine.stop() is True
    assert status.pid is not None
    assert start_mark(status.pid) is None
    assert engine.status().state == "stopped"
    assert engine.stop() is False
    with open_mongo(engine.ensure(), "here", local=True) as mongo:
        assert mongo.collection("posts").find_one() == {"_id": 1}


def test_only_its_owner_gets_in(engine: LocalEngine) -> None:
    uri = engine.ensure()
    assert mode(engine.state_dir) == 0o700
    for private in ("engine.secret", "engine.json", "engine.key", "engine.log"):
        assert mode(engine.state_dir / private) == 0o600, private
    password = json.loads((engine.state_dir / "engine.secret").read_text())["password"]
    assert len(password) >= 32
    anonymous = uri.replace(f"datactl:{password}@", "").replace("authSource=admin&", "")
    with open_mongo(anonymous, "here") as mongo, pytest.raises(NotPermitted), mapping_errors("reading"):
        mongo.collection("posts").find_one()
    with pytest.raises(AuthenticationFailed) as caught:
        open_mongo(uri.replace(password, "guessed-password"), "here")
    assert "guessed-password" not in str(caught.value.as_dict())
    processes = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(engine.state_dir) in processes
    assert password not in processes


def test_it_survives_the_process_that_started_it_and_the_race_to_start_it(engine: LocalEngine) -> None:
    program = (
        "import sys; from pathlib import Path; from datactl.mongo.engine import LocalEngine;"
        "e = LocalEngine(Path(sys.argv[1]), kind=sys.argv[2]); print(e.ensure(), e.status().pid)"
    )
    kind = engine._kind
    assert kind is not None
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(engine.state_dir), kind], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    told = {racer.communicate()[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    assert told == {f"{engine.ensure()} {pid_of(engine)}\n"}


def test_after_a_crash_it_is_started_again_with_what_was_acknowledged(engine: LocalEngine) -> None:
    with open_mongo(engine.ensure(), "here", local=True) as mongo:
        mongo.collection("posts").insert_one({"_id": 1})
        pid = pid_of(engine)
        os.kill(pid, signal.SIGKILL)
        until(lambda: start_mark(pid) is None)
    assert engine.status().state == "crashed"
    with open_mongo(engine.ensure(), "here", local=True) as mongo:
        assert mongo.collection("posts").find_one() == {"_id": 1}
    assert pid_of(engine) != pid


def test_a_process_that_took_over_its_number_is_neither_believed_nor_ended(engine: LocalEngine) -> None:
    uri = engine.ensure()
    engine.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        record = {"kind": "x", "port": 1, "pid": stranger.pid, "mark": "an earlier process", "at": 0}
        (engine.state_dir / "engine.json").write_text(json.dumps(record))
        assert engine.status().state == "crashed"
        assert engine.stop() is False
        assert stranger.poll() is None
        assert engine.ensure() == uri
        assert pid_of(engine) != stranger.pid
        stranger.communicate(b"\n")


def test_a_taken_port_is_left_for_another(engine: LocalEngine) -> None:
    engine.ensure()
    engine.stop()
    port = engine.status().port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with open_mongo(engine.ensure(), "here", local=True) as mongo:
            mongo.ping()
        assert engine.status().port != port


def test_it_stops_when_nobody_uses_it_and_not_while_a_client_is_connected(tmp_path: Path, engine_kind: str) -> None:
    engine = LocalEngine(tmp_path / ".datactl", kind=f"secantusd-{engine_kind}", idle_minutes=0.4 / 60)
    try:
        client: MongoClient[dict[str, object]] = MongoClient(engine.ensure())
        with client:
            client.admin.command("ping")
            pid = pid_of(engine)
            port = engine.status().port
            assert port is not None
            assert (client_connections(port) or 0) >= 1
            begun = time.monotonic()
            until(lambda: time.monotonic() - begun > 1.5)
            assert pid_of(engine) == pid
        until(lambda: engine.status().state == "stopped")
        assert start_mark(pid) is None
        assert "idle" in engine.log.read_text()
    finally:
        engine.stop()


@pytest.mark.parametrize("made_anew", [False, True])
def test_an_engine_whose_project_is_removed_ends(engine: LocalEngine, made_anew: bool) -> None:
    engine.ensure()
    pid = pid_of(engine)
    shutil.rmtree(engine.state_dir)
    if made_anew:
        engine.ensure()
        assert pid_of(engine) != pid
    until(lambda: start_mark(pid) is None)
    assert engine.status().state == ("running" if made_anew else "never started")


@pytest.mark.parametrize("user_made", [False, True])
def test_a_set_up_that_is_killed_leaves_nothing_running_and_the_next_one_works(
    engine: LocalEngine, user_made: bool
) -> None:
    program = (
        "import os, sys; from pathlib import Path; import datactl.mongo.engine as engine;"
        f"real = engine._create_user if {user_made} else (lambda *_: None);"
        "engine._create_user = lambda *given: (real(*given), os.kill(os.getpid(), 9));"
        "engine.LocalEngine(Path(sys.argv[1]), kind=sys.argv[2]).ensure()"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(engine.state_dir), str(engine._kind)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert engine.status().state == "never started"
    with open_mongo(engine.ensure(), "here", local=True) as mongo:
        mongo.ping()
    processes = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert sum(f"--storage-path {engine.data}" in line for line in processes.splitlines()) == 1


def test_without_any_server_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datactl.mongo.engine.KINDS", ())
    with pytest.raises(EngineError) as caught:
        LocalEngine(tmp_path / ".datactl").ensure()
    assert "[embedded]" in str(caught.value.next)


def test_a_server_that_does_not_start_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "secantusd-py"
    broken.write_text("#!/bin/sh\necho 'no such flag' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr("datactl.mongo.engine.KINDS", (replace(KINDS[-1], find=lambda: broken),))
    with pytest.raises(EngineError) as caught:
        LocalEngine(tmp_path / ".datactl").ensure()
    assert "ended" in caught.value.what
    assert "no such flag" in str(caught.value.why)
    assert "engine.log" in str(caught.value.next)


def test_marks_tell_processes_apart() -> None:
    mark = start_mark(os.getpid())
    assert mark is not None
    assert still_runs(os.getpid(), mark)
    assert not still_runs(os.getpid(), mark + "0")
    assert start_mark(2**22 + 1) is None


@pytest.mark.parametrize("left", ["", "{", "[]", '{"pid": "x"}', "\x00" * 40], ids=repr)
def test_a_record_that_tells_nothing_is_none_where_no_engine_runs(left: str, engine: LocalEngine) -> None:
    engine.ensure()
    engine.stop()
    (engine.state_dir / "engine.json").write_text(left)
    assert engine.status().state == "stopped"
    assert engine.stop() is False
    (engine.state_dir / "engine.json").write_text(left)
    with open_mongo(engine.ensure(), "here", local=True) as mongo:
        mongo.ping()
    assert engine.status().state == "running"


def test_an_engine_whose_record_is_lost_is_told_of_and_ends_by_itself(tmp_path: Path, engine_kind: str) -> None:
    engine = LocalEngine(tmp_path / ".datactl", kind=f"secantusd-{engine_kind}", idle_minutes=4 / 60)
    try:
        engine.ensure()
        pid = pid_of(engine)
        (engine.state_dir / "engine.json").write_text("")
        with pytest.raises(EngineError) as caught:
            engine.ensure()
        assert "engine.json cannot be read" in caught.value.what
        assert "in a few seconds" in str(caught.value.next)
        until(lambda: start_mark(pid) is None)
        with open_mongo(engine.ensure(), "here", local=True) as mongo:
            mongo.ping()
        assert pid_of(engine) != pid
    finally:
        engine.stop()


def test_the_record_is_on_disk_before_it_is_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("fsync"), real_fsync(number))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append("replace"), real_replace(self, to))[1])
    record = tmp_path / "engine.json"
    write_record({"record": str(record), "kind": "x", "port": 1}, os.getpid())
    assert done == ["fsync", "replace"]
    assert names(record, os.getpid())
    assert not names(record, 1)
    assert mode(record) == 0o600
    record.write_text("")
    assert not names(record, os.getpid())


@pytest.mark.real
@pytest.mark.parametrize("kind", ["secantusd-rs", "secantusd-py"])
def test_a_document_of_the_largest_size_fits_with_its_event(kind: str, tmp_path: Path) -> None:
    """Created, and changed whole: the event of that holds it before and after."""
    model = define_model("Note", {"body": {"type": "string"}}, enable_event_sourcing=True)
    engine = LocalEngine(tmp_path / ".datactl", kind=kind)
    size = 16 * 1024 * 1024 - 1024
    try:
        with open_mongo(engine.ensure(), "here", local=True) as mongo:
            notes = Repository(model, mongo, Registry([model]))
            made = notes.create({"body": "x" * size})
            assert notes.update_by_id(made["_id"], {"body": "y" * size})["body"][0] == "y"
            assert mongo.collection("outboxes").count_documents({}) >= 2
    finally:
        engine.stop()
