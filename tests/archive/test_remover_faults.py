"""A vault that is full, read-only, damaged or gone: nothing is removed without its copy, and the error says so."""

from __future__ import annotations

import shutil

import bson
import pytest

from datactl.archive import removal
from datactl.archive.documents import ids_filter
from datactl.errors import DatabaseError, DatactlError, StoreFull, StoreReadOnly, VaultDamaged, VaultMismatch
from datactl.records import BulkResult
from tests.archive.desk import account
from tests.archive.removing import RemovalDesk
from tests.archive.stores import WrappedStore
from tests.archive.watching import At
from tests.mongo.answers import lose_the_reply

DOCUMENTS = 30
ERRORS = [StoreFull("no space"), StoreReadOnly("read-only")]
KINDS = ["epochs/", "segments/", "indexes/", "manifests/"]


@pytest.fixture
def store(logs: RemovalDesk) -> WrappedStore:
    """The desk's store, with faults."""
    return logs.wrapped()


def go_on(logs: RemovalDesk) -> BulkResult:
    """As an operator does: resume what was begun, or give the command again."""
    row = logs.mongo.collection("datactl_ops").find_one({"kind": "remove"})
    if row is None:
        return logs.repository().delete_many(filter={})
    assert row["state"] == "failed"
    return logs.repository().resume_bulk(row["_id"])


@pytest.mark.parametrize("error", ERRORS, ids=["full", "read-only"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_stored_stays(logs: RemovalDesk, store: WrappedStore, kind: str, error: DatactlError) -> None:
    before = logs.lines(DOCUMENTS)
    store.refuse(kind, error)
    with pytest.raises(type(error)):
        logs.repository().delete_many(filter={})
    with pytest.raises(type(error)):
        logs.repository().delete(bson.decode(next(iter(before.values())))["_id"])
    assert logs.live() == before
    assert not logs.events()
    assert logs.mongo.collection("datactl_leases").count_documents({}) == 0
    store.take_all()
    assert go_on(logs).changed == DOCUMENTS
    assert account(logs, before).archived == DOCUMENTS


def test_a_receipt_that_cannot_be_stored_is_written_when_it_goes_on(logs: RemovalDesk) -> None:
    before = logs.left_behind("receipts/", DOCUMENTS)
    assert logs.live() == {}
    assert {logs.restorer().find("Log", key[1:].hex()).place for key in list(before)[:3]} == {"archived"}
    assert go_on(logs).changed == DOCUMENTS
    assert account(logs, before).archived == DOCUMENTS


def test_one_that_was_restored_before_its_receipt_was_written(logs: RemovalDesk) -> None:
    before = logs.left_behind("receipts/Log", DOCUMENTS)
    back = bson.decode(next(iter(before.values())))["_id"]
    logs.restorer().restore("Log", [back]).raise_failures()
    go_on(logs)
    found = account(logs, before)
    assert (found.live, found.archived) == (1, DOCUMENTS - 1)


@pytest.mark.parametrize("kind", ["segments/", "indexes/"])
def test_what_is_read_back_wrong_is_not_trusted(logs: RemovalDesk, store: WrappedStore, kind: str) -> None:
    """I1."""
    before = logs.lines(DOCUMENTS)
    store.on_get = lambda key, data: data[:40] + bytes((data[40] ^ 1,)) + data[41:] if key.startswith(kind) else data
    with pytest.raises(VaultDamaged):
        logs.repository().delete_many(filter={})
    assert logs.live() == before
    assert not list(logs.vault.manifests("Log"))


def test_a_vault_that_is_not_there(logs: RemovalDesk) -> None:
    """It was: the disk is not mounted. An empty directory in its place takes nothing."""
    first = logs.lines(1)
    logs.repository().delete_many(filter={})
    before = logs.lines(DOCUMENTS)
    away = logs.directory.with_name("away")
    shutil.move(logs.directory, away)
    for _ in range(2):
        with pytest.raises(VaultMismatch, match="there is no vault"):
            logs.repository().delete_many(filter={})
        assert logs.live() == before
        logs.directory.mkdir(exist_ok=True)
    shutil.rmtree(logs.directory)
    shutil.move(away, logs.directory)
    assert logs.repository().delete_many(filter={}).changed == DOCUMENTS
    assert account(logs, first | before).archived == DOCUMENTS + 1


def test_a_server_that_deletes_less_than_was_compared(logs: RemovalDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction is aborted: nothing is deleted, and there is no event."""
    before = logs.lines(DOCUMENTS)
    monkeypatch.setattr(removal, "ids_filter", lambda keys: ids_filter(keys[:-1]))
    with pytest.raises(DatabaseError, match="asked to remove 30 documents, the server says 29"):
        logs.repository().delete_many(filter={})
    assert logs.live() == before
    assert not logs.events()


def test_an_answer_to_a_commit_that_is_lost(logs: RemovalDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction was committed, and the server forgot it: nothing is counted, told or written twice."""
    before = logs.lines(DOCUMENTS)
    watch = At("remove", "before", lambda: lose_the_reply(monkeypatch))
    result = logs.repository().delete_many(filter={}, watch=watch)
    assert not watch.left
    assert (result.changed, result.failures, result.unchanged) == (DOCUMENTS, 0, 0)
    assert len(logs.events()) == DOCUMENTS
    assert account(logs, before).archived == DOCUMENTS
