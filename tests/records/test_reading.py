"""Finding and paging: what is shown, in which order, and what is kept back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from datactl.errors import BadId, FilterError, NotFound, UsageError
from datactl.mongo import Mongo
from datactl.records import Page, Repository
from datactl.records.results import pages_of
from datactl.schema import Registry, define_model

Make = Callable[..., Repository]
SYSTEM = ("_id", "createdAt", "updatedAt", "deleted")


@pytest.fixture
def stock(products: Repository) -> Repository:
    """45 products, 5 of them deleted; a price for every two."""
    products.collection.insert_many(
        [
            {"_id": ObjectId(), "name": f"item {number:02}", "price": number // 2, "token": "T0P"}
            | ({"deleted": True} if number % 9 == 8 else {})
            for number in range(45)
        ]
    )
    return products


def names(documents: Any) -> list[str]:
    return [document["name"] for document in documents]


def test_find(stock: Repository) -> None:
    assert names(stock.find({"price": {"$lt": 3}}, sort="-name")) == [
        f"item {number:02}" for number in (5, 4, 3, 2, 1, 0)
    ]
    assert names(stock.find(sort="name", limit=2)) == ["item 00", "item 01"]
    assert list(stock.find(limit=0)) == []
    assert len(list(stock.find())) == 40
    assert len(list(stock.find_with_deleted())) == 45
    assert names(stock.find_deleted(sort="name")) == [f"item {number:02}" for number in (8, 17, 26, 35, 44)]
    assert list(stock.find({"deleted": True})) == []


def test_a_missing_or_false_mark_means_live(products: Repository) -> None:
    products.collection.insert_many([{"name": name, "deleted": mark} for name, mark in (("a", False), ("b", None))])
    products.collection.insert_many([{"name": "c"}, {"name": "d", "deleted": True}])
    assert names(products.find(sort="name")) == ["a", "b", "c"]
    assert names(products.find_deleted()) == ["d"]


def test_by_id(stock: Repository) -> None:
    (first,) = stock.find(sort="name", limit=1)
    assert stock.find_by_id(str(first["_id"])) == first
    with pytest.raises(BadId):
        stock.find_by_id("nothing")
    with pytest.raises(NotFound):
        stock.find_by_id(ObjectId())


def test_secret_fields_are_not_shown(stock: Repository) -> None:
    assert all("token" not in document for document in stock.find_with_deleted())
    assert all("token" not in document for document in stock.find_with_pagination(limit=50).data)
    assert {document["token"] for document in stock.find(reveal=True)} == {"T0P"}
    assert stock.find_with_pagination(reveal=True).data[0]["token"] == "T0P"
    assert next(stock.find(projection=["token"], reveal=True))["token"] == "T0P"
    with pytest.raises(FilterError, match="secret"):
        stock.find(projection=["token"])
    with pytest.raises(FilterError, match="secret"):
        stock.find(sort="token")
    assert "token" not in next(stock.find(projection={"name": 0}))


def test_projection(stock: Repository) -> None:
    assert next(stock.find(sort="name", projection=["name"])).keys() == {"_id", "name"}
    assert next(stock.find(sort="name", projection={"name": 1, "_id": 0})).keys() == {"name"}


@pytest.mark.parametrize("shown", ["$token", {"$concat": ["$token", ""]}, 2, 1.0, None, {"$slice": 1}])
def test_a_projection_shows_no_secret_by_another_name(stock: Repository, shown: Any) -> None:
    with pytest.raises(FilterError, match="neither"):
        stock.find(projection={"name": shown})
    with pytest.raises(FilterError, match="neither"):
        stock.find_with_pagination(projection={"name": shown})
    assert next(stock.find(projection={"name": "$token"}, reveal=True))["name"] == "T0P"


def test_secrets_inside_secrets_and_maps(mongo: Mongo, tmp_path: Path) -> None:
    text = {"type": "string", "secret": True}
    model = define_model(
        "Box",
        {
            "name": "string",
            "2024": text,
            "card": {"type": "object", "secret": True, "fields": {"number": "string", "pin": text}},
            "keys": {"type": "map", "of": text},
            "doors": {"type": "map", "of": {"type": "object", "fields": {"code": text, "7": text, "wall": "string"}}},
        },
    )
    boxes = Repository(model, mongo, Registry([model]), spool_dir=tmp_path)
    made = boxes.create(
        {
            "name": "b",
            "2024": "S1",
            "card": {"number": "S2", "pin": "S3"},
            "keys": {"a": "S4", "5": "S5"},
            "doors": {"x": {"code": "S6", "7": "S7", "wall": "w"}, "3": {"code": "S8", "7": "S9"}},
        }
    )
    public = {"name": "b", "keys": {}, "doors": {"x": {"wall": "w"}, "3": {}}}
    for document in (made, *boxes.find(), *boxes.find_with_pagination().data, boxes.find_by_id(made["_id"])):
        assert {name: document[name] for name in document if name not in SYSTEM} == public
    boxes.update_by_id(
        made["_id"], {"$set": {"2024": "S11", "doors.3.code": "S12", "keys.5": "S13", "doors.3.7": "S14"}}
    )
    rows = list(mongo.collection("outboxes").find())
    assert len(rows) == 2
    assert not re.search(r"'S\d", str(rows))
    for path in ("2024", "keys.a", "keys.5", "doors.3.code", "doors.x", "card.number"):
        with pytest.raises(FilterError, match="secret"):
            boxes.find(sort=path)
    for path in ("2024", "keys.a", "keys.5", "doors.3.code", "card.number"):
        with pytest.raises(FilterError, match="secret"):
            boxes.find(projection=[path])


def test_a_page_far_beyond_the_last(stock: Repository) -> None:
    page = stock.find_with_pagination(page=2**63 - 1)
    assert (page.data, page.total, page.has_next) == ((), 40, False)


def test_pages_by_number(stock: Repository) -> None:
    page = stock.find_with_pagination({"price": {"$gte": 5}}, page=2, limit=10, sort="name")
    assert names(page.data) == [f"item {number:02}" for number in (21, 22, 23, 24, 25, 27, 28, 29, 30, 31)]
    assert page.as_dict()["pagination"] == {
        "page": 2,
        "pages": 4,
        "total": 31,
        "hasNext": True,
        "hasPrev": True,
        "next": page.next_cursor,
    }
    last = stock.find_with_pagination({"price": {"$gte": 5}}, page=4, limit=10, sort="name")
    assert (len(last.data), last.has_next, last.next_cursor) == (1, False, None)
    beyond = stock.find_with_pagination(page=9, limit=10)
    assert (beyond.data, beyond.page, beyond.pages, beyond.has_next, beyond.has_prev) == ((), 9, 4, False, True)
    nothing = stock.find_with_pagination({"name": "no"})
    assert nothing.as_dict()["pagination"] == {
        "page": 1,
        "pages": 0,
        "total": 0,
        "hasNext": False,
        "hasPrev": False,
        "next": None,
    }
    assert stock.find_with_pagination(include_deleted=True).total == 45


@given(total=st.integers(0, 10_000), limit=st.integers(1, 1000))
def test_pages_hold_all_and_none_is_empty(total: int, limit: int) -> None:
    pages = pages_of(total, limit)
    assert pages * limit >= total
    assert (pages - 1) * limit < total or total == 0


def follow(repository: Repository, **options: Any) -> list[Page]:
    pages = [repository.find_with_pagination(**options)]
    while pages[-1].next_cursor:
        assert len(pages) < 100, "the pages have no end"
        pages.append(repository.find_with_pagination(**options, after=pages[-1].next_cursor))
    return pages


@pytest.mark.parametrize("sort", [None, "price", "-price", "-price,name", "price,-_id"])
def test_following_cursors_shows_every_document_once_in_order(stock: Repository, sort: str | None) -> None:
    pages = follow(stock, limit=7, sort=sort, filter={"price": {"$gte": 2}})
    shown = [document["_id"] for page in pages for document in page.data]
    whole = stock.find_with_pagination(limit=100, sort=sort, filter={"price": {"$gte": 2}})
    assert shown == [document["_id"] for document in whole.data]
    assert [(page.page, page.pages, page.total) for page in pages] == [(number, 6, 36) for number in range(1, 7)]
    assert [page.has_next for page in pages] == [True] * 5 + [False]
    assert [page.has_prev for page in pages] == [False] + [True] * 5


def test_a_document_that_comes_in_between_does_not_shift_the_pages(stock: Repository) -> None:
    first = stock.find_with_pagination(limit=10, sort="name")
    stock.collection.insert_many([{"name": "item 00a"}, {"name": "item 05a"}])
    second = stock.find_with_pagination(limit=10, sort="name", after=first.next_cursor)
    assert names(second.data)[0] == "item 11"


def test_a_cursor_is_for_its_question_only(stock: Repository) -> None:
    asked: dict[str, Any] = {"filter": {"price": {"$gte": 1}}, "sort": "price", "role": "clerk", "limit": 5}
    cursor = stock.find_with_pagination(**asked).next_cursor
    assert stock.find_with_pagination(**{**asked, "limit": 9}, after=cursor).page == 2
    changes: list[dict[str, Any]] = [
        {"filter": {}},
        {"sort": "-price"},
        {"role": "admin"},
        {"include_deleted": True},
        {"search": "item"},
    ]
    for change in changes:
        with pytest.raises(UsageError, match="does not fit"):
            stock.find_with_pagination(**{**asked, **change}, after=cursor)
    with pytest.raises(UsageError, match="does not fit"):
        stock.find_with_pagination(**asked, after="x" + str(cursor))


@pytest.mark.parametrize("options", [{"page": 0}, {"limit": 0}, {"limit": 1001}, {"limit": -1}])
def test_what_is_no_page(stock: Repository, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        stock.find_with_pagination(**options)


def test_search_without_a_text_index(products: Repository, repository: Make) -> None:
    products.collection.insert_many(
        [{"name": "Red chair"}, {"name": "stool", "description": "like a CHAIR"}, {"name": "a.b"}, {"name": "axb"}]
    )
    page = products.find_with_pagination(search="chair", sort="name")
    assert names(page.data) == ["Red chair", "stool"]
    assert page.as_dict()["meta"] == {"search": "regex"}
    assert names(products.find_with_pagination(search="a.b").data) == ["a.b"]
    assert names(products.find_with_pagination({"name": "stool"}, search="chair").data) == ["stool"]
    assert "meta" not in products.find_with_pagination(search="").as_dict()
    with pytest.raises(UsageError, match="cannot be searched"):
        repository("Category").find_with_pagination(search="x")


def test_explain_suggests_the_index(products: Repository) -> None:
    products.collection.insert_many([{"name": str(number), "price": number} for number in range(100)])
    found = products.explain({"name": "5"}, sort="-price")
    assert (found.returned, found.documents_examined) == (1, 100)
    assert found.suggestion is not None
    assert "{name: 1, price: -1}" in found.suggestion
    query = {"category": ObjectId(), "price": {"$gt": 1}}
    missing = products.explain(query).suggestion
    assert missing is not None
    assert missing.startswith("category_1_price_-1 is declared, would serve it and is missing")
    products.collection.create_index([("category", 1), ("price", -1)])
    # Whether a server uses an index of a hundred documents is its own choice; it is not told to make it again.
    assert "missing" not in (products.explain(query).suggestion or "")
    assert products.explain().suggestion is None


@pytest.mark.parametrize("sort", [None, "price", "-price", "inventory.quantity"])
@pytest.mark.parametrize(
    ("projection", "shown"),
    [
        ({"_id": 0}, {"name", "price", "inventory"}),
        ({"_id": 0, "price": 0}, {"name", "inventory"}),
        ({"price": 0, "inventory": 0}, {"_id", "name"}),
        ({"_id": 1, "price": 0}, {"_id", "name", "inventory"}),
        ({"_id": 0, "name": 1}, {"name"}),
        ({"_id": 1}, {"_id"}),
        (["name"], {"_id", "name"}),
    ],
)
def test_pages_may_hide_what_they_are_sorted_by(
    repository: Make, sort: str | None, projection: Any, shown: set[str]
) -> None:
    products = repository("Product")
    products.collection.insert_many(
        [{"name": f"{number}", "price": number // 3, "inventory": {"quantity": number // 4}} for number in range(10)]
    )
    whole = [document["name"] for document in products.find_with_pagination(limit=50, sort=sort).data]
    pages = follow(products, limit=3, sort=sort, projection=projection)
    rows = [document for page in pages for document in page.data]
    assert len(rows) == 10
    if "name" in shown:
        assert [row["name"] for row in rows] == whole
    added = {"price", "inventory"} if not isinstance(projection, dict) or projection.get("name", 0) else set()
    added |= {"price", "inventory"} if projection == {"_id": 1} else set()  # what sorts is shown beside what was asked
    assert all(shown <= set(row) <= shown | added for row in rows)


def test_a_page_cannot_show_something_else_as_what_sorts_it(stock: Repository) -> None:
    with pytest.raises(FilterError, match="sorted"):
        stock.find_with_pagination(sort="price", projection={"price": "$name"}, reveal=True)


def test_a_cursor_is_for_its_model_only(repository: Make) -> None:
    """Two models over one collection, as discriminators are: filter and sort are alike."""
    made = [repository("Product"), repository("Category")]
    made[1].model = replace(made[1].model, collection=made[0].model.collection)
    made[0].collection.insert_many([{"name": f"{number}", "slug": f"{number}"} for number in range(3)])
    cursor = made[0].find_with_pagination(limit=1, sort="name").next_cursor
    assert made[0].find_with_pagination(limit=1, sort="name", after=cursor).page == 2
    with pytest.raises(UsageError, match="does not fit"):
        made[1].find_with_pagination(limit=1, sort="name", after=cursor)
