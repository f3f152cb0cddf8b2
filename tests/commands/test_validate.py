"""`datactl validate`: its forms, its limits, and the marks that it stamps."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from tests.commands.conftest import Project

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHECKS = "documents, marks, references, duplicates, copies, outside-writes, indexes, vault"


@pytest.fixture
def sound(project: Project) -> Project:
    """The project with its indexes, two posts that are fine and a category."""
    assert project.run("index").status == 0
    category = ObjectId()
    project.database["categories"].insert_one({"_id": category, "name": "c"})
    posts = [{"title": f"t{n}", "content": "c", "slug": f"s{n}", "category": category, "__v": 0} for n in range(2)]
    project.database["posts"].insert_many(posts)
    return project


def broken(project: Project) -> dict[str, Any]:
    """One post of each of four faults; their ids by the code that is found."""
    ids = {code: ObjectId() for code in ("type", "undated", "dangling", "left_over")}
    post = {"title": "t", "content": "c"}
    project.database["posts"].insert_many(
        [
            post | {"_id": ids["type"], "views": "many", "token": "s3cret"},
            post | {"_id": ids["undated"], "deleted": True},
            post | {"_id": ids["dangling"], "category": ObjectId()},
            post | {"_id": ids["left_over"], "deletedBy": "x"},
        ]
    )
    return ids


def found(project: Project, *arguments: str) -> list[dict[str, Any]]:
    """The findings, and that the exit status is theirs."""
    ended = project.run("validate", *arguments, "-o", "ndjson")
    findings = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.status == (5 if findings else 0)
    return findings


def test_a_sound_project_is_said_to_be_sound(sound: Project) -> None:
    ended = sound.run("validate", "-o", "table")
    assert (ended.status, ended.out, ended.err) == (0, "8 checks of 3 models: nothing is broken\n", "")
    assert sound.run("validate", "-o", "json").json == []
    assert sound.run("validate", "-o", "yaml").out == "[]\n"
    assert sound.run("validate", "-o", "ndjson").out == ""


def test_findings_are_lines_with_a_reason_and_steps(sound: Project) -> None:
    ids = broken(sound)
    ended = sound.run("validate", "-o", "table")
    lines = ended.out.splitlines()
    assert ended.status == 5
    assert lines[0] == f'Post  {ids["type"]}  /views expected int, found "many"   [documents/type]'
    assert len(lines) == 4 + 1 + 4
    assert "1 marks/undated" in ended.out
    assert f"datactl update Post {ids['type']} --set FIELD=VALUE" in ended.out
    assert "error: 4 findings: 1 of documents, 2 of marks, 1 of references" in ended.err
    assert "s3cret" not in ended.out + ended.err


def test_findings_in_json_name_the_document_and_are_counted(sound: Project) -> None:
    ids = broken(sound)
    ended = sound.run("validate", "Post", "-o", "json")
    assert ended.status == 5
    assert {(each["code"], each["where"], each["id"]["$oid"]) for each in ended.json} == {
        (code, str(made), str(made)) for code, made in ids.items()
    }
    assert set(ended.json[0]) == {"check", "code", "model", "where", "what", "next", "id"}
    assert ended.error["details"]["counts"] == {
        "documents/type": 1,
        "marks/undated": 1,
        "marks/left_over": 1,
        "references/dangling": 1,
    }
    sound.database["posts"].drop_index("slug_1")
    (missing,) = found(sound, "Post", "--only", "indexes")
    assert (missing["where"], "id" in missing) == ("slug_1", False)


def test_only_some_checks_and_only_so_many_findings(sound: Project) -> None:
    broken(sound)
    assert [each["code"] for each in found(sound, "--only", "references")] == ["dangling"]
    assert {each["check"] for each in found(sound, "--only", " references,marks")} == {"marks", "references"}
    assert found(sound, "Category") == []
    ended = sound.run("validate", "--max-findings", "2", "-o", "ndjson")
    assert (ended.status, len(ended.out.splitlines())) == (5, 2)
    assert ended.error["what"] == "2 findings, and there may be more"
    assert len(found(sound, "--max-findings", "0")) == 4


def test_bad_input(sound: Project) -> None:
    for arguments, said in {
        ("--only", "mark"): f'unknown check "mark": there are {CHECKS}',
        ("--only", ","): "no check is named",
        ("Pst",): 'did you mean "Post"?',
        ("--sample", "0"): "--sample",
        ("--max-findings", "-1"): "--max-findings",
    }.items():
        ended = sound.run("validate", *arguments)
        assert (ended.status, ended.out) == (2, "")
        assert said in ended.err


def test_a_sample_finds_what_is_in_it(sound: Project) -> None:
    broken(sound)
    ended = sound.run("validate", "Post", "--sample", "6", "-o", "ndjson")
    assert ended.status == 5
    assert len(ended.out.splitlines()) == 4
    assert "duplicates is left out: a sample cannot tell" in ended.err
    fewer = sound.run("validate", "Post", "--sample", "1", "--only", "documents,marks,references", "-o", "ndjson")
    assert len(fewer.out.splitlines()) <= 1


def test_marks_without_a_date_are_stamped_with_who_and_why(sound: Project) -> None:
    ids = broken(sound)
    before = sound.workspace.mongo.server_time()
    ended = sound.run("validate", "Post", "--only", "marks", "--fix-marks", "--reason", "an old script", "-o", "ndjson")
    assert [json.loads(line)["code"] for line in ended.out.splitlines()] == ["left_over"]
    post = sound.database["posts"].find_one({"_id": ids["undated"]})
    assert post["deleted"] is True
    assert before <= post["deletedAt"].replace(tzinfo=UTC)
    (event,) = sound.database["outboxes"].find({"aggregateId": ids["undated"]})
    assert (event["eventType"], event["actor"], event["reason"]) == ("PostUpdated", "maria", "an old script")
    assert set(event["payload"]["after"]) == {"deletedAt", "updatedAt"}
    assert event["payload"]["before"] == {}
    row = sound.database["datactl_ops"].find_one({"_id": event["op"]})
    assert (row["kind"], row["state"], row["counts"]["changed"]) == ("fix_marks", "done", 1)
    assert f"Post: stamped 1 document; undo: datactl undo {event['op']}" in ended.err
    assert [each["code"] for each in found(sound, "Post", "--only", "marks,outside-writes")] == ["left_over"]


def test_stamping_again_does_nothing(sound: Project) -> None:
    broken(sound)
    sound.database["posts"].insert_one({"title": "t", "content": "c", "deleted": [True]})
    sound.run("validate", "--fix-marks")
    operations = sound.database["datactl_ops"].count_documents({})
    ended = sound.run("validate", "--fix-marks", "-o", "ndjson")
    assert "stamped" not in ended.err
    assert sound.database["datactl_ops"].count_documents({}) == operations


def test_stamping_that_was_stopped_is_carried_on(sound: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from datactl.render.progress import ProgressWatcher

    posts = sound.database["posts"]
    posts.insert_many([{"title": "t", "content": "c", "deleted": True} for _ in range(1200)])
    seen = 0

    def after_a_chunk(_: object) -> bool:
        nonlocal seen
        seen += 1
        return seen > 1

    with monkeypatch.context() as patched:
        patched.setattr(ProgressWatcher, "stopping", after_a_chunk)
        ended = sound.run("validate", "Post", "--fix-marks")
    assert ended.status == 130
    assert posts.count_documents({"deletedAt": None, "deleted": True}) == 700
    op = ended.err.split("datactl ops resume ")[1].split()[0]
    assert sound.run("ops", "resume", op).status == 0
    assert posts.count_documents({"deletedAt": None, "deleted": True}) == 0
    assert sound.database["outboxes"].count_documents({"eventType": "PostUpdated"}) == 1200


MARKS = {
    "date_type": {"deleted": True, "deletedAt": "2024"},
    "future_date": {"deleted": True, "deletedAt": datetime(2999, 1, 1, tzinfo=UTC)},
    "mark_type": {"deleted": "true"},
    "left_over": {"deletedAt": NOW},
    "mark_field_type": {"deleted": True, "deletedAt": NOW, "deletedOp": 7},
}


@pytest.mark.parametrize("code", MARKS)
def test_what_is_said_to_help_against_a_bad_mark_helps(sound: Project, code: str) -> None:
    sound.database["posts"].insert_one({"title": "t", "content": "c"} | MARKS[code])
    (finding,) = found(sound, "Post")
    assert finding["code"] == code
    for step in finding["next"].split(";")[0].split(", then "):
        assert sound.run(*shlex.split(step)[1:]).status == 0
    assert found(sound, "Post") == []


def test_a_vault_of_another_database_is_a_finding_and_no_end(sound: Project) -> None:
    ids = broken(sound)
    sound.database["datactl_meta"].insert_one(
        {"_id": "vault", "database": "other", "names": [sound.database.name], "vault": "v", "url": "file:/elsewhere"}
    )
    codes = {each["code"]: each for each in found(sound)}
    assert set(codes) == {*ids, "mismatch"}
    assert "DATACTL_VAULT" in codes["mismatch"]["next"]


def test_what_was_imported_is_as_its_events_say(sound: Project, tmp_path: Path) -> None:
    lines = [json.dumps({"title": f"t{n}", "content": "c", "token": "s3cret", "views": n}) for n in range(20)]
    file = tmp_path / "posts.ndjson"
    file.write_text("\n".join(lines))
    assert sound.run("import", "Post", str(file)).status == 0
    assert sound.database["outboxes"].count_documents({"eventType": "PostCreated"}) == 20
    assert found(sound) == []


def test_a_table_shows_ten_of_a_code_and_how_to_have_the_rest(sound: Project) -> None:
    post = {"title": "t", "content": "c", "views": "many"}
    sound.database["posts"].insert_many([post | {"_id": ObjectId()} for _ in range(13)])
    sound.database["categories"].insert_many([{"_id": ObjectId(), "name": 1} for _ in range(2)])
    ended = sound.run("validate", "-o", "table")
    lines = ended.out.splitlines()
    assert sum("[documents/type]" in line for line in lines) == 10 + 2
    assert "3 more documents/type: datactl validate Post --only documents -o ndjson" in lines
    (summary,) = [line for line in lines if line.startswith("15 documents/type")]
    assert "also of Post" in summary or "also of Category" in summary
    assert len(found(sound)) == 15
    cut = sound.run("validate", "Post", "--max-findings", "12", "-o", "table")
    assert "2 more documents/type: datactl validate Post --only documents -o ndjson --max-findings 0" in cut.out
