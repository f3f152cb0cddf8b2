"""The indexes that follow from a model."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from datactl.mongo import Mongo
from datactl.schema import Model
from tests.schema.samples import one

LIVE = {"$in": [False, None]}


def commands(model: Model, origin: str) -> list[dict[str, Any]]:
    return [index.as_command() for index in model.indexes() if index.origin == origin]


def test_unique_fields_are_unique_among_live_documents() -> None:
    model = one("a: string\nb: {type: string, required: true}", "uniqueFields: [a, b]\nmarks: {deleted: gone}")
    assert commands(model, "unique") == [
        {
            "key": {"a": 1},
            "name": "a_1",
            "unique": True,
            "partialFilterExpression": {"gone": LIVE, "a": {"$exists": True}},
        },
        {"key": {"b": 1}, "name": "b_1", "unique": True, "partialFilterExpression": {"gone": LIVE}},
    ]


def test_without_soft_delete_every_document_counts() -> None:
    model = one("a: string\nb: {type: string, required: true}", "uniqueFields: [a, b]\nenableSoftDelete: false")
    assert [index.as_command() for index in model.indexes()] == [
        {"key": {"a": 1}, "name": "a_1", "unique": True, "partialFilterExpression": {"a": {"$exists": True}}},
        {"key": {"b": 1}, "name": "b_1", "unique": True},
    ]


def test_declared_indexes_keep_their_order_and_options() -> None:
    model = one(
        "a: string\nb: string\nc: string",
        """
indexes:
  - fields: {b: -1, a: 1}
  - {fields: {a: 1}, name: mine, sparse: true, collation: {locale: en}}
  - {fields: {b: 1}, unique: true}
  - {fields: {c: 1}, unique: true, partialFilterExpression: {b: {$exists: true}}}
""",
    )
    assert commands(model, "declared") == [
        {"key": {"b": -1, "a": 1}, "name": "b_-1_a_1"},
        {"key": {"a": 1}, "name": "mine", "sparse": True, "collation": {"locale": "en"}},
        {"key": {"b": 1}, "name": "b_1", "unique": True, "partialFilterExpression": {"deleted": LIVE}},
        {"key": {"c": 1}, "name": "c_1", "unique": True, "partialFilterExpression": {"b": {"$exists": True}}},
    ]
    assert list(commands(model, "declared")[0]["key"]) == ["b", "a"]
    assert [index.name for index in model.unique_keys] == ["b_1", "c_1"]


def test_a_reference_has_an_index_unless_another_begins_with_it() -> None:
    model = one(
        "a: {type: objectId, ref: M}\nb: {type: objectId, ref: M}\nc: [{type: objectId, ref: M}]\n"
        "d: {type: objectId, ref: M}",
        "indexes: [{fields: {a: 1, b: 1}}]\nuniqueFields: [d]",
    )
    found = [index["key"] for index in commands(model, "reference")]
    assert found == [{"b": 1}, {"c": 1}, {"d": 1}]  # the unique one is partial: it misses deleted documents


def test_one_text_index_covers_the_search_fields() -> None:
    model = one("a: string\nb: [string]", "textSearchFields: [a, b]")
    assert commands(model, "text") == [{"key": {"a": "text", "b": "text"}, "name": "a_text_b_text"}]


def test_a_field_called_language_is_not_taken_for_the_documents_language() -> None:
    model = one("a: string\nlanguage: string", "textSearchFields: [a]")
    assert commands(model, "text")[0]["language_override"] != "language"


def test_marks_have_a_partial_index() -> None:
    assert commands(one("a: string", "marks: {deleted: gone, deletedAt: goneAt}"), "soft_delete") == [
        {"key": {"goneAt": 1}, "name": "datactl_marks", "partialFilterExpression": {"gone": True}}
    ]


def test_marks_have_none_of_their_own_where_one_of_mongoose_delete_serves() -> None:
    assert commands(one("a: string", "indexes: [{fields: {deletedAt: 1}}]"), "soft_delete") == []
    assert commands(one("a: string", "indexes: [{fields: {deletedAt: 1, a: 1}}]"), "soft_delete") == []
    for other in (
        "{a: 1, deletedAt: 1}",
        "{deletedAt: 1}, sparse: true",
        "{deletedAt: 1}, partialFilterExpression: {a: x}",
    ):
        assert commands(one("a: string", f"indexes: [{{fields: {other}}}]"), "soft_delete")


def test_a_server_keeps_live_documents_apart_and_no_others(mongo: Mongo) -> None:
    model = one("sku: string\ncode: {type: string, required: true}", "uniqueFields: [sku, code]")
    things = mongo.database["things"]
    for index in model.indexes():
        command = index.as_command()
        things.create_index(list(command.pop("key").items()), **command)
    things.insert_one({"sku": "a", "code": "1", "deleted": True})
    things.insert_one({"sku": "a", "code": "2"})
    things.insert_one({"code": "3", "deleted": False})
    things.insert_one({"code": "4", "deleted": None})  # a second one without sku
    for clash in ({"sku": "a", "code": "5"}, {"sku": "b", "code": "4"}, {"sku": "a", "code": "6", "deleted": False}):
        with pytest.raises(DuplicateKeyError):
            things.insert_one(clash)
    assert things.count_documents({}) == 4
