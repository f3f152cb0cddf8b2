"""An empty vault on each backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from datactl.objects import ObjectStore, open_store
from datactl.vault import Vault
from tests.objects.backends import BACKENDS


@pytest.fixture(params=sorted(BACKENDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
def vault(store: ObjectStore) -> Vault:
    return Vault(store)


@pytest.fixture
def memory_vault() -> Vault:
    """For tests of what does not depend on the backend."""
    return Vault(open_store("memory:"))
