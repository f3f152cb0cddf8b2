"""`archive`, its words, and `restore`, as they read on a screen and in a script."""

from __future__ import annotations

import re

import pytest
from bson import ObjectId

from datactl.archive import bind
from datactl.mongo.leases import Holder, Lease
from tests.commands.conftest import Project


@pytest.fixture
def archived(project: Project) -> list[str]:
    """Three posts in the vault; their ids."""
    ids = project.create(3)
    project.run("delete", "Post", *ids, "--reason", "policy")
    project.age()
    assert project.run("archive", "Post").status == 0
    return ids


def test_a_run_tells_plan_result_op_and_the_way_back(project: Project) -> None:
    ids = project.create(3)
    project.run("delete", "Post", *ids)
    project.age()
    ended = project.run("archive", "Post", "-o", "table")
    assert re.match(r"plan       Post  3 documents marked before \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, \d+ B\n$", ended.err)
    first, second = ended.out.splitlines()
    assert re.match(r"Post: archived 3 documents in 1 segment, [\d.]+ k?B \(\d\.\d:1\)$", first)
    assert re.match(r"op [0-9A-Z]{26}   one back: datactl restore Post ID$", second)


def test_nothing_due_is_no_error(project: Project) -> None:
    ended = project.run("archive", "Post", "-o", "table")
    assert (ended.status, ended.out) == (0, "nothing was due\n")


def test_plan_changes_nothing(project: Project) -> None:
    ids = project.create(3)
    project.run("delete", "Post", *ids)
    project.age()
    shown = project.run("archive", "plan", "Post", "30")
    assert (shown.status, shown.json[0]["documents"], shown.json[0]["days"]) == (0, 3, 30)
    assert [plan["model"] for plan in project.run("archive", "plan").json] == ["Post", "Category"]
    assert project.database["posts"].count_documents({}) == 3
    assert project.run("archive", "list").json == []


def test_the_words_win_over_model_names(project: Project) -> None:
    assert project.run("archive", "list").status == 0
    ended = project.run("archive", "lst")
    assert ended.status == 2
    assert 'unknown model "lst"' in ended.err


def test_list_names_segments(project: Project, archived: list[str]) -> None:
    (segment,) = project.run("archive", "list", "Post").json
    assert (segment["model"], segment["documents"], segment["actor"]) == ("Post", len(archived), "maria")
    assert segment["name"] in project.run("archive", "list", "-o", "table").out


def test_find_says_where(project: Project, archived: list[str]) -> None:
    live = project.create(1)[0]
    assert project.run("archive", "find", "Post", live).json["place"] == "live"
    found = project.run("archive", "find", "Post", archived[0], "-o", "table")
    assert found.status == 0
    assert f"Post {archived[0]}: archived" in found.out
    assert f"next: datactl restore Post {archived[0]}" in found.err
    absent = project.run("archive", "find", "Post", "60f1b2c3d4e5f6789abcdef0")
    assert (absent.status, absent.json["place"]) == (6, "absent")


@pytest.mark.parametrize("deep", [[], ["--deep"]])
def test_verify_is_clean_and_then_finds_damage(deep: list[str], project: Project, archived: list[str]) -> None:
    clean = project.run("archive", "verify", *deep)
    assert (clean.status, clean.json["segments"], clean.json["damaged"]) == (0, 1, 0)
    assert archived
    (segment,) = project.directory.glob(".datactl/vault/segments/Post/*.bson.gz")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.chmod(0o600)
    segment.write_bytes(data)
    damaged = project.run("archive", "verify", *deep)
    assert damaged.status == 5
    assert damaged.json["findings"][0]["code"] == "segment_damaged"
    assert "[findings]" in damaged.err
    assert "1 damaged object" in project.run("archive", "verify", *deep, "-o", "table").out


def test_restore_of_several_reports_each(project: Project, archived: list[str]) -> None:
    absent = "60f1b2c3d4e5f6789abcdef0"
    ended = project.run("restore", "Post", *archived, absent)
    assert ended.status == 3
    assert len(ended.json["restored"]) == 3
    assert ended.json["failed"][0]["code"] == "not_found"
    assert "[partly_done]" in ended.err
    again = project.run("restore", "Post", *archived)
    assert (again.status, len(again.json["unchanged"])) == (0, 3)


def test_restore_of_what_is_nowhere_exits_6(project: Project) -> None:
    ended = project.run("restore", "Post", "60f1b2c3d4e5f6789abcdef0")
    assert ended.status == 6
    assert "[not_found]" in ended.err


def test_a_conflict_is_listed_and_changes_nothing(project: Project) -> None:
    created = project.run("create", "Post", '{"title": "a", "content": "b", "slug": "same"}').json["_id"]["$oid"]
    project.run("delete", "Post", created)
    project.run("create", "Post", '{"title": "c", "content": "d", "slug": "same"}')
    ended = project.run("restore", "Post", created)
    assert ended.status == 7
    assert "[restore_conflict]" in ended.err
    assert "slug" in ended.err
    assert project.database["posts"].count_documents({"deleted": True}) == 1


def test_an_archived_document_that_clashes_comes_back_with_another_value(project: Project) -> None:
    created = project.run("create", "Post", '{"title": "a", "content": "b", "slug": "same"}').json["_id"]["$oid"]
    project.run("delete", "Post", created)
    project.age()
    project.run("archive", "Post")
    project.run("create", "Post", '{"title": "c", "content": "d", "slug": "same"}')
    clash = project.run("restore", "Post", created)
    assert (clash.status, clash.out) == (7, "")
    done = project.run("restore", "Post", created, "--set", "slug=other", "--set", "views=12")
    assert done.status == 0, done.err
    post = project.run("get", "Post", created).json
    assert (post["slug"], post["views"], post["title"]) == ("other", 12, "a")


def test_a_named_copy_comes_back_once_more(project: Project, archived: list[str]) -> None:
    """The database was restored from a backup that is older than a restore."""
    lost = archived[0]
    assert project.run("restore", "Post", lost).status == 0
    project.database["posts"].delete_one({"_id": ObjectId(lost)})
    refused = project.run("restore", "Post", lost)
    assert refused.status == 6
    (segment,) = project.run("archive", "list", "Post").json
    following = f"datactl restore Post {lost} --from {segment['name']}"
    assert following in refused.err
    assert re.search(r"brought back \d{4}-\d\d-\d\d \d\d:\d\d UTC", refused.err)
    nowhere = project.run("archive", "find", "Post", lost)
    assert (nowhere.status, following in nowhere.err) == (6, True)
    done = project.run("restore", "Post", lost, "--from", segment["name"])
    assert (done.status, done.json["restored"][0]["copy"]["segment"]) == (0, segment["name"])
    assert project.run("get", "Post", lost).status == 0
    assert project.run("restore", "Post", lost, "--from", segment["name"]).status == 7
    assert project.run("restore", "Post", lost, "--from", "no segment").status == 2


def test_what_an_earlier_run_left_damaged_ends_in_exit_3_and_the_rest_is_archived(
    project: Project, archived: list[str]
) -> None:
    (segment,) = project.run("archive", "list", "Post").json
    vault = project.directory / ".datactl" / "vault"
    (vault / "receipts" / "Post" / segment["name"] / "deleted.json").unlink()  # its run was killed before
    (path,) = vault.glob("segments/Post/*.bson.gz")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    more = project.create(2)
    project.run("delete", "Post", *more)
    project.age()
    ended = project.run("archive", "Post")
    assert ended.status == 3
    (report,) = ended.json["reports"]
    assert (report["archived"], len(report["settled"]["damaged"])) == (2, 1)
    assert "[partly_done]" in ended.err
    assert "datactl archive verify" in ended.err
    assert archived


def test_a_vault_in_memory_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = project.create(2)
    project.run("delete", "Post", *ids)
    project.age()
    monkeypatch.setenv("DATACTL_VAULT", "memory:")
    for words in (
        ["archive", "Post"],
        ["archive", "plan"],
        ["archive", "list"],
        ["restore", "Post", ids[0]],
        ["stats"],
    ):
        ended = project.run(*words)
        assert (ended.status, "[config]" in ended.err) == (2, True), words
    assert project.database["posts"].count_documents({"deleted": True}) == 2


def test_a_second_run_exits_11_and_names_the_first(project: Project) -> None:
    ids = project.create(1)
    project.run("delete", "Post", *ids)
    project.age()
    holder = Holder.here("zoe", "01K6ZR7M")
    mongo, vault = project.workspace.mongo, project.workspace.vault
    bind(mongo, vault)
    with Lease.acquire(mongo, "archive:Post", epoch=vault.claim_epoch("Post"), holder=holder):
        ended = project.run("archive", "Post")
        assert ended.status == 11
        assert "[locked]" in ended.err
        assert str(holder.pid) in ended.err
        assert holder.host in ended.err
        assert project.database["posts"].count_documents({}) == 1
    assert project.run("archive", "Post").status == 0
