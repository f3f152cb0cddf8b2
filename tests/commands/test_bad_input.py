"""Bad input: each a clear error that names the file, field or command, the right exit code, and nothing changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson.datetime_ms import DatetimeMS

from tests.commands.conftest import Project, Run, clean_environment
from tests.engines import TestEngine

GOOD = "models:\n  Post:\n    fields:\n      title: {type: string}\n"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("models: [\n", "yaml_syntax", "models.yaml:2:1"),
        (GOOD + "      title: {type: int}\n", "duplicate_key", "models.yaml:5:7"),
        (GOOD.replace("string", "strng"), "unknown_type", "models.yaml:4:21"),
        (
            GOOD + "      author: {type: objectId, ref: Usr}\n  User: {fields: {a: {type: int}}}\n",
            "unknown_model",
            "models.yaml:5:37",
        ),
        (GOOD + "  Other: {collection: posts, fields: {a: {type: int}}}\n", "duplicate_collection", "models.yaml:5:23"),
    ],
)
def test_a_wrong_models_file(text: str, code: str, place: str, run: Run) -> None:
    Path("models.yaml").write_text(text)
    ended = run("models", "check")
    assert (ended.status, ended.out) == (2, "")
    first, source, carets = ended.err.splitlines()[:3]
    assert first.startswith(f"{place}: error: ")
    assert first.endswith(f"[{code}]")
    assert source.lstrip().startswith(f"{place.split(':')[1]} |")
    assert carets.strip().startswith("^")
    shown = run("find", "Post", "-o", "json", env={"DATACTL_URI": "mongodb://127.0.0.1:1/"})
    assert (shown.status, shown.error["code"]) == (2, "models_file")
    assert shown.error["problems"][0]["where"] == place


def test_every_mistake_is_reported_at_once(run: Run) -> None:
    Path("models.yaml").write_text(GOOD.replace("string", "strng") + "      author: {type: objectId, ref: Usr}\n")
    ended = run("models", "check")
    assert "[unknown_type]" in ended.err
    assert "[unknown_model]" in ended.err
    assert ended.err.endswith("2 errors\n")


def test_no_models_file_and_no_database_are_exit_10(run: Run) -> None:
    ended = run("models", "list")
    assert ended.status == 10
    assert "next: datactl init" in ended.err
    Path("models.yaml").write_text(GOOD)
    for arguments in (["find", "Post"], ["stats"], ["archive"], ["create", "Post", "{}"]):
        ended = run(*arguments)
        assert ended.status == 10, ended.err
        assert "DATACTL_URI" in ended.err


def test_a_uri_that_does_not_answer(run: Run) -> None:
    Path("models.yaml").write_text(GOOD)
    ended = run("find", "Post", "--uri", "mongodb://maria:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=200")
    assert ended.status == 4
    assert "[cannot_connect]" in ended.err
    assert "127.0.0.1:1" in ended.err
    assert "hunter2" not in ended.err


@pytest.mark.parametrize("uri", ["postgres://x/", "mongodb://", "mongodb://a:b:c@x/"])
def test_a_uri_that_is_none(uri: str, run: Run) -> None:
    Path("models.yaml").write_text(GOOD)
    ended = run("find", "Post", "--uri", uri)
    assert ended.status == 2, ended.err
    assert "[config]" in ended.err


def test_a_wrong_password(run: Run, start_engine: Callable[..., TestEngine]) -> None:
    Path("models.yaml").write_text(GOOD)
    engine = start_engine("--auth")
    ended = run("find", "Post", "--uri", engine.uri.replace("://", "://maria:hunter2@"))
    assert ended.status == 4
    assert "[authentication_failed]" in ended.err
    assert "hunter2" not in ended.err


@pytest.mark.parametrize(
    ("json", "code", "where"),
    [
        ('{"title": "a"}', "invalid_document", "/content"),
        ('{"title": "a", "content": "b", "views": "many"}', "invalid_document", "/views"),
        ('{"title": "a", "content": "b", "views": -1}', "invalid_document", "/views"),
        ('{"title": "a", "content": "b", "colour": "red"}', "invalid_document", "/colour"),
        ('{"title": "a", "content": "b", "publishedAt": "10000-01-01T00:00:00Z"}', "invalid_document", "/publishedAt"),
        ('{"title": "a", "content": "b", "price": {"$numberDouble": "NaN"}}', "invalid_document", "/price"),
        ('{"_id": "zz", "title": "a", "content": "b"}', "invalid_document", "/_id"),
        ('{"title": "a", "content": "b", "views": NaN}', "usage", None),
        ("{", "usage", None),
        ("[]x", "usage", None),
    ],
)
def test_a_wrong_document(json: str, code: str, where: str | None, project: Project) -> None:
    ended = project.run("create", "Post", json, "-o", "json")
    assert (ended.status, ended.error["code"]) == (2, code)
    if where is not None:
        assert where in [problem["where"] for problem in ended.error["problems"]]
    assert project.database["posts"].count_documents({}) == 0
    assert project.database["outboxes"].count_documents({}) == 0


def test_all_problems_of_a_document_are_shown(project: Project) -> None:
    ended = project.run("create", "Post", '{"views": -1, "colour": "red"}')
    for pointer in ("/title", "/content", "/views", "/colour"):
        assert f"\n  {pointer}" in ended.err


def test_a_document_of_16_mb(project: Project) -> None:
    text = b'{"title": "a", "content": "' + b"x" * (16 * 1024 * 1024) + b'"}'
    ended = project.run("create", "Post", "-", "-o", "json", stdin=text)
    assert (ended.status, ended.error["code"]) == (2, "too_large")
    assert project.database["posts"].count_documents({}) == 0


def test_stdin_that_is_no_utf8(project: Project) -> None:
    ended = project.run("create", "Post", "-", stdin=b'{"title": "\xff"}')
    assert ended.status == 2
    assert "stdin is not valid UTF-8" in ended.err


def test_lines_that_are_no_json_create_nothing(project: Project) -> None:
    lines = b'{"title": "a", "content": "b"}\n' * 700 + b"{oops\n"
    ended = project.run("create", "Post", "-", stdin=lines)
    assert ended.status == 2
    assert "stdin, line 701 is not valid JSON" in ended.err
    assert project.database["posts"].count_documents({}) == 0


@pytest.mark.parametrize("form", ["ndjson", "json", "yaml", "table"])
def test_a_pipe_closed_by_head(form: str, project: Project) -> None:
    project.create(300, content="x" * 2000)
    command = f"{sys.executable} -m datactl find Post --limit 0 -o {form} | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=project.directory,
        env=clean_environment(**project.settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["find", "Post", "--filter", " "],
        ["find", "Post", "--filter", ""],
        ["delete", "Post", "--filter", " ", "--yes"],
        ["update", "Post", "--filter", "\t", "--set", "views=9", "--yes"],
    ],
    ids=" ".join,
)
def test_a_blank_filter_is_refused(arguments: list[str], project: Project) -> None:
    project.create(2)
    ended = project.run(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert project.database["posts"].count_documents({"deleted": True}) == 0
    assert project.database["posts"].count_documents({"views": 9}) == 0


@pytest.mark.parametrize("more", [["--search", "x"], ["--page", "2"], ["--after", "x"], ["--envelope"]], ids=" ".join)
def test_explain_does_not_ignore_what_it_does_not_explain(more: list[str], project: Project) -> None:
    ended = project.run("find", "Post", "--explain", *more)
    assert ended.status == 2
    assert "--explain" in ended.err
    assert "[usage]" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [["--page", "9223372036854775807"], ["--page", "99999999999999999999999"], ["--limit", "9" * 30]],
    ids=" ".join,
)
def test_a_page_beyond_what_the_database_counts(arguments: list[str], project: Project) -> None:
    for more in ([], ["--explain"]) if arguments[0] == "--limit" else ([],):
        ended = project.run("find", "Post", *arguments, *more)
        assert ended.status == 2, ended.err
        assert "further than the database counts   [usage]" in ended.err


@pytest.mark.parametrize("days", ["99999999999", "800000", "9" * 5000])
@pytest.mark.parametrize("words", [["archive"], ["archive", "plan"]], ids=" ".join)
def test_days_before_the_calendar_begins(words: list[str], days: str, project: Project) -> None:
    ended = project.run(*words, "Post", days)
    assert ended.status == 2
    assert "[usage]" in ended.err
    assert project.run(*words, "Post", "00700000").status == 0


@pytest.mark.parametrize("words", [["create", "Post"], ["update", "Post", "60f1b2c3d4e5f6789abcdef0", "--json"]])
@pytest.mark.parametrize("levels", [120, 190, 300, 100_000])
def test_json_nested_too_deeply(words: list[str], levels: int, project: Project) -> None:
    (project.directory / "deep.json").write_text('{"title":' + '{"a":' * levels + "1" + "}" * (levels + 1))
    ended = project.run(*words, "deep.json")
    assert ended.status == 2, ended.err
    assert "unexpected" not in ended.err


@pytest.mark.real  # the embedded engine takes no such date
def test_a_mark_before_the_year_one_does_not_stop_stats(project: Project) -> None:
    project.create(1)
    posts = project.database["posts"]
    posts.update_many({}, {"$set": {"deleted": True, "deletedAt": DatetimeMS(-(10**15))}})
    posts.insert_one({"deleted": True, "deletedAt": datetime(2020, 1, 1, tzinfo=UTC), "deleteReason": "x"})
    ended = project.run("stats", "Post", "-o", "table")
    assert ended.status == 0, ended.err
    assert "-1000000000000000 ms" in ended.out
    assert project.run("stats", "-o", "json").status == 0
