"""find: chosen fields only, and what is said where a filter's word is none of a field's choices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Project


@pytest.fixture
def shop(project: Project) -> Project:
    """Two products with nested fields, lists and a choice."""
    Path("models.yaml").write_text(
        """\
models:
  Product:
    fields:
      name: {type: string, required: true}
      status: {type: string, enum: [draft, published]}
      labels: [{type: string, enum: [new, used]}]
      stock: {quantity: {type: int}, place: {type: string}}
      parts: [{name: {type: string}, weight: {type: int}}]
      code: {type: string, secret: true}
"""
    )
    lines = [
        {"name": "a", "status": "draft", "stock": {"quantity": 1, "place": "x"}, "parts": [{"name": "p", "weight": 2}]},
        {"name": "b", "status": "published", "stock": {"quantity": 2, "place": "y"}, "code": "hidden"},
    ]
    assert project.run("create", "Product", "-", stdin=json.dumps(lines).encode()).status == 0
    return project


@pytest.mark.parametrize("limit", ["20", "0"])
def test_only_the_fields_that_were_asked_for(shop: Project, limit: str) -> None:
    line = ["find", "Product", "--sort", "-stock.quantity", "--limit", limit]
    shown = shop.run(*line, "--fields", "stock.quantity,name,parts.name").json
    assert [list(each) for each in shown] == [["_id", "stock", "name"], ["_id", "stock", "name", "parts"]]
    assert [each["stock"] for each in shown] == [{"quantity": 2}, {"quantity": 1}]
    assert shown[1]["parts"] == [{"name": "p"}]
    whole = shop.run(*line, "--fields", "stock,stock.quantity,_id").json
    assert whole[0]["stock"] == {"quantity": 2, "place": "y"}


def test_the_envelope_and_the_table_show_them_alone(shop: Project) -> None:
    page = shop.run("find", "Product", "--fields", "name", "--sort", "status", "--envelope").json
    assert [list(each) for each in page["data"]] == [["_id", "name"]] * 2
    table = shop.run("find", "Product", "--fields", "name,status", "--limit", "0", "-o", "table").out
    assert table.splitlines()[0].split() == ["_id", "name", "status"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("nmae", "name"),
        ("code", "secret"),
        ("$where", "$where"),
        (" , ", "--fields names no field"),
    ],
)
def test_fields_that_cannot_be_shown(shop: Project, fields: str, said: str) -> None:
    ended = shop.run("find", "Product", "--fields", fields)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err


def test_explain_shows_no_fields(shop: Project) -> None:
    assert shop.run("find", "Product", "--fields", "name", "--explain").status == 2


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        ("status=publishd", 'status cannot be "publishd": did you mean "published"?'),
        ("status=zzz", 'status cannot be "zzz": it is one of draft, published'),
        ("labels=nwe", 'labels cannot be "nwe": did you mean "new"?'),
        ('{"status": {"in": ["draft", "drafd"]}, "name": "z"}', 'status cannot be "drafd": did you mean "draft"?'),
        ("name=z,status=draft,status=drat", 'status cannot be "drat": did you mean "draft"?'),
    ],
)
@pytest.mark.parametrize("more", [[], ["--limit", "0"]], ids=["page", "all"])
def test_a_word_that_is_no_choice_is_named_where_nothing_was_found(
    shop: Project, filter: str, said: str, more: list[str]
) -> None:
    ended = shop.run("find", "Product", "--filter", filter, *more)
    assert (ended.status, ended.json) == (0, [])
    assert said in ended.err


@pytest.mark.parametrize("filter", ["name=z", "status=draft,name=z", "status=null,name=z", "status!=x,name=z"])
def test_a_filter_that_may_match_raises_no_doubt(shop: Project, filter: str) -> None:
    assert shop.run("find", "Product", "--filter", filter).err == ""


def test_what_the_model_does_not_allow_is_found_where_it_is(shop: Project) -> None:
    shop.database["products"].update_one({"name": "a"}, {"$set": {"status": "old"}})
    ended = shop.run("find", "Product", "--filter", "status=old", "--fields", "name")
    assert ([each["name"] for each in ended.json], ended.err) == (["a"], "")
