"""Progress on stderr: bars on a terminal, nothing anywhere else."""

from __future__ import annotations

import io
import signal
import sys

import pytest

from datactl.render.progress import ProgressWatcher
from datactl.steps import Watcher


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(watch: Watcher) -> None:
    for done in (0, 500, 1204):
        watch.progress("mark", done, 1204)
    for number in range(3):
        with watch.around("verify", number, 3, "segments"):
            pass
    with watch.around("ledger.close"):
        pass


def drawn(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *, quiet: bool = False, **env: str) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm-256color", "COLUMNS": "100"} | env).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", stream)
    with ProgressWatcher(quiet=quiet) as watch:
        work(watch)
    return stream.getvalue()


def test_a_bar_shows_name_count_and_total(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = drawn(monkeypatch, Terminal(), NO_COLOR="1")
    assert "marking" in shown
    assert "1,204/1,204" in shown
    assert "3/3" in shown
    assert "ledger" not in shown


@pytest.mark.parametrize(
    ("stream", "quiet", "env"),
    [
        (io.StringIO(), False, {}),
        (io.StringIO(), False, {"FORCE_COLOR": "1"}),
        (Terminal(), True, {}),
        (Terminal(), False, {"TERM": "dumb"}),
    ],
)
def test_nothing_is_drawn_off_a_terminal(
    stream: io.StringIO, quiet: bool, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drawn(monkeypatch, stream, quiet=quiet, **env) == ""


def test_a_signal_asks_the_work_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with ProgressWatcher() as watch:
        assert not watch.stopping()
        signal.raise_signal(signal.SIGINT)
        assert watch.stopping()
