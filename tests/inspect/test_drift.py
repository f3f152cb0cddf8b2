"""models diff and apply: validators compared and put in place, nothing of a replaced one lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import WriteError

from datactl.inspect.drift import Drift, ValidatorState
from datactl.inspect.validator_rules import differences
from datactl.mongo import Mongo
from datactl.schema import parse_models
from datactl.steps import Step, Watcher, When

MODELS = """
models:
  User:
    enableSoftDelete: false
    fields:
      name: {type: string, required: true}
      age: {type: int, min: 0}
      tags: [string]
      address: {city: {type: string, required: true}}
  Log:
    enableSoftDelete: false
    fields: {line: string}
"""


def drift(mongo: Mongo, directory: Path, text: str = MODELS) -> Drift:
    return Drift(mongo, parse_models(text), directory)


def states(changes: Any) -> dict[str, str]:
    return {change.model: str(change.state) for change in changes}


def options(mongo: Mongo, collection: str) -> dict[str, Any]:
    (listed,) = mongo.database.list_collections(filter={"name": collection})
    return dict(listed["options"])


def test_apply_then_nothing_differs(mongo: Mongo, tmp_path: Path) -> None:
    mongo.database["users"].insert_many([{"name": "Ada", "age": 3}, {"age": -1}, {"name": 7}])
    service = drift(mongo, tmp_path)
    assert [finding.code for finding in service.findings()] == ["validator_missing", "validator_missing"]
    changes = service.plan()
    assert {change.model: change.refused for change in changes} == {"User": 2, "Log": 0}
    assert "validator" not in options(mongo, "users"), "a plan changes nothing"
    assert states(service.apply(changes)) == {"User": "applied", "Log": "applied"}
    found = options(mongo, "users")
    assert (found["validationLevel"], found["validationAction"]) == ("moderate", "error")
    assert list(service.findings()) == []
    assert states(service.plan()) == {"User": "present", "Log": "present"}
    with pytest.raises(WriteError, match="validation"):
        mongo.database["users"].insert_one({"age": 1})
    mongo.database["users"].update_one({"name": 7}, {"$set": {"age": 4}})  # moderate: it did not pass before either


def test_a_changed_model_differs_by_rule(mongo: Mongo, tmp_path: Path) -> None:
    service = drift(mongo, tmp_path)
    service.apply(service.plan())
    changed = drift(mongo, tmp_path, MODELS.replace("min: 0", "min: 5").replace("line: string", "line: date"))
    found = {finding.model: (finding.code, finding.what) for finding in changed.findings()}
    assert found == {
        "User": ("validator_different", "age: minimum is 0 there, 5 in the model"),
        "Log": ("validator_different", "line: bsonType is null, string there, date, null in the model"),
    }


def test_level_and_action_count(mongo: Mongo, tmp_path: Path) -> None:
    service = drift(mongo, tmp_path)
    service.apply(service.plan())
    mongo.database.command("collMod", "logs", validationAction="warn")
    assert [finding.what for finding in service.findings()] == [
        "level moderate and action warn, wanted moderate and error"
    ]


def test_a_validator_that_is_replaced_is_kept(mongo: Mongo, tmp_path: Path) -> None:
    mongo.database.command("create", "logs", validator={"line": {"$type": "string"}, "n": {"$gt": 1}})
    service = drift(mongo, tmp_path)
    changes = service.apply(service.plan(["Log"]))
    (change,) = changes
    assert change.state is ValidatorState.APPLIED
    kept = Path(change.kept_in or "")
    assert kept.parent == tmp_path / "validators"
    assert json.loads(kept.read_text()) == {"line": {"$type": "string"}, "n": {"$gt": 1}}
    assert kept.stat().st_mode & 0o777 == 0o600


def test_one_that_was_changed_meanwhile_is_left(mongo: Mongo, tmp_path: Path) -> None:
    service = drift(mongo, tmp_path)
    changes = service.plan(["Log"])
    mongo.database.command("create", "logs", validator={"line": {"$type": "int"}})
    (change,) = service.apply(changes)
    assert (change.state, options(mongo, "logs")["validator"]) == (ValidatorState.FAILED, {"line": {"$type": "int"}})
    assert "changed since" in (change.reason or "")


def test_a_view_takes_none(mongo: Mongo, tmp_path: Path) -> None:
    mongo.database["users"].insert_one({"name": "Ada"})
    mongo.database.command("create", "logs", viewOn="users", pipeline=[])
    service = drift(mongo, tmp_path)
    assert states(service.apply(service.plan(["Log"]))) == {"Log": "unsupported"}


def test_collections_without_a_model_are_named(mongo: Mongo, tmp_path: Path) -> None:
    for name in ("users", "strays", "outboxes"):
        mongo.database[name].insert_one({"name": "x"})
    service = drift(mongo, tmp_path)
    service.apply(service.plan())
    assert [(finding.code, finding.where) for finding in service.findings()] == [("collection_unknown", "strays")]
    assert list(service.findings(["User"])) == []


def test_it_stops_between_two(mongo: Mongo, tmp_path: Path) -> None:
    class AfterOne(Watcher):
        done = 0

        def see(self, step: Step) -> None:
            self.done += step.name == "validator.apply" and step.when is When.AFTER

        def stopping(self) -> bool:
            return self.done > 0

    service = drift(mongo, tmp_path)
    assert states(service.apply(service.plan(), watch=AfterOne())) == {"User": "applied", "Log": "missing"}
    assert states(service.apply(service.plan())) == {"User": "present", "Log": "applied"}


def test_the_order_of_names_is_no_difference() -> None:
    one = {
        "$jsonSchema": {"required": ["a", "b"], "properties": {"a": {"bsonType": ["int", "null"], "enum": [1, None]}}}
    }
    two = {
        "$jsonSchema": {"properties": {"a": {"enum": [None, 1], "bsonType": ["null", "int"]}}, "required": ["b", "a"]}
    }
    assert differences(one, two) == []
    items = {"$jsonSchema": {"properties": {"a": {"items": {"bsonType": "int"}}}}}
    assert differences(items, one) != []
    assert differences({"a": 1}, one) == ["it has rules beside $jsonSchema (a)"]
