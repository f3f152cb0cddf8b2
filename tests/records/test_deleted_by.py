"""Who deleted a document, as the application's own type for it: Mongoose refuses to save what is of another."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from datactl.errors import ModelsFileError
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.schema import parse_models

SOMEBODY = "60f1b2c3d4e5f6789abcdef0"


@pytest.mark.parametrize(
    ("kind", "actor", "held"),
    [
        ("objectId", SOMEBODY, ObjectId(SOMEBODY)),
        ("objectId", "maria", None),
        ("objectId", None, None),
        ("mixed", SOMEBODY, SOMEBODY),
        ("string", "maria", "maria"),
    ],
)
def test_the_mark_has_the_applications_type(mongo: Mongo, kind: str, actor: str | None, held: Any) -> None:
    models = parse_models(f"models: {{Post: {{marks: {{deletedByType: {kind}}}, fields: {{title: string}}}}}}")
    posts = Repository(models["Post"], mongo, models)
    post = posts.create({"title": "a"})
    posts.soft_delete(post["_id"], actor=actor, reason="spam")
    stored = mongo.collection("posts").find_one({"_id": post["_id"]})
    assert stored is not None
    assert stored.get("deletedBy") == held
    assert ("deletedBy" in stored) is (held is not None)
    event = mongo.collection("outboxes").find_one({"eventType": "PostDeleted"})
    assert event is not None
    assert event["actor"] == actor  # whatever the mark has room for


def test_another_type_is_refused() -> None:
    with pytest.raises(ModelsFileError, match="one of mixed, string, objectId"):
        parse_models("models: {Post: {marks: {deletedByType: int}, fields: {title: string}}}")
