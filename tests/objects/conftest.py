"""A fresh, empty store of each backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from datactl.objects import ObjectStore
from tests.objects.backends import BACKENDS


@pytest.fixture(params=sorted(BACKENDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return BACKENDS[request.param](tmp_path)
