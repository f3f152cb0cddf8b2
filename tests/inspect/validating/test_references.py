"""References: values of every width, in lists and maps, more than one question takes, and what is no fault."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tests.inspect.validating.conftest import Shop

MODELS = """
  Shelf:
    fields: {_id: number, name: string}
  Book:
    fields:
      _id: int
      shelf: {type: number, ref: Shelf}
      others: [[{type: number, ref: Shelf}]]
      any: {type: mixed, ref: Shelf}
      whole: {type: int, ref: Shelf}
      kept: {type: number, ref: Shelf, onDelete: restrict}
      hidden: {type: number, ref: Shelf, secret: true}
      parts: {type: map, of: {type: object, fields: {shelf: {type: number, ref: Shelf}}}}
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def books(shop: Callable[[str], Shop]) -> Shop:
    made = shop(MODELS)
    made.rows("Shelf").insert_many([{"_id": 1}, {"_id": 2.0}, {"_id": Int64(3)}, {"_id": Decimal128("4.0")}])
    return made


def test_numbers_are_one_id_whatever_their_width(books: Shop) -> None:
    values = [1, 1.0, Int64(1), Decimal128("1"), 2, Int64(2), 3, 3.0, 4, 4.0]
    books.rows("Book").insert_many([{"_id": n, "shelf": value} for n, value in enumerate(values)])
    assert books.found("references") == []
    books.rows("Book").insert_one({"_id": 99, "shelf": 1.5})
    assert books.found("references") == [("dangling", "99")]


def test_lists_in_lists_and_documents_in_maps(books: Shop) -> None:
    books.rows("Book").insert_many(
        [
            {"_id": 1, "others": [[1, 2], [], [7, 7]], "parts": {"a": {"shelf": 1}, "b": {"shelf": 8}, "c": None}},
            {"_id": 2, "others": [[]], "parts": {}},
            {"_id": 3, "others": None, "parts": "no map"},
            {"_id": 4, "any": "text"},
            {"_id": 5, "any": None},
        ]
    )
    found = {(each.where, each.what) for each in books.findings("references")}
    assert found == {
        ("1", "others refers to Shelf 7, which is not there"),
        ("1", "parts.$*.shelf refers to Shelf 8, which is not there"),
        ("4", "any refers to Shelf text, which is not there"),
    }


def test_more_than_one_question_takes(books: Shop) -> None:
    books.rows("Book").insert_many([{"_id": n, "shelf": 1_000 + n} for n in range(250)])
    books.rows("Book").insert_many([{"_id": 1_000 + n, "shelf": 1 + n % 4} for n in range(250)])
    assert books.found("references") == sorted(("dangling", str(n)) for n in range(250))


def test_documents_that_are_marked_refer_to_what_they_like(books: Shop) -> None:
    books.rows("Book").insert_many([{"_id": 1, "shelf": 9, "deleted": True, "deletedAt": NOW}])
    assert books.found("references") == []
    books.rows("Book").insert_one({"_id": 2, "shelf": 9})
    assert books.found("references") == [("dangling", "2")]


def test_a_value_of_another_type_is_no_reference(books: Shop) -> None:
    books.rows("Book").insert_many([{"_id": 1, "whole": 9}, {"_id": 2, "whole": 9.0}, {"_id": 3, "whole": "9"}])
    assert books.found("references") == [("dangling", "1")]
    assert books.found("documents") == [("type", "2"), ("type", "3")]


def test_a_reference_that_is_secret_is_not_told(books: Shop) -> None:
    books.rows("Book").insert_one({"_id": 1, "hidden": 424_242})
    (finding,) = books.findings("references")
    assert finding.what == "hidden refers to a Shelf, which is not there"
    assert "424242" not in repr(finding)


def test_a_reference_to_a_marked_document_is_none_of_ours_without_on_delete(books: Shop) -> None:
    books.rows("Shelf").insert_one({"_id": 5, "deleted": True, "deletedAt": NOW})
    books.rows("Book").insert_one({"_id": 1, "shelf": 5})
    assert books.found("references") == []


def test_what_was_archived_is_missed_where_on_delete_says_what_becomes_of_it(books: Shop) -> None:
    """A reference that let what it refers to be deleted lets it be archived too: an ordinary run breaks nothing."""
    shelves = books.repository("Shelf")
    shelves.create({"_id": 5, "name": "gone"})
    books.rows("Book").insert_one({"_id": 1, "shelf": 5.0})
    shelves.soft_delete(5)
    books.archive("Shelf")
    assert books.found("references") == []
    books.rows("Book").insert_one({"_id": 2, "kept": 5.0})
    (finding,) = books.findings("references")
    assert (finding.code, finding.next) == ("archived", "datactl restore Shelf 5.0")


def test_a_sample_is_looked_at_alone(books: Shop) -> None:
    books.rows("Book").insert_many([{"_id": n, "shelf": 9} for n in range(30)])
    assert len(books.found("references", sample=10)) == 10
