"""Fixtures of the archive's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from datactl.mongo import Mongo
from tests.archive.desk import Desk, desk_at
from tests.archive.removing import RemovalDesk, removal_desk_at


@pytest.fixture
def desk(mongo: Mongo, tmp_path: Path) -> Desk:
    """A database with the model's own index, and a vault on disk."""
    made = desk_at(mongo, tmp_path / "vault")
    made.posts.create_index([("deleted", 1), ("deletedAt", 1)])
    return made


@pytest.fixture
def logs(mongo: Mongo, tmp_path: Path) -> RemovalDesk:
    """A database with a model that has no soft delete, and a vault on disk."""
    return removal_desk_at(mongo, tmp_path / "vault")


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """`told(suite, line)`: a line for the record of the run; shown at the end of it."""

    def tell(suite: str, line: str) -> None:
        record_property(f"told {suite}", line)

    return tell
