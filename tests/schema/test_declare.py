"""Declarations that are right: Mongoose's spellings, Python and YAML giving one value, what a model knows of itself."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datactl.errors import ModelsFileError, UsageError
from datactl.schema import (
    NOW,
    Access,
    Aggregation,
    ArchivePolicy,
    ArchiveSelection,
    ArchiveTiers,
    EventPolicy,
    Field,
    FieldType,
    FrozenDict,
    Handler,
    Marks,
    Model,
    Registry,
    define_model,
    load_models,
    parse_models,
)
from tests.schema.samples import EVERY_TYPE, one, thing

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("String", FieldType.STRING),
        ("string", FieldType.STRING),
        ("Number", FieldType.NUMBER),
        ("Boolean", FieldType.BOOL),
        ("Date", FieldType.DATE),
        ("ObjectId", FieldType.OBJECT_ID),
        ("Schema.Types.ObjectId", FieldType.OBJECT_ID),
        ("mongoose.Schema.Types.ObjectId", FieldType.OBJECT_ID),
        ("mongoose.Types.ObjectId", FieldType.OBJECT_ID),
        ("Mixed", FieldType.MIXED),
        ("Schema.Types.Mixed", FieldType.MIXED),
        ("Buffer", FieldType.BINARY),
        ("Schema.Types.Decimal128", FieldType.DECIMAL),
        ("BigInt", FieldType.LONG),
        ("Schema.Types.UUID", FieldType.UUID),
        ("Map", FieldType.MAP),
        ("Int32", FieldType.INT),
        ("Schema.Types.Double", FieldType.DOUBLE),
        ("Array", FieldType.ARRAY),
        ("Object", FieldType.OBJECT),
        ("binData", FieldType.BINARY),
        ("{}", FieldType.MIXED),
        ("[]", FieldType.ARRAY),
        ("[String]", FieldType.ARRAY),
        ("{x: Number}", FieldType.OBJECT),
    ],
)
def test_mongoose_spellings_are_read(spelling: str, kind: FieldType) -> None:
    for text in (f"a: {spelling}", f"a: {{type: {spelling}}}"):
        field = one(text).field("a")
        assert field is not None
        if (spelling, text) != ("{}", "a: {type: {}}"):  # a nested document that is open, to Mongoose as well
            assert field.type is kind


def test_a_list_of_documents_a_map_and_a_field_called_type() -> None:
    model = one(
        "a: [{type: String, match: '^x'}]\nb: [{x: Number}]\nc: {type: Map, of: Int32}\nd: {type: {type: String}}"
    )
    assert model.field("a") == Field(
        name="a",
        path="a",
        type=FieldType.ARRAY,
        items=Field(name="a", path="a", type=FieldType.STRING, pattern="^x"),
    )
    assert model.field("b.x") == model.field("b.0.x") == Field(name="x", path="b.x", type=FieldType.NUMBER)
    assert model.field("c.whatever") == Field(name="$*", path="c.$*", type=FieldType.INT)
    assert model.field("d.type") == Field(name="type", path="d.type", type=FieldType.STRING)


def test_options_beside_a_list_are_about_its_items_but_lengths() -> None:
    field = one("a: {type: [string], enum: [x, y], maxLength: 2}").field("a")
    assert field is not None
    assert (field.max_length, field.enum) == (2, None)
    assert field.items is not None
    assert (field.items.max_length, field.items.enum) == (None, ("x", "y"))


def test_values_in_a_declaration_are_of_the_fields_type() -> None:
    from bson import Decimal128, Int64

    model = one(
        "a: {type: decimal, min: '0.10', default: 1}\nb: {type: long, enum: [1, 2]}\nc: {type: date, default: Date.now}"
    )
    a, b, c = model.fields
    assert (a.min, a.default) == (Decimal128("0.10"), Decimal128("1"))
    assert b.enum is not None
    assert all(isinstance(each, Int64) for each in b.enum)
    assert c.default is NOW


def test_a_mongoose_declaration_in_python_equals_the_yaml_one() -> None:
    model = define_model(
        "Product",
        {
            "name": {"type": "String", "required": True},
            "price": {"type": "Number", "required": True},
            "category": {"type": "mongoose.Schema.Types.ObjectId", "ref": "Category"},
            "sku": {"type": "String"},
            "description": {"type": "String"},
        },
        enable_soft_delete=True,
        enable_event_sourcing=True,
        enable_timestamps=True,
        text_search_fields=["name", "description"],
        unique_fields=["sku"],
        indexes=[{"fields": {"category": 1, "price": -1}}, {"fields": {"createdAt": -1}}],
    )
    same = parse_models(
        """
models:
  Category: {fields: {name: string}}
  Product:
    enableSoftDelete: true
    textSearchFields: [name, description]
    uniqueFields: [sku]
    indexes:
      - fields: {category: 1, price: -1}
      - fields: {createdAt: -1}
    fields:
      name: {type: string, required: true}
      price: {type: number, required: true}
      category: {type: objectId, ref: Category}
      sku: string
      description: string
"""
    )["Product"]
    assert model == same
    assert hash(model) == hash(same)
    assert model.collection == "products"


def test_every_policy_is_read() -> None:
    model = one(
        "state: string\nclosedAt: date",
        """
collection: things
enableEventSourcing: false
additionalFields: true
marks: {deleted: gone}
archive: {after: 30d, select: {by: closedAt, where: {state: closed}}, tiers: {coldAfter: 200 days}}
access: {reader: [read], editor: {actions: [read, update, read], rows: {state: open}}, owner: '*'}
aggregations: {perState: [{$group: {_id: $state}}], told: {description: x, pipeline: [{$count: n}]}}
events: {sinks: [kafka], handlers: [
  {on: created, call: 'a.b:c'}, {on: [MUpdated, deleted], call: 'a:d'}, {call: 'a:e'}]
}
""",
    )
    assert model.collection == "things"
    assert not model.event_sourcing
    assert model.additional_fields
    assert model.marks == Marks(deleted="gone")
    where = FrozenDict({"state": "closed"})
    assert model.archive == ArchivePolicy(30, ArchiveSelection("closedAt", where), ArchiveTiers(200))
    assert model.access == (
        Access("reader", ("read",)),
        Access("editor", ("read", "update"), model.access[1].rows),
        Access("owner", ("*",)),
    )
    assert model.access[1].rows == {"state": "open"}
    assert model.aggregations == (
        Aggregation("perState", ({"$group": {"_id": "$state"}},)),
        Aggregation("told", ({"$count": "n"},), "x"),
    )
    assert model.events == EventPolicy(
        (
            Handler(("MCreated",), "a.b:c"),
            Handler(("MUpdated", "MDeleted"), "a:d"),
            Handler(("MCreated", "MUpdated", "MDeleted", "MRestored", "MArchived"), "a:e"),
        ),
        ("kafka",),
    )


def test_a_model_is_frozen_all_through() -> None:
    model = one("a: {type: [string], default: [x]}", "archive: {select: {by: createdAt, where: {a: x}}}")
    assert model.archive.select is not None
    with pytest.raises(TypeError):
        model.archive.select.where["a"] = "y"
    first = model.read_input({})
    first["a"].append("y")
    assert model.read_input({}) == {"a": ["x"]}
    with pytest.raises(AttributeError):
        model.name = "N"  # type: ignore[misc]


def test_a_model_survives_pickling_and_is_used_there() -> None:
    model = thing()
    assert model.indexes()
    copy = pickle.loads(pickle.dumps(model))
    assert copy == model
    assert copy.validator() == model.validator()
    assert copy.field("born").default is NOW


def test_paths_lead_through_lists_maps_and_open_documents() -> None:
    model = thing()
    found = {path: model.field(path) for path in ("points.x", "points.1.x", "scores.a", "open.a.b", "any.x", "tags.0")}
    assert {path: field.type if field else None for path, field in found.items()} == {
        "points.x": FieldType.DOUBLE,
        "points.1.x": FieldType.DOUBLE,
        "scores.a": FieldType.INT,
        "open.a.b": FieldType.MIXED,
        "any.x": FieldType.MIXED,
        "tags.0": FieldType.STRING,
    }
    for path in ("", "none", "text.more", "inner.none", "points.z", "."):
        assert model.field(path) is None
    for path in ("_id", "createdAt", "deletedAt", "deletedBy"):
        assert model.field(path) is not None


def test_secret_paths_cover_what_is_inside() -> None:
    model = one("a: {type: {b: string, c: [string]}, secret: true}\nd: string")
    assert model.secret_paths == {"a", "a.b", "a.c"}
    assert model.is_secret("a.b.anything")
    assert not model.is_secret("d")
    assert "a" not in model.paths


def test_references_are_found_at_every_depth() -> None:
    model = one("a: {type: objectId, ref: M}\nb: [{type: objectId, ref: M}]\nc: [{d: {type: objectId, ref: M}}]")
    assert [each.path for each in model.references] == ["a", "b", "c.d"]


def test_a_registry_finds_models_by_name_case_and_collection() -> None:
    registry = load_models(ROOT / "models.yaml")
    assert {registry.model(word).name for word in ("Category", "category", "CATEGORY", "categories")} == {"Category"}
    with pytest.raises(UsageError, match='unknown model "Categry"') as raised:
        registry.model("Categry")
    assert raised.value.why == 'did you mean "Category"?'
    assert list(registry) == ["Post", "Product", "Category", "User", "Comment"]


def test_models_from_python_are_checked_together() -> None:
    a = define_model("A", {"b": {"type": "objectId", "ref": "B"}})
    with pytest.raises(ModelsFileError) as raised:
        Registry([a])
    assert [problem.code for problem in raised.value.problems] == ["unknown_model"]
    assert Registry([a, define_model("B", {})]).model("a") is a


def test_settings_stand_beside_the_models() -> None:
    registry = parse_models("settings: {engine: local, archive_retention_days: 30, x: 0777}\nmodels: {}")
    assert registry.settings == {"engine": "local", "archive_retention_days": 30, "x": "0777"}
    assert not parse_models("")
    assert not parse_models("\ufeffmodels:\n")


@pytest.mark.parametrize("file", ["models.yaml", "examples/geonames/models.yaml"])
def test_the_examples_are_valid_and_read_the_same_by_a_plain_yaml_reader(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    registry = parse_models(text)
    for model in registry.values():
        assert model.soft_delete
        assert model.timestamps
        assert model.event_sourcing
        assert model.text_search_fields
    from_python = {
        name: _defined(name, options) for name, options in yaml.load(text, yaml.BaseLoader)["models"].items()
    }
    assert {name: model.collection for name, model in registry.items()} == {
        name: model.collection for name, model in from_python.items()
    }


def _defined(name: str, options: dict[str, Any]) -> Model:
    return define_model(name, dict.fromkeys(options["fields"], "mixed"), collection=options.get("collection"))


NAMES = st.sampled_from(["a", "b", "c", "d", "title", "type_", "x1"])
SCALARS = st.sampled_from(["string", "int", "long", "double", "number", "decimal", "bool", "date", "objectId", "uuid"])


def fields(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    simple = st.builds(
        lambda kind, flags: {"type": kind} | flags,
        SCALARS,
        st.fixed_dictionaries(
            {}, optional={"required": st.booleans(), "secret": st.booleans(), "immutable": st.booleans()}
        ),
    )
    options: list[st.SearchStrategy[Any]] = [SCALARS, simple, SCALARS.map(lambda kind: [kind])]
    if depth:
        options += [fields(depth - 1), fields(depth - 1).map(lambda inner: [inner])]
    return st.dictionaries(NAMES, st.one_of(options), max_size=4)


@given(
    fields(2),
    st.fixed_dictionaries(
        {},
        optional={
            "enableSoftDelete": st.booleans(),
            "enableEventSourcing": st.booleans(),
            "enableTimestamps": st.booleans(),
            "additionalFields": st.booleans(),
        },
    ),
)
def test_yaml_and_python_give_the_same_value(declared: dict[str, Any], options: dict[str, bool]) -> None:
    text = yaml.safe_dump({"models": {"M": {"fields": declared} | options}}, sort_keys=False)
    snake = {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): value for name, value in options.items()}
    assert define_model("M", declared, **snake) == parse_models(text)["M"]


def test_the_sample_has_every_type() -> None:
    kinds = {field.type for field in thing().walk()}
    assert kinds == set(FieldType)
    assert EVERY_TYPE
