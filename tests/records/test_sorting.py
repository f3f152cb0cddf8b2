"""Sort orders: read from text, refused where there is no order, made total by `_id`."""

from __future__ import annotations

import pytest

from datactl.errors import FilterError
from datactl.records import parse_sort
from datactl.records.sorting import total_order
from datactl.schema import Registry


@pytest.mark.parametrize(
    ("given", "sort"),
    [
        (None, ()),
        ("", ()),
        ("-createdAt,name", (("createdAt", -1), ("name", 1))),
        (" +price , -_id ", (("price", 1), ("_id", -1))),
        ([("inventory.quantity", -1)], (("inventory.quantity", -1),)),
        ("deletedAt", (("deletedAt", 1),)),
    ],
)
def test_reading(registry: Registry, given: str | None, sort: tuple[tuple[str, int], ...]) -> None:
    assert parse_sort(registry.model("Product"), given) == sort


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("nmae", "name"),
        ("tags", "plain value"),
        ("inventory", "plain value"),
        ("contacts.city", "plain value"),
        ("extra", "plain value"),
        ("token", "secret"),
        ("supplier.password", "secret"),
        ("$where", "no field"),
        ("name,-name", "twice"),
    ],
)
def test_refusing(registry: Registry, given: str, says: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_sort(registry.model("Product"), given)
    assert says in f"{caught.value} {caught.value.next}"


def test_a_direction_is_one_or_minus_one(registry: Registry) -> None:
    with pytest.raises(FilterError, match="1 or -1"):
        parse_sort(registry.model("Product"), [("name", 2)])


@pytest.mark.parametrize(
    ("sort", "total"),
    [
        ((), (("_id", 1),)),
        ((("a", -1),), (("a", -1), ("_id", -1))),
        ((("a", -1), ("b", 1)), (("a", -1), ("b", 1), ("_id", 1))),
        ((("a", 1), ("_id", -1), ("b", 1)), (("a", 1), ("_id", -1))),
    ],
)
def test_id_is_last_in_the_direction_before_it(
    sort: tuple[tuple[str, int], ...], total: tuple[tuple[str, int], ...]
) -> None:
    assert total_order(sort) == total
