"""The probe of the vault: each rule that a store breaks is named, and nothing stays behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from datactl.archive import bind
from datactl.errors import StoreReadOnly
from datactl.inspect.doctor.lines import Level, Line
from datactl.inspect.doctor.probing import vault_lines
from datactl.mongo import Mongo
from datactl.objects import open_store
from datactl.objects.interface import Data, ObjectInfo, PutResult
from datactl.objects.memory import MemoryStore
from datactl.vault import Vault, open_vault


class Overwrites(MemoryStore):
    def put(self, key: str, data: Data, *, kind: str = "data") -> PutResult:
        self.delete(key)
        return super().put(key, data, kind=kind)


class ReadsBackWrong(MemoryStore):
    def get(self, key: str) -> bytes:
        return super().get(key)[:-1] + b"\x00\x01"


class AnswersAnyRange(MemoryStore):
    def get_range(self, key: str, start: int, length: int) -> bytes:
        return super().get(key)[start : start + length]


class ShiftsRanges(MemoryStore):
    def get_range(self, key: str, start: int, length: int) -> bytes:
        return super().get_range(key, start + 1, length)


class ListsNothing(MemoryStore):
    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        return iter(())


class RemovesNothing(MemoryStore):
    def delete(self, key: str) -> None: ...


class ReadOnly(MemoryStore):
    def put(self, key: str, data: Data, *, kind: str = "data") -> PutResult:
        raise StoreReadOnly(f"cannot write {key}", why="read-only file system", next="let this user write there")


def levels(lines: list[Line]) -> dict[str, Level]:
    return {line.check: line.level for line in lines}


def test_a_good_vault_passes_and_is_left_as_it_was(mongo: Mongo, tmp_path: Path) -> None:
    vault = open_vault(f"file:{tmp_path / 'vault'}")
    bind(mongo, vault)
    before = [each.key for each in vault.store.list("")]
    found = levels(list(vault_lines(vault, mongo)))
    assert set(found.values()) == {Level.OK}
    assert set(found) == {
        *("vault", "vault_space", "vault_write", "vault_once", "vault_checksum"),
        *("vault_range", "vault_list", "vault_remove"),
    }
    assert [each.key for each in vault.store.list("")] == before


@pytest.mark.parametrize(
    ("store", "broken"),
    [
        (Overwrites, {"vault_once", "vault_checksum", "vault_range", "vault_list"}),
        (ReadsBackWrong, {"vault_checksum"}),
        (AnswersAnyRange, {"vault_range"}),
        (ShiftsRanges, {"vault_range"}),
        (ListsNothing, {"vault_list"}),
        (RemovesNothing, {"vault_remove"}),
    ],
)
def test_a_store_that_breaks_a_rule_is_named(store: type[MemoryStore], broken: set[str]) -> None:
    found = levels(list(vault_lines(Vault(store()), None)))
    assert {check for check, level in found.items() if level is Level.FAIL} == broken


def test_where_nothing_can_be_put_nothing_else_is_looked_at() -> None:
    lines = list(vault_lines(Vault(ReadOnly()), None))
    assert levels(lines) == {"vault": Level.OK, "vault_write": Level.FAIL}
    assert lines[-1].next == "let this user write there"


def test_an_examination_that_is_cut_off_leaves_no_probe() -> None:
    store = MemoryStore()
    lines = vault_lines(Vault(store), None)
    assert [next(lines).check, next(lines).check] == ["vault", "vault_write"]
    assert list(store.list("probe/"))
    lines.close()  # type: ignore[attr-defined]  # a generator's
    assert not list(store.list("probe/"))


def test_a_vault_of_another_database_is_not_written_to(mongo: Mongo, tmp_path: Path) -> None:
    theirs = open_vault(f"file:{tmp_path / 'theirs'}")
    theirs.identify("00" * 16, "theirs")
    before = sorted(path for path in tmp_path.rglob("*"))
    lines = list(vault_lines(theirs, mongo))
    assert levels(lines)["vault"] is Level.FAIL
    assert "belongs to another database" in lines[0].what
    assert "vault_write" not in levels(lines)
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_vault_that_is_not_mounted_is_not_made(mongo: Mongo, tmp_path: Path) -> None:
    bind(mongo, open_vault(f"file:{tmp_path / 'vault'}"))
    (tmp_path / "vault").rename(tmp_path / "elsewhere")
    lines = list(vault_lines(open_vault(f"file:{tmp_path / 'vault'}"), mongo))
    assert levels(lines)["vault"] is Level.FAIL
    assert not (tmp_path / "vault").exists()


def test_probes_that_a_killed_doctor_left_are_removed(tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}")
    store.put("probe/old", b"x")
    store.put("probe/new", b"x")
    os.utime(tmp_path / "probe" / "old", (0, 0))
    lines = list(vault_lines(Vault(store), None))
    assert [line.what for line in lines if line.check == "vault_list"] == ["listed; 1 older probes were removed"]
    assert [each.key for each in store.list("")] == ["probe/new"]
