"""A magazine's database of five years, written by Mongoose: what `init --from-db` tells its owner, and nothing else.

The application is in press/seed.mjs: plugins that came late, fields that came and went, scripts that wrote past it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo import MongoClient

from datactl.schema import load_models
from tests.interop.application import HERE, Application, Beside, run_node

pytestmark = pytest.mark.real

SEED = HERE / "press" / "seed.mjs"

# What is wrong there, and put there on purpose.
TOLD = {
    ("dangling", "Post", "author"),
    ("undated_marks", "Comment", "deletedAt"),
    ("duplicates", "Post", "slug"),
    ("duplicates", "User", "username"),
    ("duplicates", "Invoice", "number"),
    ("duplicates", "Company", "vatNumber"),
    ("ttl_index", "Session", "expires"),
    ("mixed_types", "User", "loginCount"),
    ("mixed_types", "Invoice", "total"),
    ("undeclarable_names", "Post", ""),
    ("text_ids", "Post", "editorId"),
    ("split_reference", "Comment", "target"),
    ("unique_blocks", "User", "email"),
    ("unmarked", "User", "deleted"),
    ("unmarked", "Post", "deleted"),
    ("likely_secret", "User", "passwordHash"),
    ("likely_secret", "User", "resetToken"),
    ("likely_secret", "User", "apiKeys"),
    ("nearly_always", "Post", ""),
    ("text_dates", "User", "profile.birthday"),
    ("many_keys", "Post", "likes"),
    ("dead_field", "User", "facebookId"),
    ("dead_field", "User", "followers"),
    ("dead_field", "User", "legacyFlags"),
    ("dead_field", "Newsletter", "campaign"),
    ("dead_index", "Post", "seo.keyword"),
}


@pytest.fixture
def press(engine_uri: str, tmp_path: Path) -> Iterator[Beside]:
    """The magazine's database, and a project directory."""
    name = f"press_{ObjectId()}"
    run_node(engine_uri, name, SEED)
    yield Beside(engine_uri, name, tmp_path)
    with MongoClient(engine_uri) as client:
        client.drop_database(name)


def test_its_owner_is_told_what_is_wrong_and_nothing_else(press: Beside) -> None:
    found = press.run("init", "--from-db", "--sample", "10000")
    assert {(each["code"], each["model"], each["where"]) for each in found["notices"]} == TOLD
    assert set(found["leftOut"]) == {"publishedPosts", "auditLog"}
    registry = load_models(press.directory / "models.yaml")
    assert {(model.name, field.path): field.ref for model in registry.values() for field in model.references} == {
        ("User", "company"): "Company",
        ("Post", "author"): "User",
        ("Comment", "user"): "User",
        ("Invoice", "customer"): "Company",
        ("Activity", "user"): "User",
        ("Activity", "invoice"): "Invoice",
    }
    assert {model.name for model in registry.values() if model.soft_delete} == {"User", "Post", "Comment"}
    assert registry["User"].secret_paths == {"passwordHash", "resetToken", "apiKeys"}
    kinds = {path: str(registry["Post"].field(path).type) for path in ("likes", "blocks", "stats", "publishedAt")}  # type: ignore[union-attr]
    assert kinds == {"likes": "map", "blocks": "array", "stats": "object", "publishedAt": "date"}
    text = (press.directory / "models.yaml").read_text()
    assert "several kinds share it (__t): Login 80.0 %, Purchase 20.0 %" in text
    assert "in every Purchase, nowhere else" in text
    for secret in ("$2b$10$", "sk_live_", "r50"):
        assert secret not in text
    press.run("models", "check")
    drift = press.run("models", "diff", status=5)
    assert {row["code"] for row in drift if row["check"] == "indexes"} == {"index_missing"}
    assert press.run("init", "--from-db", "--sample", "10000")["diff"] == "", "nothing is new"


def test_a_sample_tells_most_of_it(press: Beside) -> None:
    found = press.run("init", "--from-db", "--sample", "300")
    told = {(each["code"], each["model"], each["where"]) for each in found["notices"]}
    rare = {code for code in TOLD if code[0] in ("undeclarable_names", "nearly_always", "dangling", "many_keys")}
    assert TOLD - rare - {("likely_secret", "User", "resetToken")} <= told


def test_the_application_goes_on_with_validators_in_place(engine_uri: str, tmp_path: Path) -> None:
    shop = Application(engine_uri, f"shop_{ObjectId()}")
    shop.seed()
    beside = Beside(engine_uri, shop.database, tmp_path)
    beside.run("init", "--from-db")
    applied = beside.run("models", "apply", "--yes")
    assert {(row["state"], row["notPassing"]) for row in applied} == {("applied", 0)}
    shop.test()
    assert [row for row in beside.run("models", "diff", status=5) if row["check"] == "validators"] == []
    with MongoClient(engine_uri) as client:
        client.drop_database(shop.database)
