"""Opening a store by its URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from datactl.errors import ConfigError
from datactl.objects import open_store


def test_a_file_store_is_made_by_its_first_object(tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/deep/er/vault")
    assert list(store.list("")) == []
    assert store.head("x") is None
    assert not (tmp_path / "deep").exists()
    store.put("x", b"1")
    assert (tmp_path / "deep/er/vault/x").read_bytes() == b"1"


def test_the_url_opens_the_same_store(tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/vault")
    store.put("x", b"1")
    assert open_store(store.url).get("x") == b"1"
    assert open_store(f"file://{tmp_path}/vault").get("x") == b"1"


def test_memory_stores_are_apart() -> None:
    first, second = open_store("memory:"), open_store("memory:")
    first.put("x", b"1")
    assert second.head("x") is None
    assert first.url != second.url


@pytest.mark.parametrize("url", ["", "file:", "file:/", "s4://bucket", "/var/vault", "C:\\vault", "memory"])
def test_an_unknown_place_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        open_store(url)
    assert raised.value.exit_code == 2
    assert raised.value.next
