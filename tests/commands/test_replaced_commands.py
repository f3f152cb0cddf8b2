"""The commands of the system that datactl replaces run word for word, and do what they did there."""

from __future__ import annotations

import json

from tests.commands.conftest import Project


def deleted_posts(project: Project, number: int, *, days: int) -> list[str]:
    ids = project.create(number)
    assert project.run("delete", "Post", *ids, "--reason", "policy").status == 0
    project.age(days)
    return ids


def test_archive(project: Project) -> None:
    deleted_posts(project, 3, days=100)
    kept = project.create(1)
    ended = project.run("archive")
    assert ended.status == 0, ended.err
    assert [(report["model"], report["archived"]) for report in ended.json["reports"]] == [("Post", 3)]
    assert [str(post["_id"]) for post in project.database["posts"].find()] == kept


def test_archive_post_30(project: Project) -> None:
    deleted_posts(project, 3, days=40)
    assert project.run("archive", "Post").json["reports"] == []
    assert project.run("archive", "Post", "60").json["reports"] == []
    assert project.run("archive", "Post", "30").json["reports"][0]["archived"] == 3
    assert project.database["posts"].count_documents({}) == 0


def test_stats(project: Project) -> None:
    deleted_posts(project, 3, days=100)
    project.create(2)
    project.run("archive", "Post")
    shown = project.run("stats")
    assert shown.status == 0, shown.err
    figures = {model["model"]: model for model in shown.json["models"]}
    assert list(figures) == ["Post", "Category", "Log"]
    assert (figures["Post"]["live"], figures["Post"]["deleted"]) == (2, 0)
    assert figures["Post"]["archived"]["documents"] == 3
    assert figures["Post"]["outbox"]["pending"] > 0


def test_stats_post(project: Project) -> None:
    deleted_posts(project, 3, days=100)
    figures = project.run("stats", "Post").json["models"]
    assert [model["model"] for model in figures] == ["Post"]
    assert figures[0]["byReason"] == {"policy": 3}
    assert (figures[0]["deleted"], figures[0]["due"]) == (3, 3)
    table = project.run("stats", "Post", "-o", "table").out
    assert table.splitlines()[0].split()[:5] == ["MODEL", "LIVE", "DELETED", "DUE", "ARCHIVED"]
    assert "deleted: policy" in table


def test_stats_record_keeps_a_row_per_model_and_day(project: Project) -> None:
    for _ in range(2):
        assert project.run("stats", "--record").status == 0
    assert project.database["datactl_stats"].count_documents({}) == 3


def test_indexes(project: Project) -> None:
    first = project.run("indexes")
    assert first.status == 0, first.err
    states = {row["name"]: row["state"] for row in first.json}
    assert states["slug_1"] == "created"
    again = project.run("index", "Post")
    assert {row["state"] for row in again.json} <= {"present", "unsupported"}
    assert "slug_1" in project.database["posts"].index_information()


def test_indexes_report_drift_and_clashes(project: Project) -> None:
    project.database["posts"].create_index([("slug", 1)], name="slug_1")
    ended = project.run("indexes")
    assert ended.status == 5
    assert "slug_1" in ended.err
    project.database["posts"].drop_index("slug_1")
    project.database["posts"].insert_many([{"slug": "a"}, {"slug": "a"}])
    clash = project.run("index", "Post")
    assert clash.status == 3
    assert "posts.slug_1" in clash.err
    assert {row["name"]: row["state"] for row in clash.json}["slug_1"] == "failed"


def test_restore_post_id(project: Project) -> None:
    first, second, _ = deleted_posts(project, 3, days=100)
    before = project.database["posts"].find_one({"views": 0})
    project.run("archive", "Post")
    ended = project.run("restore", "Post", first)
    assert ended.status == 0, ended.err
    assert ended.json["restored"][0]["cameFrom"] == "archived"
    back = project.database["posts"].find_one()
    marks = ("deleted", "deletedAt", "deletedBy", "deleteReason", "deletedOp")
    assert {k: v for k, v in back.items() if k not in (*marks, "updatedAt")} == {
        k: v for k, v in before.items() if k not in (*marks, "updatedAt")
    }
    found = project.run("archive", "find", "Post", second).json
    assert (found["place"], found["copies"][0]["offered"]) == ("archived", True)
    assert json.dumps(found)
