"""Figures per model, against documents whose numbers are known."""

from __future__ import annotations

from datetime import timedelta

import bson
import pytest

from datactl.archive import Archiver, Restorer
from datactl.errors import UsageError
from datactl.inspect import Statistician
from datactl.inspect.stats import STATISTICS
from datactl.mongo import Mongo
from datactl.objects import open_store
from datactl.records import Repository
from datactl.schema import Registry, define_model
from datactl.vault import Vault

POST = define_model("Post", {"title": "string"}, archive={"after": 30})
NOTE = define_model("Note", {"text": "string"}, enable_soft_delete=False)
REGISTRY = Registry([POST, NOTE])


@pytest.fixture
def vault() -> Vault:
    return Vault(open_store("memory:"))


@pytest.fixture
def statistician(mongo: Mongo, vault: Vault) -> Statistician:
    return Statistician(mongo, vault, REGISTRY, retention_days=90)


def fill(mongo: Mongo) -> list[dict[str, object]]:
    """Five live, three due by 30 days (two reasons), one young mark, one mark without a date."""
    now = mongo.server_time()
    marked: list[dict[str, object]] = [
        {"title": f"m{n}", "deleted": True, "deletedAt": now - timedelta(days=days), "deleteReason": why}
        for n, (days, why) in enumerate([(40, "spam"), (50, "spam"), (60, "age"), (5, "spam")])
    ]
    undated: dict[str, object] = {"title": "u", "deleted": True}
    live: list[dict[str, object]] = [{"title": f"l{n}", "deleted": False} for n in range(4)]
    mongo.collection("posts").insert_many([*marked, undated, *live, {"title": "no mark"}])
    return marked


def test_every_figure_of_a_model(mongo: Mongo, statistician: Statistician) -> None:
    marked = fill(mongo)
    (stats,) = statistician.report(["Post"]).models
    assert (stats.live, stats.deleted, stats.due, stats.undated) == (5, 5, 3, 1)
    assert stats.by_reason == {"spam": 3, "age": 1, "(none given)": 1}
    assert stats.due_bytes == sum(len(bson.encode(document)) for document in marked[:3])
    assert stats.retention_days == 30
    oldest = marked[2]["deletedAt"]
    assert stats.oldest_mark == oldest
    sizes = mongo.database.command("collStats", "posts")
    assert (stats.storage_bytes, stats.index_bytes) == (sizes["storageSize"], sizes["totalIndexSize"])
    assert (stats.archived.documents, stats.last_runs) == (0, ())


def test_what_was_archived_and_what_came_back(mongo: Mongo, vault: Vault, statistician: Statistician) -> None:
    marked = fill(mongo)
    archiver = Archiver(mongo, vault, REGISTRY, actor="t")
    archiver.run(archiver.plan("Post"))
    (stats,) = statistician.report(["Post"]).models
    assert (stats.deleted, stats.due, stats.archived.documents, stats.archived.segments) == (2, 0, 3, 1)
    assert stats.archived.raw_bytes == sum(len(bson.encode(document)) for document in marked[:3])
    assert [run.kind for run in stats.last_runs] == ["archive"]

    Restorer(mongo, vault, REGISTRY, actor="t", event_key=None).restore("Post", [marked[0]["_id"]])
    (stats,) = statistician.report(["Post"]).models
    assert (stats.live, stats.archived.documents) == (6, 2)


def test_the_outbox_is_counted_per_model(mongo: Mongo, statistician: Statistician) -> None:
    posts = Repository(POST, mongo, REGISTRY, actor="t")
    posts.create_many([{"title": "a"}, {"title": "b"}, {"title": "c"}])
    Repository(NOTE, mongo, REGISTRY, actor="t").create({"text": "n"})
    rows = mongo.collection("outboxes")
    rows.update_one({"aggregate": "Post"}, {"$set": {"retryCount": 5, "lastError": "no route"}})
    by_model = {stats.model: stats.outbox for stats in statistician.report().models}
    assert (by_model["Post"].pending, by_model["Post"].dead) == (2, 1)
    assert (by_model["Note"].pending, by_model["Note"].dead) == (1, 0)


def test_a_collection_that_is_not_there_counts_nothing(statistician: Statistician) -> None:
    assert [(stats.live, stats.deleted) for stats in statistician.report().models] == [(0, 0), (0, 0)]


def test_an_unknown_model_is_named(statistician: Statistician) -> None:
    with pytest.raises(UsageError, match="Pst"):
        statistician.report(["Pst"])


def test_recording_keeps_one_row_a_day(mongo: Mongo, statistician: Statistician) -> None:
    fill(mongo)
    assert statistician.record(statistician.report()) == 2
    mongo.collection("posts").insert_one({"title": "one more"})
    statistician.record(statistician.report())
    rows = list(mongo.collection(STATISTICS).find({"model": "Post"}))
    assert [(row["live"], row["deleted"], row["due"]) for row in rows] == [(6, 5, 3)]
