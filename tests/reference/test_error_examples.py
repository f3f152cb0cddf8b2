"""Every error code is said once by a real run; docs/errors.md shows what that run said.

With DATACTL_RECORD_EXAMPLES=1 the runs are recorded for the page instead of being compared.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import datactl
from datactl.errors import UsageError
from datactl.reference.error_table import EXAMPLES, EXPLAINED, Example, as_text, examples
from datactl.reference.errors_page import error_classes
from tests.commands.conftest import Project
from tests.engines import TestEngine
from tests.reference.error_runs import SAID
from tests.reference.shop import Shop
from tests.reference.steady import steady

RECORD = "DATACTL_RECORD_EXAMPLES"
RECORDING = bool(os.environ.get(RECORD))  # the tests of commands take such variables away
# Codes that no run can show: what heads a family and is never raised itself, and what waits for parts to come.
UNSAID = {"access", "pending"}


@pytest.fixture
def shop(project: Project, start_engine: Callable[..., TestEngine], request: pytest.FixtureRequest) -> Shop:
    def engine(*flags: str, over: TestEngine | None = None) -> TestEngine:
        if over is None:
            return start_engine(*flags)
        over.stop()  # the same data, opened with other flags
        over._flags = flags
        over.start()
        return over

    return Shop(project, engine, lambda: request.getfixturevalue("standalone_uri"))


@pytest.mark.parametrize("code", [kind.code for kind in error_classes() if kind.code not in UNSAID])
def test_a_run_says_what_the_page_shows(code: str, shop: Shop) -> None:
    said = SAID[code](shop)
    assert f"[{code}]" in said or code == "models_file"
    directory = shop.project.directory
    seen = Example(
        run=steady(shop.shown, directory=directory, also=shop.replaced),
        said=steady(said, directory=directory, also=shop.replaced),
    )
    if RECORDING:
        EXAMPLES.write_text(as_text(examples() | {code: seen}), encoding="utf-8")
        return
    assert examples().get(code) == seen, f"{RECORD}=1 pytest {Path(__file__).name}; python -m datactl.reference"


def test_what_no_run_shows_is_never_raised() -> None:
    """A code without an example heads a family of others, or belongs to what no command does yet."""
    unsaid = {kind.__name__ for kind in error_classes() if kind.code in UNSAID}
    raised = set()
    for file in Path(datactl.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                raised.add(node.func.id)
    assert UsageError.__name__ in raised
    assert not unsaid & raised


def test_every_code_is_explained_and_shown_once() -> None:
    codes = [kind.code for kind in error_classes()]
    assert sorted(EXPLAINED) == sorted(codes)
    assert set(examples()) == set(codes) - UNSAID == set(SAID)
