"""The plan and the file: written in one step, never over somebody else's edit, read-only towards the database."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from pymongo import monitoring

from datactl.errors import Conflict, DatactlError, Interrupted, ModelsFileError
from datactl.inspect.adopting import Adopter
from datactl.inspect.adopting.keeping import write_text
from datactl.mongo import Mongo, open_mongo
from datactl.schema import load_models
from datactl.steps import Step, Watcher
from tests.inspect.adopting.taking_over import take_over

READING = {"listCollections", "listIndexes", "count", "find", "getMore", "aggregate", "hello", "buildInfo", "ping"}


class Commands(monitoring.CommandListener):
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.stages: set[str] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.names.add(event.command_name)
        self.stages |= {name for stage in event.command.get("pipeline", ()) for name in stage}

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def test_only_reading_commands_are_sent(engine_uri: str, mongo: Mongo, tmp_path: Path) -> None:
    mongo.database["users"].insert_many([{"email": f"e{n}", "deleted": n % 2 == 0} for n in range(40)])
    mongo.database["posts"].insert_many([{"user": each["_id"]} for each in mongo.database["users"].find()])
    seen = Commands()
    monitoring.register(seen)
    try:
        with open_mongo(engine_uri, mongo.database.name) as watched:
            take_over(watched, tmp_path, sample=10)
    finally:
        monitoring._LISTENERS.command_listeners.remove(seen)
    assert {"aggregate", "find", "listCollections", "listIndexes"} <= seen.names
    assert seen.names - READING == {"endSessions"} & seen.names
    assert {"$sample", "$group"} <= seen.stages <= {"$sample", "$group", "$match", "$limit"}


def test_the_file_is_what_load_models_reads(mongo: Mongo, tmp_path: Path) -> None:
    mongo.database["users"].insert_many([{"n": n} for n in range(3)])
    taken = take_over(mongo, tmp_path)
    assert load_models(tmp_path / "models.yaml") == taken.registry
    assert (tmp_path / "models.yaml").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / ".datactl/adopted.yaml").read_text() == taken.adoption.text
    assert (tmp_path / ".datactl").stat().st_mode & 0o777 == 0o700


def test_an_edit_made_while_the_database_was_read_is_not_overwritten(mongo: Mongo, tmp_path: Path) -> None:
    mongo.database["users"].insert_one({"n": 1})
    adopter = Adopter(mongo, tmp_path / "models.yaml", tmp_path / ".datactl")
    adoption = adopter.plan()
    (tmp_path / "models.yaml").write_text("models: {}  # mine\n")
    with pytest.raises(Conflict, match="was changed while the database was read"):
        adopter.write(adoption)
    assert (tmp_path / "models.yaml").read_text() == "models: {}  # mine\n"
    assert not (tmp_path / ".datactl").exists()


def test_what_one_sample_loosened_stays_loose_for_the_next(mongo: Mongo, tmp_path: Path) -> None:
    rows = mongo.database["users"]
    rows.insert_many([{"n": n} for n in range(30)])
    odd = rows.insert_one({"m": 1}).inserted_id
    assert not take_over(mongo, tmp_path).registry["User"].field("n").required  # type: ignore[union-attr]
    rows.delete_one({"_id": odd})
    for _ in range(2):  # the second run meets the base that the first one left
        taken = take_over(mongo, tmp_path, sample=20)
        assert not taken.registry["User"].field("n").required  # type: ignore[union-attr]
        assert taken.adoption.conflicts == ()
    assert take_over(mongo, tmp_path).registry["User"].field("n").required  # type: ignore[union-attr]


def test_a_renamed_model_and_its_references(mongo: Mongo, tmp_path: Path) -> None:
    users = mongo.database["users"].insert_many([{"n": n} for n in range(20)]).inserted_ids
    mongo.database["posts"].insert_many([{"author": each} for each in users])
    take_over(mongo, tmp_path)
    path = tmp_path / "models.yaml"
    path.write_text(
        path.read_text().replace("  User:\n", "  Person:\n    collection: users\n").replace("ref: User", "ref: Person")
    )
    mongo.database["posts"].update_many({}, {"$set": {"editor": users[0]}})
    for _ in range(2):
        taken = take_over(mongo, tmp_path)
        assert {field.path: field.ref for field in taken.registry["Post"].references} == {
            "author": "Person",
            "editor": "Person",
        }
        assert (list(taken.registry), taken.adoption.conflicts) == (["Post", "Person"], ())


def test_a_file_that_is_not_valid_is_not_merged_into(mongo: Mongo, tmp_path: Path) -> None:
    mongo.database["users"].insert_one({"n": 1})
    (tmp_path / "models.yaml").write_text("models:\n  User: {fields: {n: nmber}}\n")
    with pytest.raises(ModelsFileError) as raised:
        take_over(mongo, tmp_path)
    assert raised.value.problems[0].where == "models.yaml:2:22"


def test_a_merge_that_would_not_be_valid_is_not_written(mongo: Mongo, tmp_path: Path) -> None:
    rows = mongo.database["users"]
    rows.insert_many([{"at": n, "deleted": "no"} for n in range(20)])
    rows.create_index([("at", 1)], expireAfterSeconds=60)
    text = "models:\n  User:\n    enableSoftDelete: true\n    fields:\n      at: int\n"
    (tmp_path / "models.yaml").write_text(text)
    with pytest.raises(ModelsFileError, match="as it was merged") as raised:
        take_over(mongo, tmp_path)
    assert {problem.code for problem in raised.value.problems} >= {"ttl_index"}
    assert (tmp_path / "models.yaml").read_text() == text


def test_asked_to_stop_it_writes_nothing(mongo: Mongo, tmp_path: Path) -> None:
    class Stopping(Watcher):
        steps = 0

        def see(self, step: Step) -> None:
            self.steps += 1

        def stopping(self) -> bool:
            return self.steps > 1

    for name in ("a", "b", "c"):
        mongo.database[name].insert_one({"n": 1})
    with pytest.raises(Interrupted):
        Adopter(mongo, tmp_path / "models.yaml", tmp_path / ".datactl").plan(watch=Stopping())
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text("models: {}\n")
    path.chmod(0o640)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DatactlError, match="cannot write"):
            write_text(path, "x" * 5000, mode=0o644)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("models.yaml", "models: {}\n")]
    with path.open() as reading:  # somebody is in the middle of the old one: it stays whole
        write_text(path, "models: {}  # new\n", mode=0o644)
        assert reading.read() == "models: {}\n"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("models: {}  # new\n", 0o640)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("old")
    (tmp_path / "models.yaml").symlink_to("real.yaml")
    write_text(tmp_path / "models.yaml", "new", mode=0o644)
    assert (tmp_path / "models.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "new"
