"""The boundary: every way a command line can end has its exit code, one clear message, and no traceback."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datactl.cli import main
from datactl.commands.invocation import Invocation
from datactl.errors import Interrupted, Locked
from datactl.render.stopping import StopNow, StopSignals
from tests.commands.conftest import DATACTL, Run, clean_environment, run_process, run_shell


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command end in this exception."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Invocation, "of", fail)


def test_an_error_says_what_why_next_and_its_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, Locked("another run holds Post", why="pid 4121 on db-2", next="wait for it"))
    ended = run("archive")
    assert (ended.status, ended.out) == (11, "")
    assert ended.err == "error: another run holds Post: pid 4121 on db-2   [locked]\nnext: wait for it\n"


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["-o", "json"], {}),
        (["-ojson"], {}),
        (["--output", "json"], {}),
        (["--output=ndjson"], {}),
        ([], {"DATACTL_OUTPUT": "json"}),
    ],
)
def test_with_json_an_error_is_one_object_on_stderr(
    arguments: list[str], env: dict[str, str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, Locked("another run holds Post", next="wait", holder="me"))
    ended = run("archive", *arguments, env=env)
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert ended.error == {
        "code": "locked",
        "what": "another run holds Post",
        "next": "wait",
        "exitCode": 11,
        "details": {"holder": "me"},
    }


def test_wrong_usage_is_json_too(run: Run) -> None:
    ended = run("fnd", "-o", "json")
    assert ended.status == 2
    assert ended.error["code"] == "usage"


def test_what_nobody_foresaw_is_one_line_and_exit_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ZeroDivisionError("division by zero"))
    ended = run("config", "show")
    assert ended.status == 1
    assert "error: unexpected ZeroDivisionError: division by zero" in ended.err
    assert "DATACTL_DEBUG=1" in ended.err
    assert "Traceback" not in ended.err


def test_the_debug_variable_shows_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, Locked("another run holds Post"))
    ended = run("archive", env={"DATACTL_DEBUG": "1"})
    assert ended.status == 11
    assert "Traceback (most recent call last)" in ended.err
    failing(monkeypatch, ZeroDivisionError())
    monkeypatch.setenv("DATACTL_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["config", "show"])


@pytest.mark.parametrize(
    ("stop", "status", "following"),
    [
        (KeyboardInterrupt(), 130, ""),
        (StopNow(signal.SIGTERM), 143, "next: datactl ops list"),
        (Interrupted("archive stopped", signal=signal.SIGTERM, next="run it again"), 143, "next: run it again"),
    ],
)
def test_a_stopped_run_says_so(
    stop: BaseException, status: int, following: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, stop)
    ended = run("config", "show")
    assert ended.status == status
    assert "[interrupted]" in ended.err
    assert following in ended.err
    assert ("again" in ended.err) == ("again" in following)  # not everything can be run again


def test_terminal_commands_in_an_error_are_shown_not_obeyed(run: Run) -> None:
    ended = run("find\x1b[2J")
    assert "\x1b" not in ended.err
    assert "find\\x1b[2J" in ended.err


def test_an_argument_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"datactl", b"find", b"Post", b"--filter", b"title=\xff"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == b"error: argument 4 is not valid UTF-8: title=\\xff   [usage]\n"


@pytest.mark.parametrize("arguments", [["--help"], ["config", "show", "-o", "table"], ["completion", "show", "fish"]])
def test_a_pipe_closed_by_its_reader_is_the_end_of_it(arguments: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "datactl", *arguments],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_under_stdout_is_an_error(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "datactl", "config", "show"],
            cwd=tmp_path,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.decode().startswith("error: No space left on device")
    assert b"Traceback" not in done.stderr


def test_stdout_closed_from_the_start_is_no_crash(tmp_path: Path) -> None:
    done = run_shell(f"{DATACTL} config show >&-", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["config", "show"], 0), (["create", "Post", "-"], 2), (["delete", "Post", "--filter", "x=1"], 10)],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_streams_closed_from_the_start_change_no_exit_code(
    closed: str, arguments: list[str], status: int, tmp_path: Path
) -> None:
    (tmp_path / "models.yaml").write_text("models: {Post: {fields: {x: {type: int}}}}\n")
    done = run_shell(f"{DATACTL} {shlex.join(arguments)} {closed}", cwd=tmp_path)
    assert done.returncode == status
    if "2>&-" not in closed:
        assert bool(done.stderr) == bool(status)
        assert b"unexpected" not in done.stderr


def test_what_is_written_to_stderr_lands_in_no_file(tmp_path: Path) -> None:
    """Without stdin and stderr their numbers would be those of the next files: the notice of a signal goes to 2."""
    program = (
        "import os, sys, datactl.cli as cli;"
        "kept = [];"
        "opened = lambda: kept.extend(open(f'{n}.txt', 'w') for n in range(3));"
        "cli._run = lambda _: (opened(), os.write(2, b'stopping'))[1] * 0;"
        "sys.exit(cli.main([]))"
    )
    done = subprocess.run(
        ["sh", "-c", shlex.join([sys.executable, "-c", program]) + " <&- >&- 2>&-"],
        cwd=tmp_path,
        env=clean_environment(),
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert [(tmp_path / f"{n}.txt").read_text() for n in range(3)] == ["", "", ""]


def test_data_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    done = run_process(
        "config",
        "show",
        "-o",
        "json",
        "--actor",
        "Zoë",
        cwd=tmp_path,
        env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert done.returncode == 0
    assert "Zoë".encode() in done.stdout


def test_the_first_signal_asks_and_the_second_stops(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        assert signals.received is None
        signal.raise_signal(signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        with pytest.raises(StopNow) as stopped:
            signal.raise_signal(signal.SIGINT)
        assert stopped.value.signal_number == signal.SIGINT
    assert "once more stops now" in capfd.readouterr().err
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("arguments", [["stats", "-q"], ["-q", "stats"]])
def test_shared_options_stand_before_or_after_the_word(arguments: list[str], run: Run) -> None:
    assert run("-o", "yaml", "config", "show").out.startswith("- name: uri")
    assert run("config", "-o", "yaml", "show").out.startswith("- name: uri")
    assert run("config", "show", "-o", "yaml").out.startswith("- name: uri")
    assert run("--output", "yaml", "config", "show", "-o", "json").out.startswith("[")  # the later one wins
    assert run(*arguments).status == 10
