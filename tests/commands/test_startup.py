"""What is loaded before a command needs it: nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from datactl.cli import WORDS
from tests.commands.conftest import clean_environment

HEAVY = ("pymongo", "bson", "boto3", "botocore", "obstore", "textual", "rich", "pydantic", "yaml")
SCRIPT = """
import sys
from datactl.cli import main
status = main(sys.argv[2:])
heavy = [name for name in sys.argv[1].split(",") if name in sys.modules]
print(status, *heavy, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["completion", "show", "bash"],
        ["completion", "show", "zsh"],
        ["completion", "show", "fish"],
        ["fnid"],
        *([word, "--help"] for word in WORDS),
        ["archive", "verify", "--help"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, ",".join(HEAVY), *arguments],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    status = "2" if arguments == ["fnid"] else "0"
    assert done.stderr.splitlines()[-1] == status
    assert done.stdout or arguments == ["fnid"]


def test_json_output_loads_no_table_library(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "rich,pymongo", "config", "show", "-o", "json"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr.splitlines()[-1] == "0"
