"""The reference's tests run commands in a project of their own, as the tests of the commands do."""

from __future__ import annotations

from tests.commands.conftest import project, run

__all__ = ["project", "run"]
