"""A database and its vault know each other: what goes on with another pair is refused before anything is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.archive import Binding, Place, adopt, bind, binding, check, plan_adoption
from datactl.errors import Conflict, NotFound, VaultDamaged, VaultMismatch
from datactl.inspect import Statistician
from datactl.mongo import Mongo, open_mongo
from datactl.mongo.connection import META
from datactl.objects import open_store
from datactl.schema import Registry, define_model
from datactl.vault import Identity, Vault
from tests.archive.desk import Desk, desk_at


@pytest.fixture
def other(desk: Desk, engine_uri: str) -> Iterator[Desk]:
    """Another database, with the same vault."""
    with open_mongo(engine_uri, f"t_{ObjectId()}") as mongo:
        yield desk_at(mongo, desk.directory)
        mongo.client.drop_database(mongo.database.name)


def archived(desk: Desk, **fields: Any) -> Any:
    """One document in the vault; its `_id`."""
    (document,) = desk.marked(1)
    document |= fields
    desk.insert([document])
    assert desk.archive().archived == 1
    return document["_id"]


def row(mongo: Mongo) -> Any:
    return mongo.database[META].find_one({"_id": "vault"})


def refuses_everything(desk: Desk) -> VaultMismatch:
    """Nothing goes on with this vault, nothing is written to either side; the error."""
    desk.insert(desk.marked(1))
    before = desk.live()
    objects = sorted(desk.directory.rglob("*"))
    rows = row(desk.mongo)
    statistician = Statistician(desk.mongo, desk.vault, desk.registry, retention_days=90)
    errors = []
    for work in (
        lambda: desk.archiver().plan("Post", 90),
        lambda: desk.restorer().find("Post", ObjectId()),
        lambda: desk.restorer().restore("Post", [ObjectId()]),
        lambda: statistician.report(),
        lambda: bind(desk.mongo, desk.vault),
    ):
        with pytest.raises(VaultMismatch) as raised:
            work()
        errors.append(raised.value)
    assert len({str(error) for error in errors}) == 1
    assert (desk.live(), sorted(desk.directory.rglob("*")), row(desk.mongo)) == (before, objects, rows)
    return errors[0]


def test_the_first_run_makes_both_sides(desk: Desk) -> None:
    desk.archiver().plan("Post", 90)
    assert check(desk.mongo, desk.vault) == Binding(frozenset({desk.mongo.database.name}))
    assert (row(desk.mongo), desk.vault.identity()) == (None, None)  # looking makes nothing
    desk.archive()
    identity = desk.vault.identity()
    assert identity is not None
    kept = row(desk.mongo)
    name = desk.mongo.database.name
    assert (kept["database"], kept["vault"]) == (identity.database, identity.vault)
    assert (kept["names"], identity.name, kept["url"]) == ([name], name, desk.store.url)
    desk.archive()
    assert (row(desk.mongo), desk.vault.identity()) == (kept, identity)


def test_an_unmounted_vault_is_refused(desk: Desk) -> None:
    lost = archived(desk)
    shutil.move(desk.directory, desk.directory.with_name("unmounted"))
    desk.directory.mkdir()
    desk = desk_at(desk.mongo, desk.directory)
    error = refuses_everything(desk)
    assert "there is no vault at" in error.what
    assert desk.store.url in (error.why or "")  # where it was last seen
    desk.directory.rmdir()
    shutil.move(desk.directory.with_name("unmounted"), desk.directory)
    desk.restorer().restore("Post", [lost]).raise_failures()


def test_a_vault_that_was_moved_is_the_same(desk: Desk, tmp_path: Path) -> None:
    lost = archived(desk)
    moved = desk_at(desk.mongo, tmp_path / "moved")
    shutil.move(desk.directory, moved.directory)
    moved.restorer().restore("Post", [lost]).raise_failures()
    moved.archive()
    assert row(desk.mongo)["url"] == moved.store.url


def test_a_second_host_with_a_vault_of_its_own(desk: Desk, tmp_path: Path) -> None:
    archived(desk)
    assert "there is no vault at" in refuses_everything(desk_at(desk.mongo, tmp_path / "elsewhere")).what


def test_the_vault_of_another_database(desk: Desk, other: Desk) -> None:
    lost = archived(desk)
    error = refuses_everything(other)
    assert "belongs to another database" in error.what
    assert desk.mongo.database.name in (error.why or "")
    assert lost not in other.posts.distinct("_id")
    desk.restorer().restore("Post", [lost]).raise_failures()


def test_another_vault_of_another_database(desk: Desk, other: Desk, tmp_path: Path) -> None:
    archived(desk)
    theirs = desk_at(other.mongo, tmp_path / "theirs")
    archived(theirs)
    refuses_everything(desk_at(desk.mongo, theirs.directory))


def test_two_vaults_of_one_database(desk: Desk, tmp_path: Path) -> None:
    """Each of two hosts made one in the same moment: one of them was noted, the other is no vault of ours."""
    archived(desk)
    second = desk_at(desk.mongo, tmp_path / "second")
    second.vault.identify(row(desk.mongo)["database"], desk.mongo.database.name)
    assert "is another one than that of the database" in refuses_everything(second).what


def test_a_vault_that_lost_its_identity(desk: Desk, tmp_path: Path) -> None:
    archived(desk)
    (desk.directory / "vault.json").unlink()
    desk.mongo.database[META].delete_one({"_id": "vault"})
    assert "does not say whose it is" in refuses_everything(desk_at(desk.mongo, desk.directory)).what


def test_an_identity_with_a_flipped_bit(desk: Desk) -> None:
    archived(desk)
    file = desk.directory / "vault.json"
    file.write_bytes(file.read_bytes().replace(b"datactl-vault", b"datactl-vaulu"))
    with pytest.raises(VaultDamaged):
        desk.archive()
    assert [each.code for each in desk.vault.verify()] == ["identity_damaged"]


def test_a_database_that_was_copied_under_another_name(desk: Desk, other: Desk) -> None:
    archived(desk)
    other.mongo.database[META].insert_one(row(desk.mongo))
    assert "does not know the database" in refuses_everything(other).what


class Crash(Exception):
    pass


@pytest.mark.parametrize("after", ["row", "vault.json"])
def test_a_crash_between_the_two_sides(after: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as broken:
        broken.setattr(*((Vault, "identify") if after == "row" else (binding, "_note")), crash)
        with pytest.raises(Crash):
            bind(desk.mongo, desk.vault)
    assert row(desk.mongo)["vault"] is None
    assert (desk.vault.identity() is None) == (after == "row")
    assert check(desk.mongo, desk.vault) == bind(desk.mongo, desk.vault)
    identity = desk.vault.identity()
    assert identity is not None
    assert (row(desk.mongo)["vault"], row(desk.mongo)["database"]) == (identity.vault, identity.database)


def test_an_identity_that_cannot_be_written_leaves_nothing_behind(desk: Desk) -> None:
    desk.insert(desk.marked(1))
    with desk.refusing(""):
        desk.archive()
    assert desk.archive().archived == 1


def test_two_first_runs_at_the_same_time(desk: Desk, other: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between one database's look at an empty vault and its writing, this or another one was there."""
    identify = Vault.identify

    def same(vault: Vault, database: str, name: str) -> Identity:
        monkeypatch.undo()
        bind(desk.mongo, desk.vault)
        return identify(vault, database, name)

    def another(vault: Vault, database: str, name: str) -> Identity:
        monkeypatch.undo()
        bind(other.mongo, other.vault)
        return identify(vault, database, name)

    monkeypatch.setattr(Vault, "identify", same)
    assert bind(desk.mongo, desk.vault) == check(desk.mongo, desk.vault)

    shutil.rmtree(desk.directory)
    desk.mongo.database[META].delete_one({"_id": "vault"})
    monkeypatch.setattr(Vault, "identify", another)
    with pytest.raises(VaultMismatch, match="belongs to another database"):
        bind(desk.mongo, desk.vault)
    assert bind(other.mongo, other.vault) == check(other.mongo, other.vault)


def test_two_hosts_make_a_vault_at_the_same_time(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = desk_at(desk.mongo, tmp_path / "second")
    identify = Vault.identify

    def meanwhile(vault: Vault, database: str, name: str) -> Identity:
        monkeypatch.undo()
        bind(second.mongo, second.vault)
        return identify(vault, database, name)

    monkeypatch.setattr(Vault, "identify", meanwhile)
    with pytest.raises(VaultMismatch, match="is another one"):
        bind(desk.mongo, desk.vault)
    bind(second.mongo, second.vault)


@pytest.mark.parametrize("reached", ["bound", "archived"])
def test_a_first_run_seen_half(reached: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of this database made both sides between two looks of this one."""
    looked = Vault.identity

    def first_look(vault: Vault) -> Identity | None:
        monkeypatch.undo()
        found = looked(vault)
        if reached == "bound":
            bind(desk.mongo, desk.vault)
        else:
            archived(desk)
        return found

    monkeypatch.setattr(Vault, "identity", first_look)
    assert check(desk.mongo, desk.vault).names == {desk.mongo.database.name}


# -- adopting --


def adopts(desk: Desk) -> Binding:
    plan = plan_adoption(desk.mongo, desk.vault)
    assert plan.needed
    made = adopt(desk.mongo, desk.vault, plan)
    assert not plan_adoption(desk.mongo, desk.vault).needed
    return made


def test_a_renamed_database_adopts_its_vault(desk: Desk, other: Desk) -> None:
    lost = archived(desk)
    made = adopts(other)
    assert made.names == {desk.mongo.database.name, other.mongo.database.name}
    other.restorer().restore("Post", [lost]).raise_failures()
    assert other.posts.count_documents({"_id": lost}) == 1
    assert other.archive().archived == 0
    archived(other)


def test_a_lost_vault_is_replaced(desk: Desk, tmp_path: Path) -> None:
    for _ in range(3):
        archived(desk)
    fresh = desk_at(desk.mongo, tmp_path / "fresh")
    refuses_everything(fresh)
    plan = plan_adoption(fresh.mongo, fresh.vault)
    assert plan.behind == {"Post": 3}
    adopts(fresh)
    assert fresh.archive().epoch > 3
    assert "is another one" in refuses_everything(desk).what


def test_a_vault_brought_back_from_an_older_copy(desk: Desk) -> None:
    archived(desk)
    shutil.copytree(desk.directory, desk.directory.with_name("copy"))
    for _ in range(2):
        archived(desk)
    shutil.rmtree(desk.directory)
    shutil.move(desk.directory.with_name("copy"), desk.directory)
    desk.insert(desk.marked(1))
    for _ in range(4):
        with pytest.raises(VaultMismatch, match="behind"):
            desk.archive()
    adopts(desk)
    assert desk.archive().archived == 1


def test_adopting_what_is_not_what_was_shown(desk: Desk, other: Desk) -> None:
    plan = plan_adoption(other.mongo, other.vault)
    archived(desk)
    with pytest.raises(Conflict):
        adopt(other.mongo, other.vault, plan)
    assert row(other.mongo) is None


# -- namespaces --


def under(collection: str) -> Registry:
    fields = {"title": {"type": "string"}}
    return Registry(
        [define_model("Post", fields, enable_soft_delete=True, additional_fields=True, collection=collection)]
    )


def test_copies_of_another_collection_are_not_offered(desk: Desk) -> None:
    """`collection:` changed in models.yaml."""
    lost = archived(desk)
    moved = desk_at(desk.mongo, desk.directory)
    moved.registry = under("articles")
    report = moved.restorer().restore("Post", [lost])
    with pytest.raises(NotFound) as raised:
        report.raise_failures()
    assert f"{desk.mongo.database.name}.posts" in (raised.value.why or "")
    assert "collection: posts" in (raised.value.next or "")
    found = moved.restorer().find("Post", lost)
    assert (found.place, found.copies, found.foreign) == (Place.ABSENT, (), (f"{desk.mongo.database.name}.posts",))
    with pytest.raises(NotFound, match="another namespace"):
        moved.restorer().restore("Post", [lost], from_segment=next(desk.vault.manifests("Post")).name)
    assert moved.posts.count_documents({}) == 0

    both = Statistician(moved.mongo, moved.vault, moved.registry, retention_days=90).report().models
    assert both[0].archived.documents == 0
    archived(moved, title="an article")
    assert desk.restorer().find("Post", lost).offered
    desk.restorer().restore("Post", [lost]).raise_failures()


@pytest.mark.parametrize("at", ["indexes/", "manifests/", "receipts/"])
def test_a_run_over_another_collection_settles_nothing(desk: Desk, at: str) -> None:
    """Documents of a killed run are not in this collection: that they are absent here says nothing."""
    before = desk.insert(desk.marked(5))
    with desk.refusing(at):
        desk.archive()
    desk.insert(desk.posts_again(before, 5 - len(desk.live())))

    moved = desk_at(desk.mongo, desk.directory)
    moved.registry = under("articles")
    assert moved.archiver().plan("Post", 90).unsettled == 0
    assert not moved.archive().settled
    assert not [each for each in desk.vault.manifests("Post") if desk.vault.receipts(each).deleted_receipt]
    assert len(desk.live()) == 5
    assert desk.archive().settled


def test_integer_ids_of_another_database(desk: Desk, other: Desk) -> None:
    """An adopted vault with the same `_id` of a third database in it."""
    fields = {"_id": {"type": "number"}, "title": {"type": "string"}}
    registry = Registry([define_model("Post", fields, enable_soft_delete=True, additional_fields=True)])
    desk.registry = other.registry = registry
    archived(desk, _id=1, title="one's")
    adopts(other)
    archived(other, _id=1, title="two's")
    desk.restorer().restore("Post", [1]).raise_failures()
    assert desk.posts.find_one({"_id": 1})["title"] == "one's"


def test_identities_are_read_as_they_were_written() -> None:
    vault = Vault(open_store("memory:"), clock=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))
    made = vault.identify("d" * 32, "shop")
    assert vault.identity() == made == vault.identify("e" * 32, "other")
    assert (made.database, made.name, len(made.vault)) == ("d" * 32, "shop", 32)
