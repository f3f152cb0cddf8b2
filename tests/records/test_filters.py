"""Filters from outside: what the grammar says, and that it can say nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Decimal128, Int64, MinKey, ObjectId, Timestamp
from bson.regex import Regex
from hypothesis import given
from hypothesis import strategies as st

from datactl.errors import FilterError
from datactl.records import Repository, parse_filter
from datactl.records.filters import OPERATORS
from datactl.schema import Model, Registry, parse_models
from tests.records.conftest import SHOP

OID = "60f1b2c3d4e5f6789abcdef0"
PRODUCT = parse_models(SHOP).model("Product")


@pytest.fixture
def product(registry: Registry) -> Model:
    return registry.model("Product")


@pytest.mark.parametrize(
    ("text", "filter"),
    [
        ("", {}),
        (None, {}),
        ("name=Chair", {"name": "Chair"}),
        ("name = Chair ", {"name": "Chair"}),
        ("price>=10", {"price": {"$gte": 10}}),
        ("price>=10,price<20.5", {"price": {"$gte": 10, "$lt": 20.5}}),
        ("price>1,name=a", {"price": {"$gt": 1}, "name": "a"}),
        ("price<=1", {"price": {"$lte": 1}}),
        ("name!=x", {"name": {"$ne": "x"}}),
        ("name=null", {"name": None}),
        ('name="null"', {"name": "null"}),
        ('name="Smith, John",price=1', {"name": "Smith, John", "price": 1}),
        ('name="say \\"hi\\", then"', {"name": 'say "hi", then'}),
        ("name=a=b", {"name": "a=b"}),
        (f"category={OID}", {"category": ObjectId(OID)}),
        (f"_id={OID}", {"_id": ObjectId(OID)}),
        ("active=true", {"active": True}),
        ("weight=1.50", {"weight": Decimal128("1.50")}),
        ("seen>=2026-01-01T00:00:00Z", {"seen": {"$gte": datetime(2026, 1, 1, tzinfo=UTC)}}),
        ("code=00000000-0000-0000-0000-000000000001", {"code": UUID(int=1)}),
        ("inventory.quantity<=5", {"inventory.quantity": {"$lte": 5}}),
        ("tags=red", {"tags": "red"}),
        ("name~a.b", {"name": {"$regex": Regex("a\\.b", "i")}}),
        ("name^=The (", {"name": {"$regex": Regex("^The\\ \\(", "")}}),
        ("price=1,price=2", {"price": 1, "$and": [{"price": 2}]}),
        ('{"price": {"gte": 1, "lt": 5}, "name": "a"}', {"price": {"$gte": 1, "$lt": 5}, "name": "a"}),
        ({"price": {"in": [1, "2"]}}, {"price": {"$in": [1, 2]}}),
        ({"name": {"nin": ["a", None]}}, {"name": {"$nin": ["a", None]}}),
        ({"sku": {"exists": False}}, {"sku": {"$exists": False}}),
        ({"sku": {"exists": "true"}}, {"sku": {"$exists": True}}),
        ({"name": {"startsWith": "a+"}}, {"name": {"$regex": Regex("^a\\+", "")}}),
        ({"category": {"$oid": OID}}, {"category": ObjectId(OID)}),
        ({"tags": ["a", "b"]}, {"tags": {"$eq": ["a", "b"]}}),
        ({"createdAt": {"lt": "2026-01-01T00:00:00Z"}}, {"createdAt": {"$lt": datetime(2026, 1, 1, tzinfo=UTC)}}),
        ("deleted=true", {"deleted": True}),
    ],
)
def test_what_the_grammar_means(product: Model, text: Any, filter: dict[str, Any]) -> None:
    assert parse_filter(product, text) == filter


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nmae=x", "name"),
        ("name", "cannot read"),
        ("=x", "cannot read"),
        ('name="open', "not closed"),
        ("{bad", "not valid JSON"),
        ("price=cheap", "cannot be compared"),
        (f"category={OID}00", "cannot be compared"),
        ("_id=nothing", "cannot be compared"),
        ("active=maybe", "cannot be compared"),
        ("price~1", "is for text"),
        ("price>null", "no order"),
        ({"name": {"gr": 1}}, "unknown operator"),
        ({"name": {"$gt": 1}}, "unknown operator"),
        ({"name": {}}, "no operator"),
        ({"name": {"in": "x"}}, "takes a list"),
        ({"price": {"in": list(range(1001))}}, "at most 1000"),
        ({"name": {"contains": 5}}, "takes a text"),
        ({"sku": {"exists": 1}}, "true or false"),
        ({"name": {"regex": "a+"}}, "not allowed here"),
        ({"name": {"$regularExpression": {"pattern": "a", "options": ""}}}, "not a value to compare"),
        ({"extra": {"eq": {"$regularExpression": {"pattern": "a", "options": ""}}}}, "not a value to compare"),
        ({"extra": {"eq": {"$where": "1"}}}, "cannot be compared"),
        ({"$where": "sleep(1000)"}, "no field"),
        ({"$expr": {"eq": 1}}, "no field"),
        ({"name.$where": "x"}, "no field"),
        ({"$or": [{"name": "a"}]}, "no field"),
        ("$where=1", "no field"),
        ("token=x", "secret"),
        ("supplier.password~x", "secret"),
        ("contacts.phone=1", "secret"),
        ("contacts.0.phone=1", "secret"),
        ("supplier=x", "secret"),
        ("name~a\0b", "NUL"),
        ("[1]", "cannot read"),
        (" ", "blank"),
        ("\t\n", "blank"),
        ('{"price": {"gte": 1, "gte": 5}}', "twice"),
        ('{"name": "a", "name": "b"}', "twice"),
        ({"extra": {"eq": {"$oid": "5", "$numberLong": "5"}}}, "cannot be compared"),
    ],
)
def test_what_is_refused(product: Model, text: Any, says: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(product, text)
    assert says in f"{caught.value} {caught.value.next}"


def test_regular_expressions_only_where_they_are_allowed(product: Model) -> None:
    found = parse_filter(product, {"name": {"regex": "^a.c$"}}, regex=True)
    assert found == {"name": {"$regex": Regex("^a.c$", "")}}


def test_an_unknown_field_is_answered_with_the_nearest(product: Model) -> None:
    with pytest.raises(FilterError, match=r"inventory\.quantity"):
        parse_filter(product, "inventory.quantty=1")


ALLOWED = {
    *("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$regex", "$and"),
}


def operators_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        below = set().union(*map(operators_in, value.values())) if value else set()
        return below | {key for key in value if key.startswith("$")}
    if isinstance(value, list):
        return set().union(*map(operators_in, value)) if value else set()
    return set()


names = st.sampled_from(
    ["name", "price", "extra", "tags", "token", "$where", "$expr", "a.$", "inventory.quantity", "no"]
)
words = st.sampled_from([*OPERATORS, "$where", "$gt", "$function", "$regex"])
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just({"$where": "1"}))
values = st.recursive(
    leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=2))
)


@given(st.dictionaries(names, values, max_size=3))
def test_no_json_brings_an_operator_of_its_own(given_filter: dict[str, Any]) -> None:
    try:
        found = parse_filter(PRODUCT, given_filter)
    except FilterError:
        return
    assert operators_in(found) <= ALLOWED
    assert "token" not in found


@given(st.text(alphabet='name=,"~<>!^ price\\{}$', max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        found = parse_filter(PRODUCT, text)
    except FilterError:
        return
    assert operators_in(found) <= ALLOWED


def test_a_regular_expression_that_is_none_is_the_filters_fault(products: Repository) -> None:
    found = parse_filter(products.model, {"name": {"regex": "(a"}}, regex=True)
    with pytest.raises(FilterError, match="regular expression"):
        list(products.find(found))


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"$timestamp": {"t": 1, "i": 2}}, Timestamp(1, 2)),
        ({"$minKey": 1}, MinKey()),
        ({"$numberLong": "5"}, Int64(5)),
        ({"$uuid": "6f1b3c1e-8d0e-4b5a-9c39-0d8a2f0f5d11"}, UUID("6f1b3c1e-8d0e-4b5a-9c39-0d8a2f0f5d11")),
    ],
)
def test_whatever_is_a_value_elsewhere_is_one_in_a_filter(product: Model, given: Any, value: Any) -> None:
    assert (
        parse_filter(product, {"extra": given}) == parse_filter(product, {"extra": {"eq": given}}) == {"extra": value}
    )


@pytest.mark.parametrize("path", ["name", "extra"])
@pytest.mark.parametrize(
    ("given", "says"),
    [({"$regex": "a"}, "pattern"), ({"$regularExpression": {}}, "pattern"), ({"$code": "x"}, "code")],
)
def test_nor_is_a_pattern_or_code_one(product: Model, path: str, given: Any, says: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(product, {path: given})
    assert says in f"{caught.value} {caught.value.why}".lower()
