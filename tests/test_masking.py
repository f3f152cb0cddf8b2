"""No secret is shown or kept in the clear: all that a whole run prints, and leaves behind, is searched for them."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import ObjectId
from pymongo import MongoClient

from datactl.reference.words import described
from datactl.workspace import Workspace
from tests.commands.conftest import Outcome, Project, Run, run
from tests.engines import TestEngine

__all__ = ["run"]

PASSWORD, WRITTEN = "hunter2@s3cret/pw", "hunter2%40s3cret%2Fpw"  # as it is, and as a URI has it
KEY = "c0ffee00" * 8
TOKENS = ("token-of-the-first", "token-of-the-second", "token-that-is-wrong", "token-in-another-place")
MODELS = """\
settings:
  profiles:
    prod: {production: true, uri_file: secrets/uri}
    asked: {uri_command: cat secrets/uri}
models:
  Post:
    uniqueFields: [slug, token]
    fields:
      title: {type: string, required: true}
      slug: {type: string}
      views: {type: int, min: 0, default: 0}
      token: {type: string, secret: true, pattern: "^token-of"}
      keys: {inner: {type: string, secret: true}}
      cards: [{bank: string, num: {type: string, secret: true}}]
      bag: {type: mixed, secret: true}
  Log:
    enableSoftDelete: false
    fields:
      line: {type: string}
      token: {type: string, secret: true}
      cards: [{bank: string, num: {type: string, secret: true}}]
"""
POSTS = [
    {"title": "first", "slug": "a", "token": TOKENS[0], "keys": {"inner": TOKENS[0]}},
    {"title": "second", "slug": "b", "token": TOKENS[1], "views": 20},
    {"title": "third", "slug": "c", "views": 30},
]
# Words that take their own engine or minutes, and have no database of this run's.
APART = {
    "demo",
    "engine",
    "completion",
    "engine start",
    "engine stop",
    "engine status",
    "engine uri",
    "completion install",
    "completion show",
}


@pytest.fixture
def project(tmp_path: Path, start_engine: Callable[..., TestEngine], run: Run, monkeypatch: Any) -> Iterator[Project]:
    """A project on an engine that wants a password, which comes from a file; the event key from a command."""
    engine = start_engine()
    database = f"t_{ObjectId()}"
    with MongoClient[dict[str, Any]](engine.uri) as client:
        client.admin.command("createUser", "maria", pwd=PASSWORD, roles=[{"role": "root", "db": "admin"}])
    engine.stop()
    engine._flags = ("--auth",)
    engine.start()
    directory = tmp_path / "project"
    (directory / "models.yaml").write_text(MODELS)
    (directory / "secrets").mkdir()
    uri = engine.uri.replace("//", f"//maria:{WRITTEN}@") + "&authSource=admin"
    (directory / "secrets/uri").write_text(uri)
    (directory / "secrets/key").write_text(KEY)
    monkeypatch.setenv("DATACTL_URI_FILE", "secrets/uri")
    monkeypatch.setenv("DATACTL_EVENT_KEY_COMMAND", "cat secrets/key")
    monkeypatch.setenv("DATACTL_DATABASE", database)
    monkeypatch.setenv("DATACTL_DEBUG", "1")
    with Workspace.open() as workspace:
        yield Project(directory, run, workspace)


class Heard:
    """Everything that was printed, with the command line that printed it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.said: list[tuple[str, str]] = []
        self.words: set[str] = set()

    def __call__(self, *line: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Outcome:
        ended = self.project.run(*line, stdin=stdin, env=env)
        self.said.append((" ".join(line), ended.out + ended.err))
        self.words |= {" ".join(line[:1]), " ".join(line[:2])}
        return ended

    def in_every_form(self, *line: str) -> None:
        for form in ("table", "json", "ndjson", "yaml"):
            self(*line, "-o", form)


def changes(heard: Heard) -> str:
    """Documents with secrets are created, changed, marked, archived, brought back and taken back; an operation."""
    first, *_ = [heard("create", "Post", json.dumps(post)).json["_id"]["$oid"] for post in POSTS]
    heard("create", "Log", json.dumps({"line": "x", "token": TOKENS[0]}))
    heard("create", "Post", "-", stdin=b"".join(json.dumps(post).encode() + b"\n" for post in POSTS))
    heard("update", "Post", first, json.dumps({"token": f"{TOKENS[1]}x"}), "-o", "table")
    heard("update", "Post", "--filter", "views>=20", "--json", json.dumps({"keys": {"inner": TOKENS[0]}}), "--yes")
    out_of_place(heard)
    operation = heard("update", "Post", "--filter", "views>=20", "--set", "views=25", "--yes").json["op"]
    heard("delete", "Post", "--filter", "views>=0", "--yes")
    heard.project.age()
    heard("archive", "Post")
    heard("restore", "Post", first)
    log = heard("find", "Log").json[0]["_id"]["$oid"]
    heard("delete", "Log", log)
    removed = heard.project.database["logs"].insert_one({"line": "x", "cards": [TOKENS[3], {"num": TOKENS[3]}]})
    heard("delete", "Log", str(removed.inserted_id))
    return str(operation)


def out_of_place(heard: Heard) -> None:
    """Documents from outside that have a value where the model has what holds a secret."""
    wrong = TOKENS[3]
    for number, values in enumerate(
        (
            {"keys": wrong},
            {"keys": [wrong]},
            {"cards": [wrong, {"bank": "x", "num": wrong}]},
            {"cards": wrong},
            {"cards": {"bank": "x", "num": wrong}},
            {"token": {"deep": wrong}, "bag": [wrong]},
        )
    ):
        document = {"title": "odd", "slug": f"odd{number}", "views": 50, "deleted": False, **values}
        heard.project.database["posts"].insert_one(document)


def mistakes(heard: Heard) -> None:
    """What is refused, with the secret in the input."""
    wrong = TOKENS[2]
    refused: list[dict[str, Any]] = [{"token": value} for value in (wrong, {"deep": wrong}, [wrong], {"$date": wrong})]
    refused += [{"keys": value} for value in (wrong, [wrong], {"$oid": wrong})]
    refused += [{"cards": value} for value in (wrong, [wrong], {"num": wrong}, [[wrong]], [{"num": [wrong]}])]
    refused += [{"bag": value} for value in ({"$date": wrong}, [{"deep": {"$numberInt": wrong}}])]
    for values in refused:
        heard("create", "Post", json.dumps({"title": "x", **values}))
        heard("create", "Post", "-", stdin=json.dumps([{"title": "x", **values}]).encode())
    lines = [json.dumps({"title": "x", **values}) for values in refused]
    (heard.project.directory / "secrets/lines").write_text("\n".join(lines))
    heard("import", "Post", "secrets/lines", "--rejects", "secrets/rejected")
    (heard.project.directory / "secrets/rows").write_text(f"title,keys.inner,cards,bag\nx,{wrong},{wrong},{wrong}\n")
    heard("import", "Post", "secrets/rows", "--rejects", "secrets/rejected-rows")
    for form in ("table", "json"):
        for operation in heard("ops", "list").json:
            heard("ops", "show", operation["op"], "-o", form)
    heard("create", "Post", json.dumps({"title": "x", "token": TOKENS[0]}))
    heard("create", "Post", json.dumps({"title": "x", "token": TOKENS[0]}))
    post = heard("find", "Post").json[0]["_id"]["$oid"]
    heard("update", "Post", post, "--set", f"token={wrong}")
    for path in ("keys", "cards", "cards.0"):
        heard("update", "Post", post, "--set", f"{path}={wrong}")
        heard("update", "Post", "--filter", f"{path}={wrong}", "--set", "views=1", "--yes")
        heard("update", "Post", "--filter", "views>=0", "--json", json.dumps({path: wrong}), "--yes")
    heard("update", "Post", post, json.dumps({"$push": {"token": wrong}}))
    heard("update", "Post", post, json.dumps({"$push": {"cards": {"num": wrong}}}))
    heard("update", "Post", post, json.dumps({"$pull": {"cards": wrong}}))
    for option in ("--filter", "--sort", "--fields"):
        heard("find", "Post", option, "token" if option != "--filter" else f"token={wrong}")
    heard("delete", "Post", "--filter", json.dumps({"token": {"in": [wrong]}}), "--yes")


def bad_addresses(heard: Heard) -> None:
    """Connection strings that cannot be read, do not answer, or are refused."""
    here = (heard.project.directory / "secrets/uri").read_text()
    port = re.search(r":(\d+)/", here).group(1)  # type: ignore[union-attr]
    for uri in (
        f"mongodb://maria:{PASSWORD}@localhost:{port}/",
        f"mongodb://maria:{WRITTEN}@127.0.0.1:1/?serverSelectionTimeoutMS=100",
        f"mongodb://nobody:{WRITTEN}@127.0.0.1:{port}/?authSource=admin",
        f"mongodb://maria:{WRITTEN}@127.0.0.1:{port}/?authSource=admin&w=1",
        f"mongodb://maria:{WRITTEN}@",
        f"mongodb://maria:{WRITTEN}@localhost:notaport",
        f"http://maria:{WRITTEN}@localhost/",
        f"maria:{WRITTEN}@localhost",
    ):
        for line in (["stats"], ["create", "Post", '{"title": "x"}'], ["config", "show", "--origin"]):
            for form in ("table", "json"):
                heard(*line, "-o", form, "--uri", uri)
    heard("stats", env={"DATACTL_URI": here})
    heard("stats", env={"DATACTL_URI_COMMAND": f"sh -c 'echo {PASSWORD} >&2; exit 1'", "DATACTL_URI_FILE": ""})
    heard("stats", env={"DATACTL_EVENT_KEY": f"{KEY}00", "DATACTL_EVENT_KEY_COMMAND": ""})
    for profile in ("prod", "asked"):
        heard("config", "show", "--origin", "--profile", profile)
        heard("create", "Post", '{"title": "x"}', "--profile", profile)


def looks(heard: Heard, operation: str) -> None:
    """Every word that reads, in every form."""
    out_of_place(heard)
    for line in (
        ["find", "Post", "--with-deleted", "--limit", "0", "--canonical"],
        ["find", "Post", "--filter", "views>=0", "--explain"],
        ["models"],
        ["models", "list"],
        ["models", "show", "Post"],
        ["models", "check"],
        ["models", "schema"],
        ["models", "diff"],
        ["stats"],
        ["stats", "Post"],
        ["validate"],
        ["index"],
        ["indexes"],
        ["index", "plan"],
        ["index", "apply", "--yes"],
        ["index", "drop", "Post", "--unknown", "--yes"],
        ["doctor"],
        ["doctor", "--production"],
        ["doctor", "--grants"],
        ["ops", "list"],
        ["ops", "show", operation],
        ["ops", "resume", operation],
        ["archive", "plan"],
        ["archive", "list"],
        ["archive", "verify", "--deep"],
        ["archive", "adopt", "--yes"],
        ["config"],
        ["config", "show", "--origin"],
    ):
        heard.in_every_form(*line)
    for post in heard("find", "Post").json:
        heard.in_every_form("get", "Post", post["_id"]["$oid"])
        heard.in_every_form("archive", "find", "Post", post["_id"]["$oid"])


def moves(heard: Heard, operation: str) -> None:
    """Out to files and in again, taken back, adopted anew."""
    heard("undo", operation, "--dry-run")
    heard("undo", operation, "--yes", "-o", "table")
    heard("export", "Post", "out")
    for form in ("bson", "ndjson", "csv"):
        heard("export", "Post", f"public-{form}", "--format", form, "--withhold", "--include-deleted")
    heard("import", "Post", "out")
    heard("models", "apply", "--yes")
    heard("init", "elsewhere")
    heard("init", "--from-db", "--yes")
    heard("init", "--from-db", "adopted", "--yes")


def left_behind(project: Project) -> Iterator[tuple[str, bytes]]:
    """Every row of datactl's own, and every file of the project's but those the secrets came from."""
    names = project.database.list_collection_names()
    for name in names:
        if name.startswith(("datactl_", "outbox")):
            for row in project.database[name].find():
                yield f"{name} {row['_id']}", bson.encode(row)
    for path in project.directory.rglob("*"):
        if path.is_file() and "secrets" not in path.parts:
            octets = path.read_bytes()
            yield str(path.relative_to(project.directory)), octets
            if path.suffix == ".gz":
                yield f"{path.relative_to(project.directory)}, unpacked", gzip.decompress(octets)


def test_no_secret_of_a_whole_run_is_shown_or_left_in_the_clear(project: Project) -> None:
    heard = Heard(project)
    operation = changes(heard)
    mistakes(heard)
    looks(heard, operation)
    bad_addresses(heard)
    moves(heard, operation)
    every = {" ".join(each.path) for word in described() for each in word.with_words()}
    assert every - heard.words <= APART, "a new command: let this run use it"

    passwords = (PASSWORD, WRITTEN, "hunter2", "s3cret", KEY, KEY.upper())
    shown = [
        f"{secret} was shown by: {line}\n{said}"
        for line, said in heard.said
        for secret in (*passwords, *TOKENS)
        if secret in said
    ]
    assert not shown, "\n\n".join(shown)
    files = 0
    for place, octets in left_behind(project):
        files += 1
        holds_documents = place.startswith((".datactl/vault", "out/"))
        for secret in (*passwords, *(() if holds_documents else TOKENS)):
            assert secret.encode() not in octets, f"{secret} is in {place}"
        assert bytes.fromhex(KEY) not in octets, f"the event key is in {place}"
    assert files > 20
    assert os.environ["DATACTL_DEBUG"]


def test_a_secret_that_was_in_a_stopped_operation_is_not_left_on_disk(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of an update waits in the spool until it is carried on: for this user's eyes only."""
    from datactl.render.progress import ProgressWatcher

    project.run("create", "Post", json.dumps(POSTS[0]))
    with monkeypatch.context() as patched:
        patched.setattr(ProgressWatcher, "stopping", lambda _: True)
        change = json.dumps({"token": TOKENS[1]})
        ended = project.run("update", "Post", "--filter", "views>=0", "--json", change, "--yes")
    assert ended.status == 130
    kept = [path for path in (project.directory / ".datactl").rglob("*") if path.is_file()]
    holding = [path for path in kept if TOKENS[1].encode() in path.read_bytes()]
    assert holding
    assert [path for path in holding if path.stat().st_mode & 0o077] == []
    assert TOKENS[1] not in str(list(project.database["datactl_ops"].find()))
