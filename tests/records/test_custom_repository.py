"""The repositories of docs/repository.md, as they are written there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datactl.records import Repository

PAGE = Path(__file__).parents[2] / "docs" / "repository.md"


def defined_in_docs(name: str) -> type[Repository]:
    """The class of this name from the page's Python."""
    (block,) = (
        each for each in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if f"class {name}" in each
    )
    found: dict[str, Any] = {}
    exec(compile(block, str(PAGE), "exec"), found)  # the page is ours
    kind: type[Repository] = found[name]
    return kind


def test_find_by_category_and_find_low_stock(repository: Callable[..., Repository]) -> None:
    categories = repository("Category")
    products: Any = repository("Product", defined_in_docs("ProductRepository"))
    chairs, tables = (categories.create({"name": name, "slug": name})["_id"] for name in ("chairs", "tables"))
    for number in range(30):
        products.create(
            {
                "name": f"item {number:02}",
                "price": number,
                "category": chairs if number % 2 else tables,
                "inventory": {"quantity": number},
            }
        )
    page = products.find_by_category(str(chairs), limit=10, sort="-price")
    assert [document["price"] for document in page.data] == list(range(29, 9, -2))
    assert (page.total, page.pages, page.has_next) == (15, 2, True)
    assert [document["price"] for document in products.find_low_stock(3)] == [0, 1, 2, 3]
    assert len(list(products.find_low_stock())) == 11
    products.soft_delete_many(filter={"price": {"$lt": 2}})
    assert [document["price"] for document in products.find_low_stock(3)] == [2, 3]
