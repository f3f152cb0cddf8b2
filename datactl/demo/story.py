"""The story: the commands a user would type, run one after another in a project of their own, with what they print."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from datactl.demo.places import Places, write_places
from datactl.errors import Conflict, DatactlError
from datactl.settings import variables

Say = Callable[[str], None]

RESTORED = 100
MARKER = ".datactl-demo"  # only a directory with this file in it is cleared for a new run
ANDORRA_LA_VELLA = "3041563"
_SETTINGS = "settings:\n  engine: local        # this project's own database, kept in .datactl/\n\n"


def tell(directory: Path, *, everything: bool, say: Say) -> None:
    """Make the project in `directory` from a clean state and run the story there.

    Raises Conflict where the directory holds something else, DatactlError when a command does not end as it should.
    """
    started = time.monotonic()
    _clear(directory)
    places = _make_project(directory, everything=everything)
    say(
        f"A project in {directory}/: models.yaml; data/ has {places.countries:,} countries, {places.cities:,} cities.\n"
    )
    stage = _Stage(directory, say)
    _load_and_change(stage)
    lost = _mark_and_archive(stage, places)
    _bring_back(stage, lost)
    _undo_a_slip(stage)
    _take_care(stage)
    say(_ending(directory, time.monotonic() - started))


def _load_and_change(stage: _Stage) -> None:
    stage.say("Indexes first, then the documents: each with an event that says who made it.")
    stage.run("datactl index")
    stage.run("datactl create Country data/countries.ndjson")
    stage.run("datactl create City data/cities.ndjson")
    stage.say("Look, and change one.")
    stage.run("datactl find City --filter 'country=AD' --sort=-population --limit 5")
    stage.run(
        f"""datactl update City {ANDORRA_LA_VELLA} '{{"population": 20500}}' --actor maria --reason 'census of 2026'"""
    )


def _mark_and_archive(stage: _Stage, places: Places) -> list[str]:
    floor = places.smallest_tenth_below
    stage.say("The smallest tenth goes: marked first, with who and why. Queries no longer see them.")
    stage.run(
        f"datactl delete City --filter 'population<{floor}' --actor maria --reason 'below the survey floor' --yes"
    )
    marked = stage.read(f"datactl find City --deleted --limit {RESTORED} --sort=-population -o json --quiet")
    (stage.directory / "data/wanted-back.txt").write_text("".join(f"{city['_id']}\n" for city in marked))
    stage.run("datactl stats")
    stage.say("Then they leave MongoDB for the vault. 90 days is the default age; 0 takes them now.")
    stage.run("datactl archive City 0")
    stage.run("datactl archive list")
    return [str(city["_id"]) for city in marked]


def _bring_back(stage: _Stage, lost: Sequence[str]) -> None:
    stage.say("One is missed: where is it? And a hundred more are wanted back.")
    stage.run(f"datactl archive find City {lost[0]}")
    stage.run(f"datactl restore City {lost[0]} --actor maria --reason 'still on the map'")
    stage.run("tail -n +2 data/wanted-back.txt | xargs datactl restore City --reason 'still on the map'")
    stage.run(f"datactl get City {lost[0]}")
    stage.say("The vault is checked down to each document, and the figures again.")
    stage.run("datactl archive verify --deep")
    stage.run("datactl stats")


def _undo_a_slip(stage: _Stage) -> None:
    stage.say("A slip: the towns of a whole country are deleted. What an operation did, undo takes back.")
    stage.run("datactl delete City --filter 'country=IS' --actor joe --reason 'wrong window' --yes")
    (slip,) = stage.read("datactl ops list City --limit 1 -o json --quiet")
    stage.run(f"datactl undo {slip['op']} --dry-run")
    stage.run(f"datactl undo {slip['op']} --actor maria --reason 'not these' --yes")


def _take_care(stage: _Stage) -> None:
    stage.say("Is every document what the models say, every reference there, the vault whole? Are the indexes theirs?")
    stage.run("datactl validate")
    stage.run("datactl index plan")
    stage.say("And a copy to keep elsewhere, which mongorestore reads as well.")
    stage.run("datactl export City backup --format bson")


def _ending(directory: Path, seconds: float) -> str:
    return f"""\
Told in {seconds:.0f} s. The project stays in {directory}/, its engine runs on until it is idle. Go on there:

  cd {shlex.quote(str(directory))}{_path_line()}
  datactl find City --search paris
  datactl find City --filter 'country=FR,population>=200000' --sort=-population --explain
  datactl stats City -o json
  datactl find City --deleted
  datactl archive plan City 0
  datactl engine stop

Your own MongoDB: write a models.yaml (datactl init), set DATACTL_URI, and the same commands work there."""


def _path_line() -> str:
    """How the shell finds `datactl`, where it does not yet."""
    if shutil.which("datactl"):
        return ""
    return f"\n  export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"


class _Stage:
    """Where the commands run: in the project's directory, as subprocesses that print what they always print."""

    def __init__(self, directory: Path, say: Say) -> None:
        self.directory = directory
        self.say = say

    def run(self, line: str) -> None:
        """Show the line, run it with its output going where ours goes. DatactlError unless it exits 0."""
        self.say(f"$ {line}")
        status = subprocess.run(
            ["sh", "-c", _runnable(line)], cwd=self.directory, env=_own_environment(self.directory), check=False
        ).returncode
        self.say("")
        if status:
            raise DatactlError(f"the story stopped: exit {status}", why=line, next=f"look into {self.directory}")

    def read(self, line: str) -> list[dict[str, object]]:
        """Run the line quietly and take the JSON it prints."""
        done = subprocess.run(
            ["sh", "-c", _runnable(line)],
            cwd=self.directory,
            env=_own_environment(self.directory),
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise DatactlError(f"the story stopped: exit {done.returncode}", why=line)
        rows: list[dict[str, object]] = json.loads(done.stdout)
        return rows


def _runnable(line: str) -> str:
    """The line with `datactl` as this very installation."""
    return line.replace("datactl ", f"{shlex.quote(sys.executable)} -m datactl ", 1)


def _own_environment(directory: Path) -> dict[str, str]:
    """The project's own engine and vault, whatever the environment or the user's file say.

    The story deletes and archives by filter: it must never reach a database that somebody's shell happens to name.
    """
    kept = {name: value for name, value in os.environ.items() if name not in variables()}
    nowhere = str((directory / "no-user-file").resolve())
    return {**kept, "DATACTL_OUTPUT": "table", "DATACTL_ENGINE": "local", "XDG_CONFIG_HOME": nowhere}


def _make_project(directory: Path, *, everything: bool) -> Places:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARKER).write_text("made by `datactl demo`, which clears this directory when it runs again\n")
    models = files("datactl.demo").joinpath("models.yaml").read_text(encoding="utf-8")
    (directory / "models.yaml").write_text(_SETTINGS + models[models.index("# Countries") :], encoding="utf-8")
    return write_places(directory / "data", everything=everything)


def _clear(directory: Path) -> None:
    """Start clean, but only where an earlier demonstration was: nothing of anybody else's is removed."""
    if not directory.exists() or not any(directory.iterdir()):
        return
    if not (directory / MARKER).exists():
        raise Conflict(
            f"{directory} holds something else",
            why="the demonstration clears its directory and makes it anew",
            next="datactl demo --dir OTHER",
        )
    if (directory / ".datactl").exists():
        subprocess.run(
            ["sh", "-c", _runnable("datactl engine stop")],
            cwd=directory,
            env=_own_environment(directory),
            check=False,
            capture_output=True,
        )
    shutil.rmtree(directory)
