"""Names of models: what Mongoose would have called so, valid and distinct."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datactl.inspect.adopting.naming import model_names
from datactl.schema import pluralize
from datactl.schema.options import NAME, RESERVED_MODEL_NAMES


@pytest.mark.parametrize(
    ("collection", "name"),
    [
        ("users", "User"),
        ("categories", "Category"),
        ("people", "Person"),
        ("addresses", "Address"),
        ("order_items", "OrderItem"),
        ("blogPosts", "BlogPost"),
        ("fs.files", "FsFile"),
        ("statuses", "Status"),
        ("news", "News"),
        ("houses", "House"),
        ("plans", "PlanModel"),
        ("2024-logs", "Collection2024Log"),
        ("日本", "Collection"),
    ],
)
def test_names(collection: str, name: str) -> None:
    assert model_names([collection], {}) == {collection: name}


@pytest.mark.parametrize(
    "name", ["User", "Category", "Person", "Box", "Branch", "Wish", "Hero", "Product", "Cactus", "Child"]
)
def test_the_plural_of_the_name_is_the_collection(name: str) -> None:
    assert model_names([pluralize(name)], {}) == {pluralize(name): name}


def test_names_that_stand_are_kept_and_the_better_claim_wins() -> None:
    assert model_names(["Users", "users", "posts"], {"posts": "Article"}) == {
        "users": "User",
        "Users": "User2",
        "posts": "Article",
    }


@given(st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=8))
def test_whatever_the_collections_are_called(collections: list[str]) -> None:
    names = list(model_names(collections, {}).values())
    assert len({name.lower() for name in names}) == len(collections)
    assert all(re.fullmatch(NAME, name) and name.lower() not in RESERVED_MODEL_NAMES for name in names)
