"""Documents: what the server refuses is explained, and what it accepts is let through."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bson import ObjectId

from datactl.inspect.validating.documents import PROBLEMS_TOLD, explained
from tests.inspect.validating.conftest import Shop

MODELS = """
  Post:
    fields:
      title: {type: string, required: true}
      numbers: [int]
      safe: {inner: {type: string, maxLength: 3}, secret: {type: object, secret: true, fields: {pin: string}}}
      keys: {type: map, secret: true, of: {type: int}}
      short: {type: string, secret: true, minLength: 9}
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
        ]
    )
    findings = posts.findings("documents")
    assert sorted(each.what for each in findings) == [
        "/keys expected map",
        "/keys/a expected int",
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
