"""find, get, create, update, delete and restore, through the command line, on a real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.commands.conftest import Project

ABSENT = "60f1b2c3d4e5f6789abcdef0"


def test_one_document_from_creation_to_restore(project: Project) -> None:
    run = project.run
    created = run("create", "Post", '{"title": "First", "content": "Text", "price": "19.90"}', "--reason", "a start")
    assert created.status == 0, created.err
    post = created.json["_id"]["$oid"]
    assert created.json["price"] == {"$numberDecimal": "19.90"}
    assert created.json["views"] == 0

    changed = run("update", "Post", post, '{"title": "Second"}')
    assert changed.json["title"] == "Second"
    assert run("update", "posts", post, "--set", "views=12", "--unset", "price").json["views"] == 12
    assert "price" not in run("get", "Post", post).json

    marked = run("delete", "Post", post, "--reason", "spam", "--actor", "zoe")
    assert (marked.status, marked.json["changed"]) == (0, True)
    assert run("get", "Post", post).status == 6
    assert run("get", "Post", post, "--with-deleted").json["deleteReason"] == "spam"
    again = run("delete", "Post", post)
    assert (again.status, again.json["changed"]) == (0, False)

    back = run("restore", "Post", post)
    assert (back.status, back.json["restored"][0]["cameFrom"]) == (0, "marked")
    assert run("get", "Post", post).json["title"] == "Second"
    events = [(row["eventType"], row["actor"], row["reason"]) for row in project.database["outboxes"].find()]
    assert sorted(events, key=str) == [
        ("PostCreated", "maria", "a start"),
        ("PostDeleted", "zoe", "spam"),
        ("PostRestored", "maria", None),
        ("PostUpdated", "maria", None),
        ("PostUpdated", "maria", None),
    ]


def test_create_takes_a_file_an_array_and_lines(project: Project) -> None:
    run = project.run
    Path("one.json").write_text('{\n "title": "a",\n "content": "b"\n}')
    assert run("create", "Post", "one.json").json["title"] == "a"
    many = run("create", "Post", "-", stdin=b'[{"title": "c", "content": "d"}, {"title": "e", "content": "f"}]')
    assert (many.status, many.json["changed"]) == (0, 2)
    lines = run("create", "Post", "-", stdin=b'{"title": "g", "content": "h"}\n{"title": "i", "content": "j"}\n')
    assert (lines.status, lines.json["changed"]) == (0, 2)
    assert project.database["posts"].count_documents({}) == 5


def test_a_bulk_create_reports_what_failed_and_exits_3(project: Project) -> None:
    lines = b'{"title": "a", "content": "b"}\n{"title": 5}\n{"title": "c", "content": "d"}\n'
    ended = project.run("create", "Post", "-", stdin=lines)
    assert ended.status == 3
    assert (ended.json["changed"], ended.json["failures"]) == (2, 1)
    assert "number 2" in ended.err
    assert "[partly_done]" in ended.err


def test_find_filters_sorts_pages_and_searches(project: Project) -> None:
    project.create(45)
    run = project.run
    assert len(run("find", "Post").json) == 20
    some = run("find", "Post", "--filter", "views>=40,title~post", "--sort", "-views", "-o", "ndjson")
    assert [json.loads(line)["views"] for line in some.out.splitlines()] == [44, 43, 42, 41, 40]
    assert [post["views"] for post in run("find", "Post", "--page", "3", "--sort", "views").json] == [
        40,
        41,
        42,
        43,
        44,
    ]
    assert len(run("find", "Post", "--limit", "0").json) == 45
    assert [post["title"] for post in run("find", "Post", "--search", "post 44").json] == ["Post 44"]
    assert [
        p["views"] for p in yaml.safe_load(run("find", "Post", "--filter", '{"views": {"lt": 2}}', "-o", "yaml").out)
    ] == [0, 1]


def test_the_hint_gives_the_next_page(project: Project) -> None:
    project.create(5)
    first = project.run("find", "Post", "--sort", "views", "--limit", "3")
    assert "3 of 5" in first.err
    cursor = first.err.split("--after ")[1].split()[0]
    second = project.run("find", "Post", "--sort", "views", "--limit", "3", "--after", cursor)
    assert [post["views"] for post in second.json] == [3, 4]
    assert second.err == ""
    assert project.run("find", "Post", "--limit", "3", "--quiet").err == ""


def test_the_envelope_is_that_of_the_http_answer(project: Project) -> None:
    project.create(5)
    shown = project.run("find", "Post", "--sort", "views", "--limit", "3", "--envelope").json
    assert [post["views"] for post in shown["data"]] == [0, 1, 2]
    pagination = shown["pagination"]
    assert isinstance(pagination.pop("next"), str)
    assert pagination == {"page": 1, "pages": 2, "total": 5, "hasNext": True, "hasPrev": False}


def test_find_shows_deleted_documents_only_when_asked(project: Project) -> None:
    ids = project.create(3)
    project.run("delete", "Post", ids[0], "--reason", "old")
    assert len(project.run("find", "Post").json) == 2
    assert [post["_id"]["$oid"] for post in project.run("find", "Post", "--deleted").json] == [ids[0]]
    assert len(project.run("find", "Post", "--with-deleted").json) == 3
    assert len(project.run("find", "Post", "--with-deleted", "--limit", "0").json) == 3
    assert len(project.run("find", "Post", "--deleted", "--limit", "0").json) == 1


def test_explain_says_how_and_which_index_would_serve(project: Project) -> None:
    project.create(3)
    shown = project.run("find", "Post", "--filter", "views>=2", "--explain").json
    assert shown["documentsExamined"] == 3
    assert "views" in shown["suggestion"]


def test_secret_fields_are_never_shown(project: Project) -> None:
    created = project.run("create", "Post", '{"title": "a", "content": "b", "token": "hunter2"}')
    assert created.status == 0
    for arguments in (["find", "Post"], ["find", "Post", "--limit", "0", "-o", "table"], ["models", "show", "Post"]):
        assert "hunter2" not in project.run(*arguments).out
    assert "hunter2" not in created.out + created.err
    assert project.run("find", "Post", "--filter", "token=hunter2").status == 2
    assert project.run("find", "Post", "--sort", "token").status == 2


def test_tables_show_rows_and_marks(project: Project) -> None:
    ids = project.create(2)
    project.run("delete", "Post", ids[1], "--reason", "old")
    shown = project.run("find", "Post", "--with-deleted", "--sort", "views", "-o", "table").out.splitlines()
    assert shown[0].split()[:5] == ["_id", "title", "deletedAt", "deletedBy", "deleteReason"]
    assert ids[0] in shown[1]
    assert "maria" in shown[2]
    fields = [line.split(maxsplit=1) for line in project.run("get", "Post", ids[0], "-o", "table").out.splitlines()]
    assert ["title", "Post 0"] in fields


def test_update_by_filter_wants_the_count_confirmed(project: Project) -> None:
    project.create(5)
    change = ["update", "Post", "--filter", "views<3", "--set", "content=new"]
    declined = project.run(*change)
    assert declined.status == 12
    assert project.database["posts"].count_documents({"content": "new"}) == 0
    done = project.run(*change, "--confirm", "posts 3")
    assert (done.status, done.json["changed"]) == (0, 3)


def test_update_of_several_ids_names_the_one_that_is_missing(project: Project) -> None:
    ids = project.create(2)
    ended = project.run("update", "Post", *ids, ABSENT, "--set", "content=new")
    assert ended.status == 3
    assert ABSENT in ended.err
    assert project.database["posts"].count_documents({"content": "new"}) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["update", "Post"], "give ids or --filter"),
        (["update", "Post", ABSENT], "nothing to change"),
        (["update", "Post", ABSENT, "--set", "views"], "sets nothing"),
        (["update", "Post", ABSENT, "--set", "veiws=3"], "veiws"),
        (["update", "Post", ABSENT, "--json", "{}", "--set", "views=3"], "give the change as"),
        (["delete", "Post"], "give ids or --filter"),
        (["delete", "Post", ABSENT, "--filter", "views=1"], "give only one"),
        (["find", "Post", "--deleted", "--with-deleted"], "give only one"),
        (["find", "Post", "--page", "2", "--after", "x"], "give only one"),
        (["find", "Post", "--limit", "0", "--search", "x"], "--limit 0"),
        (["find", "Post", "--after", "forged"], "cursor"),
        (["find", "Post", "--filter", "veiws=3"], "veiws"),
        (["find", "Post", "--filter", '{"$where": "1"}'], "$where"),
        (["find", "Pst"], 'unknown model "Pst"'),
        (["get", "Post", "12"], "12"),
        (["archive", "Post", "soon"], "no number of days"),
        (["archive", "Post", "--wait", "soon"], "no length of time"),
    ],
)
def test_wrong_usage_exits_2_and_changes_nothing(arguments: list[str], said: str, project: Project) -> None:
    project.create(1)
    events = project.database["outboxes"].count_documents({})
    ended = project.run(*arguments)
    assert ended.status == 2, ended.err
    assert said in ended.err
    assert ended.out == ""
    assert project.database["outboxes"].count_documents({}) == events


def test_every_problem_of_a_document_is_counted_and_lined_up(project: Project) -> None:
    (project.directory / "models.yaml").write_text(
        "models: {City: {fields: {_id: int, name: {type: string, required: true}, population: int}}}\n"
    )
    refused = project.run("create", "City", '{"population": "many"}', "-o", "table")
    assert refused.status == 2
    first, *problems = refused.err.splitlines()
    assert first.startswith("error: the document is no valid City: 3 problems")
    assert {line.split()[0] for line in problems} == {"/_id", "/name", "/population"}
    columns = {len(line) - len(line.lstrip().partition(" ")[2].lstrip()) for line in problems}
    assert len(columns) == 1  # what is wrong stands in one column


def test_the_id_is_shown_as_a_field_of_the_model(project: Project) -> None:
    shown = project.run("models", "show", "Post", "-o", "json").json
    assert next(field["name"] for field in shown["fields"]) == "_id"
