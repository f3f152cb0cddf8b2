"""`datactl doctor --grants`: the roles let each group of commands do its work, and nothing of another group."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from pymongo import MongoClient, monitoring

from datactl.archive.owed import RESTORES
from datactl.cli import WORDS
from datactl.commands.grammar import LeafCommand, RootGroup, SubGroup
from datactl.events.outbox import CHUNKS
from datactl.inspect.doctor.grants import DATABASE, GROUPS, MODELS, create_role
from datactl.inspect.doctor.privileges import granted
from datactl.mongo.leases import LEASES
from datactl.records.ledger import OPERATIONS
from datactl.schema import load_models
from tests.commands.conftest import MODELS as MODELS_FILE
from tests.commands.conftest import Outcome, Project, Run
from tests.engines import TestEngine
from tests.inspect.posing import PosingProxy

# Commands that can be told a URI, and ask no server for anything.
NO_SERVER = {"config", "config show"}
NO_PRIVILEGE = {
    *("ping", "hello", "buildInfo", "connectionStatus", "getMore", "killCursors"),
    *("endSessions", "commitTransaction", "abortTransaction"),
}
ONE_TO_ONE = {
    "find": "find",
    "count": "find",
    "distinct": "find",
    "insert": "insert",
    "delete": "remove",
    "createIndexes": "createIndex",
    "dropIndexes": "dropIndex",
    "listIndexes": "listIndexes",
    "collStats": "collStats",
    "collMod": "collMod",
    "create": "createCollection",
}


def asked_for(name: str, command: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(collection, action) of a command, as the MongoDB manual lists them under Privilege Actions."""
    on = command.get(name)
    collection = on if isinstance(on, str) else ""
    if name in NO_PRIVILEGE:
        return set()
    if name in ONE_TO_ONE:
        return {(collection, ONE_TO_ONE[name])}
    if name == "listCollections":
        return {("", "listCollections")}
    if name == "explain":
        inner = command["explain"]
        return asked_for(next(iter(inner)), inner)
    if name == "update":
        upserts = any(update.get("upsert") for update in command["updates"])
        return {(collection, "update")} | ({(collection, "insert")} if upserts else set())
    if name == "findAndModify":
        found = {(collection, "find"), (collection, "remove" if command.get("remove") else "update")}
        return found | ({(collection, "insert")} if command.get("upsert") else set())
    if name == "aggregate":
        stages = command["pipeline"]
        others = {(stage["$lookup"]["from"], "find") for stage in stages if "$lookup" in stage}
        assert not any(key in stage for stage in stages for key in ("$out", "$merge", "$unionWith", "$graphLookup"))
        statistics = any("$indexStats" in stage for stage in stages)
        return others | {(collection, "indexStats" if statistics else "find")}
    if name == "bulkWrite":
        spaces = [each["ns"].partition(".")[2] for each in command["nsInfo"]]
        kinds = {"insert": "insert", "update": "update", "delete": "remove"}
        first = [(next(iter(op)), op) for op in command["ops"]]
        upserted = {(spaces[op[kind]], "insert") for kind, op in first if op.get("upsert")}
        return upserted | {(spaces[op[kind]], kinds[kind]) for kind, op in first}
    raise AssertionError(f"which privilege does {name} need?")


class Recorder(monitoring.CommandListener):
    """What commands the driver sent while it is asked to listen."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.seen is not None:
            self.seen |= asked_for(event.command_name, event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...
    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...

    @contextmanager
    def listening(self) -> Iterator[set[tuple[str, str]]]:
        self.seen = found = set()
        try:
            yield found
        finally:
            self.seen = None


RECORDER = Recorder()
monitoring.register(RECORDER)  # for connections made from here on; there is no way back


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, LeafCommand]]:
    """Every command line by its words; the bare word of a group that means something by itself too."""
    with click.Context(group, info_name="datactl") as ctx:
        for word in group.list_commands(ctx):
            command = group.get_command(ctx, word)
            if isinstance(command, SubGroup) and isinstance(command.default, LeafCommand):
                yield " ".join((*path, word)), command.default
            if isinstance(command, click.Group):
                yield from leaves(command, (*path, word))
            elif isinstance(command, LeafCommand):
                yield " ".join((*path, word)), command


def by_role(role: str) -> Any:
    return next(group for group in GROUPS if group.role == role)


def test_every_command_that_asks_a_server_is_in_one_group() -> None:
    named = [command.partition(" --")[0] for group in GROUPS for command in group.commands if " --" not in command]
    assert sorted(named) == sorted(set(named))
    aliases = {word for word, row in WORDS.items() if row.module != word and row.module in WORDS}
    asking = {
        path
        for path, leaf in leaves(RootGroup(WORDS))
        if any("--uri" in each.opts for each in leaf.params) and path.partition(" ")[0] not in aliases
    }
    beside = {command.partition(" --")[0] for group in GROUPS for command in group.commands} - set(named)
    assert asking - NO_SERVER - beside == set(named) - beside
    known = {path for path, _ in leaves(RootGroup(WORDS))}
    assert beside <= known


def story(project: Project) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Command lines in an order in which each has something to do, with the role that must be enough for it."""

    def ids(model: str) -> list[str]:
        return [row["_id"]["$oid"] for row in project.run("find", model, "-o", "json", "--limit", "9").json]

    def last_op() -> str:
        return str(project.database["outboxes"].find_one(sort=[("_id", -1)])["op"])

    yield "datactl_index", ("index",)
    posts = json.dumps([{"title": f"Post {n}", "content": "text", "slug": f"s{n}", "views": n} for n in range(9)])
    yield "datactl_write", ("create", "Post", posts)
    yield "datactl_write", ("create", "Category", '{"name": "c"}')
    yield "datactl_read", ("find", "Post", "--limit", "2", "--filter", "views>=1", "--sort", "-createdAt")
    yield "datactl_read", ("find", "Post", "--explain")
    first, second, third, *_ = ids("Post")
    yield "datactl_read", ("get", "Post", first)
    yield "datactl_write", ("update", "Post", first, "--set", "views=7")
    yield "datactl_write", ("undo", last_op(), "--dry-run")
    yield "datactl_write", ("undo", last_op())
    yield "datactl_write", ("update", "Post", "--filter", "views>=1", "--set", "content=new", "--yes")
    yield "datactl_write", ("delete", "Post", first)
    yield "datactl_write", ("delete", "Post", "--filter", "views>=1", "--yes")
    yield "datactl_write", ("restore", "Post", third)
    for word in (
        ("stats",),
        ("stats", "--record"),
        ("ops", "list"),
        ("index", "plan"),
        ("archive", "plan", "Post", "0"),
    ):
        yield "datactl_read", word
    yield "datactl_read", ("doctor", "--production")
    yield "datactl_read", ("doctor", "--grants")
    yield "datactl_write", ("create", "Log", '[{"line": "a"}, {"line": "b"}, {"line": "c"}]')
    one, *others = ids("Log")
    yield "datactl_write", ("delete", "Log", one)
    yield "datactl_write", ("delete", "Log", *others)
    yield "datactl_write", ("undo", last_op(), "--yes")
    yield "datactl_read", ("validate",)
    yield "datactl_read", ("export", "Category", "exported")
    project.database["categories"].delete_many({})
    yield "datactl_write", ("import", "Category", "exported")
    project.database["posts"].update_one({"deleted": True}, {"$unset": {"deletedAt": ""}})
    yield "datactl_write", ("validate", "Post", "--fix-marks")
    yield "datactl_archive", ("archive", "Post", "0")
    yield "datactl_archive", ("archive", "adopt", "--yes")
    yield "datactl_read", ("archive", "find", "Post", first)
    yield "datactl_write", ("restore", "Post", first)
    yield "datactl_write", ("restore", "Post", first, second, "--as-archived")
    project.database["posts"].create_index("views", name="theirs")
    yield "datactl_index", ("index", "drop", "Post", "theirs", "--yes")
    project.database["posts"].drop_index("slug_1")
    project.database["posts"].create_index("slug", name="slug_1")
    yield "datactl_index", ("index", "apply", "--yes")
    yield "datactl_validators", ("models", "apply", "--dry-run")
    yield "datactl_validators", ("models", "apply", "--yes")
    yield "datactl_read", ("models", "diff")
    yield "datactl_adopt", ("init", "--from-db", "adopted")


# Granted, and not asked for by the story below: why it is needed all the same.
UNSHOWN: Mapping[tuple[str, str], str] = {
    (MODELS, "indexStats"): "only asked of a server that counts the use of indexes",
    (MODELS, "createCollection"): "a validator for a collection that is not there yet",
    (CHUNKS, "find"): "the payloads of events beyond 8 MB",
    (CHUNKS, "insert"): "the payloads of events beyond 8 MB",
    (OPERATIONS, "find"): "to carry an operation on",
    (LEASES, "remove"): "a lease is given back",
    (RESTORES, "remove"): "a restore that was cut off is closed by the next run",
}


def test_what_commands_send_is_what_their_role_grants(project: Project) -> None:
    """Nothing is sent that is not granted, and what is granted is sent, or its reason is known."""
    registry = load_models(project.directory / "models.yaml")
    database = project.workspace.mongo.database.name
    collections = {model.collection for model in registry.values()}
    used: dict[str, set[tuple[str, str]]] = {}
    for role, words in story(project):
        privileges = create_role(by_role(role), registry, database)["privileges"]
        with RECORDER.listening() as sent:
            ended = project.run(*words)
        assert ended.status in (0, 5), ended.err
        lacking = {each for each in sent if not granted(privileges, database, *each)}
        assert not lacking, (words, lacking)
        places = dict.fromkeys(collections, MODELS) if MODELS in by_role(role).touches else {}
        named = {(places.get(on, on), action) for on, action in sent}
        used.setdefault(role, set()).update(named if places else {(DATABASE, action) for _, action in named})
    unshown: set[tuple[str, str]] = set()
    for group in GROUPS:
        given = {(place, action) for place, actions in group.touches.items() for action in actions}
        unshown |= given - used[group.role]
    assert unshown == UNSHOWN.keys()


@pytest.fixture
def guarded(start_engine: Callable[..., TestEngine], run: Run) -> Callable[..., Outcome]:
    """`guarded(role, *words)`: a command line as a user with just this role, on a server that asks for users."""
    engine = start_engine()
    registry = _models()
    with MongoClient[dict[str, Any]](engine.uri) as client:
        client.admin.command("createUser", "admin", pwd="secret", roles=[{"role": "root", "db": "admin"}])
        for group in GROUPS:
            client["shop"].command(create_role(group, registry, "shop"))
            client["shop"].command("createUser", group.role, pwd="secret", roles=[{"role": group.role, "db": "shop"}])
    engine.restart("--auth")

    def as_user(role: str, *words: str) -> Outcome:
        source = "admin" if role == "admin" else "shop"
        uri = engine.uri.replace("://", f"://{role}:secret@").replace("/?", f"/shop?authSource={source}&")
        return run(*words, env={"DATACTL_URI": uri, "DATACTL_ACTOR": "maria"})

    return as_user


def _models() -> Any:
    Path("models.yaml").write_text(MODELS_FILE)
    return load_models(Path("models.yaml"))


def test_each_role_is_enough_for_its_commands_on_a_server_with_users(guarded: Callable[..., Outcome]) -> None:
    assert guarded("datactl_index", "index").status == 0
    assert guarded("datactl_write", "create", "Post", '{"title": "t", "content": "c"}').status == 0
    found = guarded("datactl_read", "find", "Post", "-o", "json")
    assert found.status == 0, found.err
    (post,) = found.json
    assert guarded("datactl_write", "delete", "Post", post["_id"]["$oid"]).status == 0
    assert guarded("datactl_read", "stats").status == 0
    assert guarded("datactl_read", "index", "plan").status == 0
    assert guarded("datactl_archive", "archive", "Post", "0").status == 0
    assert guarded("datactl_write", "restore", "Post", post["_id"]["$oid"]).status == 0
    looked = guarded("datactl_read", "doctor", "--production")
    credentials = next(line for line in looked.json if line["check"] == "credentials")
    assert credentials["level"] == "ok", credentials
    assert "datactl_read@shop" in credentials["what"]
    assert [line for line in looked.json if line["level"] == "fail"] == []


def test_a_role_is_not_enough_for_the_commands_of_another(guarded: Callable[..., Outcome]) -> None:
    """By actions: these engines enforce an action for the whole database, whichever collection it was granted on."""
    for role, words in (
        ("datactl_read", ("create", "Post", '{"title": "t", "content": "c"}')),
        ("datactl_read", ("index",)),
        ("datactl_adopt", ("create", "Post", '{"title": "t", "content": "c"}')),
    ):
        ended = guarded(role, *words, "-o", "json")
        assert ended.status in (3, 4), (role, words, ended.err)
        assert "not authorized" in ended.err + ended.out


def test_what_the_connected_user_lacks_is_named(guarded: Callable[..., Outcome]) -> None:
    ended = guarded("datactl_read", "doctor", "--grants", "-o", "json")
    assert ended.status == 5
    assert ended.error["code"] == "findings"
    assert "secret" not in ended.out + ended.err
    found = {grant["role"]: grant for grant in ended.json["grants"]}
    assert ended.json["user"] == {"name": "datactl_read@shop", "roles": ["datactl_read"]}
    assert found["datactl_read"]["missing"] == []
    lacks = {need["collection"]: need["actions"] for need in found["datactl_index"]["missing"]}
    assert lacks["posts"] == ["createIndex", "dropIndex"]
    admin = guarded("admin", "doctor", "--grants", "-o", "json")
    assert admin.status == 0, admin.err
    assert all(grant["missing"] == [] for grant in admin.json["grants"])


def test_privileges_as_mongodb_tells_them() -> None:
    held = [
        {"resource": {"db": "shop", "collection": ""}, "actions": ["find"]},
        {"resource": {"db": "", "collection": "posts"}, "actions": ["insert"]},
        {"resource": {"cluster": True}, "actions": ["remove"]},
        {"resource": {"db": "shop", "collection": "logs"}, "actions": ["anyAction"]},
    ]
    assert granted(held, "shop", "posts", "find")
    assert granted(held, "shop", "posts", "insert")
    assert granted(held, "shop", "logs", "remove")
    assert not granted(held, "shop", "posts", "remove")
    assert not granted(held, "other", "posts", "find")
    assert not granted(held, "shop", "users", "insert")
    assert granted([{"resource": {"anyResource": True}, "actions": ["find"]}], "shop", "posts", "find")


def test_the_roles_are_printed_where_the_server_lets_nobody_in(run: Run) -> None:
    _models()
    ended = run("doctor", "--grants", "--uri", "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=200")
    assert ended.status == 4
    assert ended.json["database"] == "shop"
    assert [grant["command"]["createRole"] for grant in ended.json["grants"]] == [group.role for group in GROUPS]


def test_a_server_that_tells_privileges_is_believed(project: Project, start_engine: Callable[..., TestEngine]) -> None:
    """As MongoDB's own does, which these engines do not: the answer is posed."""
    registry = load_models(project.directory / "models.yaml")
    held = create_role(by_role("datactl_write"), registry, "shop")["privileges"]

    def answer(command: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if "connectionStatus" not in command:
            return None
        who = {
            "authenticatedUsers": [{"user": "maria", "db": "shop"}],
            "authenticatedUserRoles": [{"role": "datactl_write", "db": "shop"}],
            "authenticatedUserPrivileges": held,
        }
        return {"authInfo": who, "ok": 1.0}

    proxy = PosingProxy(start_engine().port, answer)
    ended = project.run("doctor", "--grants", "--uri", proxy.uri, "--database", "shop", "-o", "json")
    proxy.close()
    found = {grant["role"]: grant for grant in ended.json["grants"]}
    assert found["datactl_write"]["missing"] == []
    assert all(grant["unknown"] == [] for grant in found.values())
    assert {"collection": "posts", "actions": ["createIndex", "dropIndex", "indexStats"]} in found["datactl_index"][
        "missing"
    ]
    assert ended.status == 5
    assert "maria@shop lacks privileges of" in ended.error["what"]
