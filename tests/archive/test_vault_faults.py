"""A vault that is full, read-only or damaged: the archive stops, and nothing leaves MongoDB without its copy."""

from __future__ import annotations

import random

import pytest

from datactl.errors import DatactlError, StoreFull, StoreReadOnly, VaultDamaged
from tests.archive.desk import Desk, account
from tests.archive.stores import WrappedStore

DUE = 60


@pytest.fixture
def store(desk: Desk) -> WrappedStore:
    """The desk's store, with faults."""
    return desk.wrapped()


def run(desk: Desk) -> int:
    report = desk.archive()
    return report.archived + report.settled.archived


@pytest.mark.parametrize("error", [StoreFull("no space"), StoreReadOnly("read-only")], ids=["full", "read-only"])
@pytest.mark.parametrize("kind", ["epochs/", "segments/", "indexes/", "manifests/"])
def test_what_cannot_be_stored_stays(desk: Desk, store: WrappedStore, kind: str, error: DatactlError) -> None:
    before = desk.insert(desk.marked(DUE))
    store.refuse(kind, error)
    with pytest.raises(type(error)):
        run(desk)
    assert desk.live() == before
    rows = list(desk.mongo.collection("datactl_ops").find({}, {"state": 1, "error": 1}))
    assert [(row["state"], row["error"]) for row in rows] == ([] if kind == "epochs/" else [("failed", error.code)])
    store.take_all()
    assert run(desk) == DUE
    assert account(desk, before).archived == DUE


def test_a_receipt_that_cannot_be_stored_is_written_by_the_next_run(desk: Desk) -> None:
    before = desk.insert(desk.marked(DUE))
    with desk.refusing("receipts/"):
        run(desk)
    assert desk.live() == {}
    assert {desk.restorer().find("Post", key[1:].hex()).place for key in list(before)[:3]} == {"archived"}
    assert run(desk) == DUE
    assert account(desk, before).archived == DUE


@pytest.mark.parametrize("seed", range(25))
def test_a_segment_damaged_on_its_way_is_not_trusted(desk: Desk, store: WrappedStore, seed: int) -> None:
    """One bit anywhere in what is read back (I1)."""
    before = desk.insert(desk.marked(DUE))
    chance = random.Random(seed)

    def flip(key: str, data: bytes) -> bytes:
        if not key.startswith("segments/"):
            return data
        at = chance.randrange(len(data))
        return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]

    store.on_get = flip
    with pytest.raises(VaultDamaged):
        run(desk)
    assert desk.live() == before
    assert not list(desk.vault.manifests("Post"))


@pytest.mark.parametrize("kind", ["segments/", "indexes/"])
def test_an_object_cut_short_is_not_trusted(desk: Desk, store: WrappedStore, kind: str) -> None:
    before = desk.insert(desk.marked(DUE))
    store.on_get = lambda key, data: data[:-1] if key.startswith(kind) else data
    with pytest.raises(VaultDamaged):
        run(desk)
    assert desk.live() == before


def test_a_damaged_segment_is_not_settled(desk: Desk, store: WrappedStore) -> None:
    """Committed by a run that was killed before its deletes; damaged since."""
    before = desk.insert(desk.marked(DUE))
    with desk.refusing("receipts/"):
        run(desk)
    again = desk.insert(desk.posts_again(before, DUE))
    store.on_get = lambda key, data: data[:100] + b"?" + data[101:] if key.endswith(".bson.gz") else data
    with pytest.raises(VaultDamaged):
        run(desk)
    assert desk.live() == again
    store.on_get = lambda key, data: data
    assert run(desk) == DUE
    assert account(desk, before).archived == DUE
