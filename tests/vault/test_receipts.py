"""Receipts: bitmaps of positions, the done marker written once, restores that add up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datactl.errors import Conflict, UsageError, VaultDamaged
from datactl.vault import Bitmap, Vault
from datactl.vault.names import deleted_key
from datactl.vault.receipts import read_receipt
from datactl.vault.sealed import seal
from tests.vault.desk import commit, overwrite, posts

POSITIONS = st.integers(1, 300).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1))))


@given(POSITIONS)
def test_a_bitmap_is_a_set(case: tuple[int, set[int]]) -> None:
    size, positions = case
    bitmap = Bitmap.of(size, positions)
    assert list(bitmap) == sorted(positions)
    assert len(bitmap) == len(positions)
    assert [p for p in range(-3, size + 9) if p in bitmap] == sorted(positions)
    assert bitmap | Bitmap.empty(size) == bitmap
    assert bitmap | Bitmap.full(size) == Bitmap.full(size)
    assert Bitmap.full(size) >= bitmap >= Bitmap.empty(size)
    assert (Bitmap.empty(size) >= bitmap) == (not positions)
    assert bitmap - bitmap == Bitmap.empty(size) == Bitmap.empty(size) - bitmap
    assert set(Bitmap.full(size) - bitmap) == set(range(size)) - positions


def test_a_bitmap_has_its_lowest_position_in_its_lowest_bit() -> None:
    assert Bitmap.of(10, [0, 3, 9]).bits == b"\x09\x02"


def test_a_bitmap_is_strict() -> None:
    for wrong in ([10], [-1]):
        with pytest.raises(ValueError, match="not below"):
            Bitmap.of(10, wrong)
    for bits in (b"", b"\x00", b"\x00\x00\x00", b"\x00\x04"):
        with pytest.raises(ValueError, match="no bitmap"):
            Bitmap(10, bits)
    with pytest.raises(ValueError, match="different sizes"):
        Bitmap.empty(10) | Bitmap.empty(11)
    with pytest.raises(ValueError, match="different sizes"):
        Bitmap.empty(10) - Bitmap.empty(11)


def test_the_done_marker_is_written_once(vault: Vault) -> None:
    manifest = commit(vault, posts(100))
    assert vault.receipts(manifest).deleted is None
    receipt = vault.put_deleted_receipt(manifest, range(0, 100, 3), op="OP1", actor="anna")
    assert vault.put_deleted_receipt(manifest, Bitmap.of(100, range(0, 100, 3)), op="OP7") == receipt
    with pytest.raises(Conflict, match="another receipt") as raised:
        vault.put_deleted_receipt(manifest, range(99), op="OP1")
    assert raised.value.next
    receipts = Vault(vault.store).receipts(manifest)
    assert receipts.deleted_receipt == receipt
    assert receipts.deleted == Bitmap.of(100, range(0, 100, 3))
    assert len(receipts.restored) == 0


def test_none_deleted_is_a_receipt_too(vault: Vault) -> None:
    manifest = commit(vault, posts(10), deleted=[])
    assert vault.receipts(manifest).deleted == Bitmap.empty(10)
    assert list(vault.manifests_without_receipt("Post")) == []


def test_restores_add_up(vault: Vault) -> None:
    manifest = commit(vault, posts(100), deleted=range(100))
    vault.put_restored_receipt(manifest, [1, 2], op="OP2")
    vault.put_restored_receipt(manifest, [50], op="OP3", actor="ben")
    receipts = vault.receipts(manifest)
    assert list(receipts.restored) == [1, 2, 50]
    assert sorted((r.op, r.actor) for r in receipts.restored_receipts) == [("OP2", None), ("OP3", "ben")]
    assert receipts.deleted == Bitmap.full(100)


def test_a_restore_that_goes_on_after_a_crash(vault: Vault) -> None:
    manifest = commit(vault, posts(100), deleted=range(100))
    vault.put_restored_receipt(manifest, [1, 2, 3], op="OP2")
    vault.put_restored_receipt(manifest, [2], op="OP2")
    assert len(vault.receipts(manifest).restored_receipts) == 1
    vault.put_restored_receipt(manifest, [1, 2, 3, 4], op="OP2")
    vault.put_restored_receipt(manifest, [4], op="OP2")
    receipts = vault.receipts(manifest)
    assert list(receipts.restored) == [1, 2, 3, 4]
    assert len(receipts.restored_receipts) == 2


def test_a_receipt_counts_its_positions(memory_vault: Vault) -> None:
    """Its digest is right: what is wrong was written so."""
    manifest = commit(memory_vault, posts(10), deleted=[1, 2])
    key = deleted_key("Post", manifest.name)
    whole = memory_vault.store.get(key)
    fields = {name: value for name, value in json.loads(whole).items() if name != "digest"}
    assert seal(fields) == whole
    overwrite(memory_vault.store, key, seal({**fields, "count": 3}))
    with pytest.raises(VaultDamaged, match="count is not that of its positions"):
        memory_vault.receipts(manifest)


def test_a_receipt_is_of_as_many_documents_as_its_segment(memory_vault: Vault) -> None:
    manifest = commit(memory_vault, posts(10), deleted=[1, 2])
    key = deleted_key("Post", manifest.name)
    other = read_receipt(memory_vault.store.get(key), "Post", manifest.name, key)
    overwrite(memory_vault.store, key, replace(other, positions=Bitmap.of(11, [1, 2])).to_json())
    with pytest.raises(VaultDamaged, match="another number of documents"):
        memory_vault.receipts(manifest)


def test_holdings_count_what_left_and_did_not_come_back(memory_vault: Vault) -> None:
    """A document that was restored before its segment was settled is in the one receipt and not in the other."""
    manifest = commit(memory_vault, posts(10))
    memory_vault.put_restored_receipt(manifest, [0, 1, 2], op="OP2")
    assert memory_vault.holdings("Post").documents == 7
    memory_vault.put_deleted_receipt(manifest, range(3, 10), op="OP1")
    assert memory_vault.holdings("Post").documents == 7
    memory_vault.put_restored_receipt(manifest, [3], op="OP3")
    assert memory_vault.holdings("Post").documents == 6


@pytest.mark.parametrize("op", ["", "a/b", "../x", "a-b", "x" * 65])
def test_an_operation_that_cannot_name_a_receipt(vault: Vault, op: str) -> None:
    manifest = commit(vault, posts(3), deleted=range(3))
    with pytest.raises(UsageError):
        vault.put_restored_receipt(manifest, [1], op=op)


def test_positions_are_those_of_the_segment(vault: Vault) -> None:
    manifest = commit(vault, posts(10))
    with pytest.raises(ValueError, match="not below"):
        vault.put_deleted_receipt(manifest, [10], op="OP1")
    with pytest.raises(ValueError, match="bitmap of 11"):
        vault.put_deleted_receipt(manifest, Bitmap.full(11), op="OP1")
    assert vault.receipts(manifest).deleted is None
