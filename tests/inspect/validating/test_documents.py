"""Documents: what the server refuses is explained, and what it accepts is let through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.inspect.validating.documents import PROBLEMS_TOLD, explained
from datactl.mongo import open_mongo
from datactl.schema import parse_models
from tests.engines import TestEngine
from tests.inspect.posing import PosingProxy
from tests.inspect.validating.conftest import Shop

MODELS = """
  Post:
    fields:
      title: {type: string, required: true}
      numbers: [int]
      safe: {inner: {type: string, maxLength: 3}, secret: {type: object, secret: true, fields: {pin: string}}}
      keys: {type: map, secret: true, of: {type: int}}
      short: {type: string, secret: true, minLength: 9}
      cards: [{card: {type: string, secret: true}}]
      ranked: {type: map, of: {type: object, fields: {pin: {type: string, secret: true}}}}
      deep: {rank: {type: number, min: 0}}
  Plain:
    enableTimestamps: false
    enableSoftDelete: false
    fields: {_id: mixed, v: mixed}
"""


@pytest.fixture
def posts(shop: Callable[[str], Shop]) -> Shop:
    return shop(MODELS)


def test_what_mongoose_and_its_plugin_write_is_let_through(posts: Shop) -> None:
    posts.rows("Post").insert_many(
        [
            {"title": "a", "__v": 0, "__t": "Special", "deleted": False},
            {"title": "b", "safe": {"_id": ObjectId(), "inner": None}, "numbers": [None], "deletedAt": None},
            {"title": "c", "numbers": None, "unheard": {"of": [1, "x"]}, "createdAt": None},
        ]
    )
    posts.rows("Plain").insert_many([{"_id": 1}, {"_id": "x", "v": [1]}, {"_id": {"a": 1}, "deleted": "yes"}])
    assert posts.findings() == posts.findings("indexes")


def test_a_thousand_wrong_items_are_one_mistake(posts: Shop) -> None:
    posts.rows("Post").insert_one({"title": "a", "numbers": ["x"] * 1_000})
    findings = posts.findings("documents")
    assert len(findings) == PROBLEMS_TOLD + 1
    assert findings[-1].what == "990 more values of it are wrong"


def test_what_is_inside_of_a_secret_is_not_told(posts: Shop) -> None:
    posts.rows("Post").insert_many(
        [
            {"title": "a", "safe": {"secret": {"pin": 998_877}}},
            {"title": "b", "keys": {"a": "hunter2"}},
            {"title": "c", "keys": "hunter2"},
            {"title": "d", "short": "hunter2"},
            {"title": "e", "safe": "hunter2"},
            {"title": "f", "cards": "hunter2"},
            {"title": "g", "cards": ["hunter2"]},
            {"title": "h", "ranked": {"a": "hunter2"}},
            {"title": "i", "ranked": "hunter2"},
        ]
    )
    findings = posts.findings("documents")
    assert sorted(each.what for each in findings) == [
        "/cards expected array",
        "/cards/0 expected object",
        "/keys expected map",
        "/keys/a expected int",
        "/ranked expected map",
        "/ranked/a expected object",
        "/safe expected object",
        "/safe/secret/pin expected string",
        "/short must have at least 9 characters",
    ]


def test_what_the_server_alone_refuses_is_said_to_be_so(posts: Shop) -> None:
    (problem,) = explained(posts.registry.model("Post"), {"_id": ObjectId(), "title": "fine"})
    assert problem.code == "rejected"


def test_findings_come_as_they_are_found(posts: Shop) -> None:
    posts.rows("Post").insert_many([{"title": n} for n in range(3)])
    begun: list[str] = []

    from datactl.steps import Step, Watcher

    class Watch(Watcher):
        def see(self, step: Step) -> None:
            begun.append(str(step.detail.get("check")))

    validator = posts.validator()
    findings = validator.run(validator.plan("Post"), watch=Watch())
    assert next(findings).code == "type"
    assert begun == ["documents"]


def test_a_stopping_watcher_leaves_the_rest_out(posts: Shop) -> None:
    posts.rows("Post").insert_one({"title": 1, "deleted": True})

    from datactl.steps import Watcher

    class Watch(Watcher):
        stop = False

        def stopping(self) -> bool:
            return self.stop

    watch = Watch()
    validator = posts.validator()
    findings = validator.run(validator.plan("Post"), watch=watch)
    assert next(findings).check == "documents"
    watch.stop = True
    assert list(findings) == []


def refusing(engine_port: int, refused: Callable[[Mapping[str, Any]], bool]) -> PosingProxy:
    """A server that cannot answer some questions."""
    no = {"ok": 0.0, "errmsg": "query uses a construct that is not supported", "code": 2, "codeName": "BadValue"}
    return PosingProxy(engine_port, lambda command: no if refused(command) else None)


@pytest.fixture
def refusing_shop(start_engine: Callable[..., TestEngine], tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """`refusing_shop(refused)`: the shop on a server that refuses the commands of which `refused` is true."""
    with ExitStack() as opened:

        def start(refused: Callable[[Mapping[str, Any]], bool]) -> Shop:
            proxy = refusing(start_engine().port, refused)
            opened.callback(proxy.close)
            mongo = open_mongo(proxy.uri, "shop")
            opened.callback(mongo.close)
            return Shop(mongo, parse_models(f"models:{MODELS}"), tmp_path)

        yield start


def test_where_the_server_cannot_apply_the_rules_they_are_applied_here(refusing_shop: Callable[..., Shop]) -> None:
    posts = refusing_shop(lambda command: "$jsonSchema" in str(command.get("pipeline")))
    nan, low, wrong, sound = [ObjectId() for _ in range(4)]
    posts.rows("Post").insert_many(
        [
            {"_id": nan, "title": "a", "deep": {"rank": float("nan")}},
            {"_id": low, "title": "b", "deep": {"rank": -1}},
            {"_id": wrong, "title": "c", "numbers": ["x"]},
            {"_id": sound, "title": "d", "deep": {"rank": 1}},
        ]
    )
    found = posts.findings("documents", model="Post")
    assert ("rejected", "/deep/rank is NaN, which its min or max does not let through", nan) in [
        (each.code, each.what, each.id) for each in found
    ]
    assert {each.id for each in found} == {nan, low, wrong}


def test_a_check_that_the_server_cannot_answer_is_named_and_the_others_go_on(
    refusing_shop: Callable[..., Shop],
) -> None:
    posts = refusing_shop(lambda command: command.get("aggregate") == "posts")
    posts.rows("Plain").insert_one({"_id": 1, "deleted": True})
    found = posts.findings("documents,marks,indexes")
    not_done = [each for each in found if each.code == "not_done"]
    assert [(each.check, each.model, each.where) for each in not_done] == [
        ("documents", "Post", "posts"),
        ("marks", "Post", "posts"),
    ]
    assert "not supported" in not_done[0].what
    assert "--only documents" in not_done[0].next
    assert ("marks", "no_soft_delete", "Plain") in [(each.check, each.code, each.model) for each in found]
    assert "index_missing" in {each.code for each in found}
