"""Completion scripts: committed as generated, and right when a shell runs them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import datactl
from datactl.cli import WORDS
from datactl.commands.completion import Shell, install_path
from datactl.commands.grammar import RootGroup
from datactl.commands.shells import SHELLS, script, spots, write_all
from tests.commands.conftest import Run, clean_environment

COMMITTED = Path(__file__).parents[2] / "completions"
FILES = {"bash": "datactl.bash", "zsh": "_datactl", "fish": "datactl.fish"}
MODELS = """\
settings:
  engine: local
models:
  Post:                # the first
    fields:
      title: {type: string}
  # Draft: {}
  Comment: {fields: {text: {type: string}}}
other:
  Nothing: 1
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "models.yaml").write_text(MODELS)
    (tmp_path / "posts.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_the_committed_script_is_the_generated_one(shell: str, run: Run) -> None:
    committed = (COMMITTED / FILES[shell]).read_text()
    assert script(RootGroup(WORDS), shell) == committed, "python -m datactl.commands.shells"
    assert run("completion", "show", shell).out == committed


def test_all_scripts_are_written_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datactl.commands.completion.generated", lambda shell: tmp_path / FILES[shell])
    write_all()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        name: (COMMITTED / name).read_text() for name in FILES.values()
    }
    assert COMMITTED.resolve().is_relative_to(Path(datactl.__file__).parent)  # they go with the package


def test_no_script_is_built_when_one_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell asks at every start: walking the whole command table costs more than all the rest."""
    built: list[str] = []
    real = RootGroup.get_command
    monkeypatch.setattr(RootGroup, "get_command", lambda *given: (built.append(given[-1]), real(*given))[1])
    assert run("completion", "show", "bash").status == 0
    assert set(built) == {"completion"}


def bash(line: str, directory: Path, **env: str) -> list[str]:
    """What bash offers at the end of the line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"source {COMMITTED}/datactl.bash; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _datactl"
    done = subprocess.run(
        ["bash", "--norc", "-c", code + '; printf "%s\\n" "${COMPREPLY[@]}"'],
        cwd=directory,
        env=clean_environment(**env),
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stderr == ""
    return sorted(done.stdout.split())


OFFERS = [
    ("datactl ", sorted(WORDS)),
    ("datactl st", ["stats"]),
    ("datactl --uri mongodb://x/ st", ["stats"]),
    ("datactl models ", ["apply", "check", "diff", "list", "schema", "show"]),
    ("datactl find ", ["Comment", "Post"]),
    ("datactl find P", ["Post"]),
    ("datactl find --limit 3 P", ["Post"]),
    ("datactl find Post ", []),
    ("datactl archive ", ["Comment", "Post", "adopt", "find", "list", "plan", "verify"]),
    ("datactl archive find C", ["Comment"]),
    ("datactl archive Post ", []),
    ("datactl find Post -o ", ["json", "ndjson", "table", "yaml"]),
    ("datactl find Post --output y", ["yaml"]),
    ("datactl find Post --filter ", []),
    ("datactl find Post --with-d", ["--with-deleted"]),
    ("datactl archive verify --d", ["--deep"]),
    ("datactl stats --rec", ["--record"]),
    ("datactl completion show ", ["bash", "fish", "zsh"]),
    ("datactl create Post po", ["posts.json"]),
    ("datactl restore --only P", ["Post"]),
    ("datactl validate --only P", []),
    ("datactl validate --only marks P", ["Post"]),
    ("datactl --models mod", ["models.yaml"]),
]


@pytest.mark.parametrize(("line", "offered"), OFFERS, ids=[line for line, _ in OFFERS])
def test_bash_offers(line: str, offered: list[str], project: Path) -> None:
    assert bash(line, project) == offered


def test_bash_reads_the_models_file_it_is_told(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("models:\n  Order: {}\n")
    assert bash("datactl find ", project, DATACTL_MODELS=str(other)) == ["Order"]
    assert bash("datactl find ", project, DATACTL_MODELS=str(tmp_path / "none.yaml")) == []


def test_an_option_of_two_meanings_is_told_by_its_place() -> None:
    """`validate --only` takes a value and `restore --only` does not: what follows is a model after the latter alone."""
    takes_value = {
        spot.path: flag.values is not None
        for spot in spots(RootGroup(WORDS))
        for flag in spot.flags
        if "--only" in flag.names
    }
    assert takes_value == {"/validate": True, "/restore": False}


def test_install_puts_the_script_where_the_shell_looks(run: Run, tmp_path: Path) -> None:
    for shell in SHELLS:
        ended = run("completion", "install", shell, "-o", "json")
        assert ended.status == 0
        written = Path(ended.json["written"])
        assert written == install_path(Shell(shell), {"HOME": str(tmp_path / "home")})
        assert written.read_text() == script(RootGroup(WORDS), shell)
        assert "next: " in ended.err


def test_install_asks_which_shell_when_it_cannot_know(run: Run) -> None:
    ended = run("completion", "install", env={"SHELL": "/bin/tcsh"})
    assert ended.status == 2
    assert "tcsh" in ended.err


def zsh(line: str, directory: Path) -> list[str]:
    """What the script hands to zsh's `_describe` and `compadd` at the end of the line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"""
        _describe() {{ [[ $1 == -o ]] && shift; print -l -- "${{(@P)2}}" }}
        compadd() {{ shift; print -l -- "$@" }}
        _files() {{ print -l -- FILES }}
        compdef() {{ :; }}
        source {COMMITTED}/_datactl
        words=({quoted}); CURRENT={len(words)}
        _datactl
    """
    done = subprocess.run(
        ["zsh", "-f", "-c", code],
        cwd=directory,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stderr == ""
    offered = [entry.partition(":")[0] for entry in done.stdout.splitlines() if entry]
    return sorted(word for word in offered if word.startswith(words[-1]) or word == "FILES")


def fish(line: str, directory: Path) -> list[str]:
    """What fish offers at the end of the line."""
    code = f"source {COMMITTED}/datactl.fish; complete -C '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", code],
        cwd=directory,
        env=clean_environment(HOME=str(directory)),
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stderr == ""
    return sorted({entry.split("\t")[0] for entry in done.stdout.splitlines()})


@pytest.mark.real
@pytest.mark.parametrize(("line", "offered"), OFFERS, ids=[line for line, _ in OFFERS])
def test_zsh_offers(line: str, offered: list[str], project: Path) -> None:
    assert shutil.which("zsh"), "zsh is missing: tools/install-debian-parts"
    expected = ["FILES"] if offered in (["posts.json"], ["models.yaml"]) else offered
    assert zsh(line, project) == expected


@pytest.mark.real
@pytest.mark.parametrize(("line", "offered"), OFFERS, ids=[line for line, _ in OFFERS])
def test_fish_offers(line: str, offered: list[str], project: Path) -> None:
    assert shutil.which("fish"), "fish is missing: tools/install-debian-parts"
    assert fish(line, project) == offered
