"""`datactl undo` and `ops show`: what the terminal says, the exit codes, and what is asked before."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.commands.conftest import Project


def change(project: Project, number: int = 3) -> str:
    """Create so many posts and change them all; the operation."""
    project.create(number)
    ended = project.run("update", "Post", "--filter", "views>=0", "--json", '{"$inc": {"views": 10}}', "--yes")
    assert ended.status == 0, ended.err
    return str(ended.json["op"])


def views(project: Project) -> list[Any]:
    return sorted(post["views"] for post in project.database["posts"].find())


def test_a_dry_run_lists_and_changes_nothing(project: Project) -> None:
    op = change(project)
    project.database["posts"].update_one({"views": 11}, {"$set": {"views": 99}})
    ended = project.run("undo", op, "--dry-run", "-o", "table")
    assert ended.status == 0
    assert ended.out.splitlines()[0].split() == ["MODEL", "ID", "WAS", "FATE", "WHY"]
    assert "views changed since by another program" in ended.out
    assert ended.err == "2 undone, 1 changed since: nothing was changed\n"
    assert views(project) == [10, 12, 99]
    found = project.run("undo", op, "--dry-run", "-o", "json").json
    assert [each["kind"] for each in found].count("undone") == 2
    lines = project.run("undo", op, "--dry-run", "-o", "ndjson").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [each["id"] for each in found]


def test_several_documents_want_a_confirmation(project: Project) -> None:
    op = change(project)
    refused = project.run("undo", op)
    assert refused.status == 12
    assert f"{op}: Post 3 updated by maria" in refused.err
    assert '--confirm "posts 3"' in refused.err
    assert views(project) == [10, 11, 12]
    ended = project.run("undo", op[:-2].lower(), "--confirm", "posts 3", "--reason", "wrong", "-o", "table")
    assert (ended.status, views(project)) == (0, [0, 1, 2])
    assert ended.out.startswith(f"operation {op}: 3 undone\nop ")
    undone = ended.out.split()[5]
    assert ended.out.endswith(f"op {undone}   undo this: datactl undo {undone}\n")
    again = project.run("undo", op, "--yes")
    assert (again.status, again.json["fates"]) == (0, {"already so": 3})


def test_one_document_is_undone_at_once_and_what_is_left_is_exit_3(project: Project) -> None:
    (known,) = project.create(1)
    op = project.run("delete", "Post", known).json["op"]
    ended = project.run("undo", op)
    assert (ended.status, ended.json["fates"]) == (0, {"undone": 1})
    op = (
        project.run("update", "Post", known, "--set", "views=5", "--set", "title=new").err
        or project.database["outboxes"].find_one({"eventType": "PostUpdated"})["op"]
    )
    project.database["posts"].update_one({}, {"$set": {"views": 6}})
    ended = project.run("undo", op)
    assert ended.status == 3
    assert f"Post {known}" in ended.err
    assert "views changed since by another program" in ended.err
    assert project.database["posts"].find_one()["title"] == "Post 0"


def test_show_tells_what_was_touched_and_how_to_undo_it(project: Project) -> None:
    op = change(project)
    shown = project.run("ops", "show", op, "-o", "json").json
    assert (shown["touched"], shown["undo"]) == ({"Post": {"updated": 3}}, f"datactl undo {op}")
    assert re.search("^touched +Post: 3 updated$", project.run("ops", "show", op, "-o", "table").out, re.MULTILINE)
    undone = project.run("undo", op, "--yes").json["op"]
    shown = project.run("ops", "show", op, "-o", "json").json
    assert shown["undoneBy"] == undone
    assert "undo" not in shown
    assert project.run("ops", "show", undone, "-o", "json").json["detail"]["undoes"] == op


def test_an_operation_on_one_document_is_shown_without_a_ledger_row(project: Project) -> None:
    (known,) = project.create(1)
    op = project.run("delete", "Post", known, "--reason", "spam").json["op"]
    shown = project.run("ops", "show", op, "-o", "json").json
    assert (shown["kind"], shown["state"], shown["actor"], shown["reason"]) == ("soft_delete", "done", "maria", "spam")
    assert shown["touched"] == {"Post": {"deleted": 1}}
    resumed = project.run("ops", "resume", op)
    assert (resumed.status, "done already" in resumed.err) == (0, True)


def test_a_stopped_undo_is_carried_on(project: Project) -> None:
    op = change(project)
    undone = project.run("undo", op, "--yes").json["op"]
    ops = project.database["datactl_ops"]
    ops.update_one({"_id": undone}, {"$set": {"state": "stopped", "position": 2, "counts.changed": 2}})
    ended = project.run("ops", "resume", undone[:-1])
    assert (ended.status, ended.json["fates"]) == (0, {"undone": 2, "already so": 1})
    assert ops.find_one({"_id": undone})["state"] == "done"
    assert project.run("ops", "resume", undone).json["fates"] == {"undone": 2, "already so": 1}


def test_no_such_operation_and_one_of_the_archive(project: Project) -> None:
    assert project.run("undo", "ZZZZ").status == 6
    assert project.run("undo", "").status == 6
    project.run("delete", "Post", *project.create(2))
    project.age()
    assert project.run("archive", "Post", "90").status == 0
    op = project.database["datactl_ops"].find_one({"kind": "archive"})["_id"]
    ended = project.run("undo", op)
    assert (ended.status, "datactl restore Post ID" in ended.err) == (2, True)
