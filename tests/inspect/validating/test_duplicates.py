"""Duplicates: what a unique index would not take, said where there is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.inspect.validating.conftest import Shop

MODELS = """
  Item:
    uniqueFields: [sku]
    indexes:
      - {fields: {name: 1}, unique: true, collation: {locale: en, strength: 2}}
      - {fields: {a.b: 1, c: 1}, unique: true}
    fields:
      _id: int
      sku: string
      name: {type: string, required: true}
      a: {b: int}
      c: int
  Tagged:
    enableSoftDelete: false
    uniqueFields: [tags]
    fields: {_id: int, tags: [string]}
  Sparse:
    enableSoftDelete: false
    indexes: [{fields: {code: 1}, unique: true, sparse: true}]
    fields: {_id: int, code: string}
"""


@pytest.fixture
def items(shop: Callable[[str], Shop]) -> Shop:
    return shop(MODELS)


def item(number: int, **fields: object) -> dict[str, object]:
    return {"_id": number, "name": f"n{number}", "a": {"b": number}, "c": 1} | fields


def test_missing_takes_no_key_and_null_does(items: Shop) -> None:
    items.rows("Item").insert_many([item(1), item(2), item(3, sku=None), item(4, sku=None), item(5, sku="x")])
    (finding,) = items.findings("duplicates")
    assert (finding.where, finding.what) == ("3", "it has sku = null, as has 4")


def test_the_parts_of_a_key_count_together_and_missing_is_null(items: Shop) -> None:
    items.rows("Item").insert_many([item(1, c=5), item(2, c=6, a={"b": 1}), item(3, c=None), item(4)])
    items.rows("Item").insert_many([item(7, a={}, c=None), {"_id": 8, "name": "n8"}])
    (finding,) = items.findings("duplicates")
    assert (finding.where, finding.what) == ("7", "it has a.b = null, c = null, as has 8")


def test_marked_documents_stand_in_nobodys_way(items: Shop) -> None:
    gone = {"deleted": True, "deletedAt": datetime(2026, 1, 1, tzinfo=UTC)}
    items.rows("Item").insert_many([item(1, sku="x"), item(2, sku="x", **gone), item(3, sku="x", **gone)])
    assert items.found("duplicates") == []


def test_a_list_may_repeat_itself_and_not_another(items: Shop) -> None:
    items.rows("Tagged").insert_many(
        [
            {"_id": 1, "tags": ["a", "a"]},
            {"_id": 2, "tags": ["b"]},
            {"_id": 3, "tags": ["c", "b"]},
            {"_id": 4},
            {"_id": 5},
        ]
    )
    (finding,) = items.findings("duplicates")
    assert (finding.where, finding.what) == ("2", 'it has tags = "b", as has 3')


def test_a_sparse_index_leaves_out_what_lacks_the_field(items: Shop) -> None:
    items.rows("Sparse").insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3, "code": "x"}, {"_id": 4, "code": "x"}])
    assert items.found("duplicates") == [("duplicate", "3")]
