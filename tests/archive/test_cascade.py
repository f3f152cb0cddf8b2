"""Cascades into and out of models without soft delete: by way of the vault, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datactl.archive import Archiver, Restorer
from datactl.archive.remover import VaultRemover
from datactl.errors import RestoreConflict, Restricted
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.schema import parse_models
from datactl.steps import Step, When
from tests.archive.desk import desk_at
from tests.archive.watching import At

MODELS = parse_models("""
models:
  Owner:
    fields:
      name: string
  Folder:
    enableSoftDelete: false
    fields:
      name: string
      owner: {type: objectId, ref: Owner, onDelete: cascade}
      inside: {type: objectId, ref: Folder, onDelete: cascade}
      twin: {type: objectId, ref: Folder}
  Page:
    fields:
      text: string
      folder: {type: objectId, ref: Folder, onDelete: cascade}
  Scan:
    enableSoftDelete: false
    fields:
      page: {type: objectId, ref: Page, onDelete: cascade}
  Seal:
    enableSoftDelete: false
    fields:
      folder: {type: objectId, ref: Folder, onDelete: restrict}
  Stamp:
    fields:
      page: {type: objectId, ref: Page, onDelete: restrict}
  Link:
    fields:
      to: {type: objectId, ref: Folder, onDelete: nullify}
""")


class Cabinet:
    """The models above over one database and one vault."""

    def __init__(self, mongo: Mongo, directory: Path) -> None:
        self.mongo = mongo
        self.vault = desk_at(mongo, directory / "vault").vault
        self._spool = directory / "spool"

    def remover(self) -> VaultRemover:
        return VaultRemover(self.mongo, self.vault, MODELS)

    def repository(self, model: str) -> Repository:
        return Repository(MODELS[model], self.mongo, MODELS, actor="ann", spool_dir=self._spool, remover=self.remover)

    def restorer(self) -> Restorer:
        return Restorer(self.mongo, self.vault, MODELS, actor="ann")

    def make(self, model: str, **values: Any) -> Any:
        return self.mongo.collection(MODELS[model].collection).insert_one(values).inserted_id

    def all(self, model: str) -> dict[Any, dict[str, Any]]:
        """Every document of a model that is not marked, without what a change stamps."""
        rows = self.mongo.collection(MODELS[model].collection).find({"deleted": {"$ne": True}})
        return {
            row["_id"]: {name: value for name, value in row.items() if name not in ("deleted", "updatedAt")}
            for row in rows
        }

    def everything(self, but: str | None = None) -> dict[str, dict[Any, dict[str, Any]]]:
        return {name: self.all(name) for name in MODELS if name != but}

    def archive(self, model: str) -> int:
        """Archive all that is marked; how many those were."""
        archiver = Archiver(self.mongo, self.vault, MODELS, actor="ann")
        return archiver.run(archiver.plan(model, 0)).archived

    def events(self, op: str) -> list[str]:
        return sorted(row["eventType"] for row in self.mongo.collection("outboxes").find({"op": op}))


@pytest.fixture
def cabinet(mongo: Mongo, tmp_path: Path) -> Cabinet:
    return Cabinet(mongo, tmp_path)


def fill(cabinet: Cabinet) -> tuple[Any, Any]:
    """An owner with a folder in which there is another, pages and scans in both; and a link to one."""
    owner = cabinet.make("Owner", name="o")
    top = cabinet.make("Folder", name="top", owner=owner)
    inner = cabinet.make("Folder", name="inner", inside=top, twin=top)
    cabinet.mongo.collection("folders").update_one({"_id": top}, {"$set": {"twin": inner}})
    for folder in (top, inner):
        for _ in range(2):
            cabinet.make("Scan", page=cabinet.make("Page", text="t", folder=folder))
    cabinet.make("Link", to=inner)
    return owner, top


def test_into_and_out_of_models_without_soft_delete_and_back(cabinet: Cabinet) -> None:
    owner, _ = fill(cabinet)
    cabinet.make("Scan", page=None)
    before = cabinet.everything(but="Link")
    change = cabinet.repository("Owner").delete(owner, reason="gone")
    assert change.along == {
        "Folder": {"deleted": 2},
        "Page": {"deleted": 4},
        "Scan": {"deleted": 4},
        "Link": {"emptied": 1},
    }
    assert [len(cabinet.all(name)) for name in ("Owner", "Folder", "Page", "Scan")] == [0, 0, 0, 1]
    assert cabinet.mongo.collection("folders").count_documents({}) == 0
    assert cabinet.events(change.op).count("FolderDeleted") == 2
    report = cabinet.restorer().restore("Owner", [owner])
    report.raise_failures()
    assert report.along == {"Folder": {"restored": 2}, "Page": {"restored": 4}, "Scan": {"restored": 4}}
    assert (report.deleted_by, report.emptied) == (change.op, {"Link": 1})
    assert cabinet.everything(but="Link") == before


def test_a_removed_document_takes_along_and_brings_back(cabinet: Cabinet) -> None:
    _, top = fill(cabinet)
    before = cabinet.everything(but="Link")
    change = cabinet.repository("Folder").delete(top)
    assert change.kind == "removed"
    assert change.along == {
        "Folder": {"deleted": 1},
        "Page": {"deleted": 4},
        "Scan": {"deleted": 4},
        "Link": {"emptied": 1},
    }
    row = cabinet.mongo.collection("datactl_ops").find_one({"_id": change.op})
    assert row is not None
    assert (row["kind"], row["state"]) == ("remove", "done")
    cabinet.restorer().restore("Folder", [top]).raise_failures()
    assert cabinet.everything(but="Link") == before


def test_restrict_refuses_a_removal(cabinet: Cabinet) -> None:
    owner, top = fill(cabinet)
    seal = cabinet.make("Seal", folder=top)
    before = cabinet.everything()
    for model, wanted in (("Folder", top), ("Owner", owner)):
        with pytest.raises(Restricted, match=str(seal)):
            cabinet.repository(model).delete(wanted)
    assert cabinet.everything() == before
    plan = cabinet.repository("Folder").plan_delete({})
    assert (plan.matching, plan.restricted, plan.restricted_by, plan.along) == (
        2,
        1,
        ("Seal.folder",),
        {"Page": 2, "Scan": 2},
    )
    result = cabinet.repository("Folder").delete_many(filter={})
    assert (result.changed, result.failures, result.failed[0].code) == (1, 1, "restricted")
    assert top in cabinet.all("Folder")


def test_what_restricts_a_removal_and_came_in_between_brings_it_back(cabinet: Cabinet) -> None:
    _, top = fill(cabinet)
    before = cabinet.everything(but="Seal")
    watch = At("cascade", When.AFTER, lambda: cabinet.make("Seal", folder=top))
    result = cabinet.repository("Folder").delete_many(ids=[top], watch=watch)
    assert (result.changed, result.failures, result.failed[0].code) == (0, 1, "restricted")
    assert len(cabinet.all("Seal")) == 1
    assert cabinet.everything(but="Seal") == before


def test_what_restricts_below_a_removed_one_brings_back_all_from_the_top(cabinet: Cabinet) -> None:
    owner, _ = fill(cabinet)
    before = cabinet.everything(but="Seal")
    inner = next(row["_id"] for row in before["Folder"].values() if row["name"] == "inner")

    def act() -> None:
        cabinet.make("Seal", folder=inner)

    with pytest.raises(Restricted, match="Seal"):
        cabinet.repository("Owner").delete(owner, watch=At("remove", When.AFTER, act))
    assert len(cabinet.all("Seal")) == 1
    assert cabinet.everything(but="Seal") == before


def test_what_restricts_below_one_that_was_archived_since_brings_back_all_from_the_top(
    cabinet: Cabinet, mongo: Mongo
) -> None:
    owner, _ = fill(cabinet)
    before = cabinet.everything(but="Stamp")
    page = next(iter(before["Page"]))

    def act() -> None:
        cabinet.archive("Page")
        cabinet.make("Stamp", page=page)

    class Scans(At):
        """Not the first `cascade`, but that of the scans: the pages are marked by then."""

        def see(self, step: Step) -> None:
            if cabinet.all("Page") == {}:
                super().see(step)

    with pytest.raises(Restricted, match="Stamp"):
        cabinet.repository("Owner").delete(owner, watch=Scans("cascade", When.BEFORE, act))
    assert len(cabinet.all("Stamp")) == 1
    assert cabinet.everything(but="Stamp") == before


def test_members_that_were_archived_meanwhile_come_back_too(cabinet: Cabinet, mongo: Mongo, tmp_path: Path) -> None:
    owner, _ = fill(cabinet)
    before = cabinet.everything(but="Link")
    cabinet.repository("Owner").delete(owner)
    for name in ("Owner", "Page"):
        assert cabinet.archive(name) > 0
    assert mongo.collection("pages").count_documents({}) == 0
    report = cabinet.restorer().restore("Owner", [owner])
    report.raise_failures()
    assert cabinet.everything(but="Link") == before


def test_several_are_restored_each_with_its_group(cabinet: Cabinet) -> None:
    owners = [fill(cabinet)[0] for _ in range(2)]
    before = cabinet.everything()
    cabinet.repository("Owner").delete_many(ids=owners)
    report = cabinet.restorer().restore("Owner", owners)
    assert report.along["Scan"] == {"restored": 8}
    after = cabinet.everything()
    assert {name: after[name] for name in ("Owner", "Folder", "Page", "Scan")} == {
        name: before[name] for name in ("Owner", "Folder", "Page", "Scan")
    }


def test_only_the_one_and_a_child_without_its_parent(cabinet: Cabinet) -> None:
    owner, top = fill(cabinet)
    cabinet.repository("Owner").delete(owner)
    with pytest.raises(RestoreConflict):
        cabinet.restorer().restore("Folder", [top]).raise_failures()
    report = cabinet.restorer().restore("Owner", [owner], only=True)
    assert report.along == {}
    assert cabinet.all("Folder") == {}
    cabinet.restorer().restore("Folder", [top]).raise_failures()
    assert len(cabinet.all("Page")) == 4
