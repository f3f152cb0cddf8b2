"""What can be wrong with a declaration: each has its code, its place and its words, and all come at once."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import datactl.schema
import datactl.yamlfile
from datactl.errors import ConfigError, ModelsFileError, NotInitialised
from datactl.schema import define_model, load_models, parse_models
from datactl.schema.codes import DECLARATION_CODES, DOCUMENT_CODES


def problems(text: str | bytes) -> list[tuple[str, str, str]]:
    with pytest.raises(ModelsFileError) as raised:
        parse_models(text)
    return [
        (problem.where.removeprefix("models.yaml:"), problem.code, problem.what) for problem in raised.value.problems
    ]


def of_model(body: str) -> list[tuple[str, str, str]]:
    """The problems of model M, whose lines begin at line 3."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return problems(f"models:\n  M:\n{lines}\n")


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = (
        "models:\n"
        "  Post:\n"
        "    fields:\n"
        "      title: {type: strng, required: true}\n"
        "      category: {type: objectId, ref: Categry}\n"
        "    textSerchFields: [title]\n"
        "  Category: {fields: {name: string}}\n"
        "  Plan: {fields: {}}\n"
    )
    with pytest.raises(ModelsFileError) as raised:
        parse_models(text)
    assert [(problem.where, problem.code) for problem in raised.value.problems] == [
        ("models.yaml:4:21", "unknown_type"),
        ("models.yaml:5:39", "unknown_model"),
        ("models.yaml:6:5", "unknown_option"),
        ("models.yaml:8:3", "reserved_name"),
    ]
    assert raised.value.problems[0].what == 'unknown type "strng": did you mean "string"?'
    assert raised.value.problems[1].what == 'ref "Categry" is no model here: did you mean "Category"?'
    assert raised.value.details["excerpts"][0] == (
        "    4 |       title: {type: strng, required: true}\n                            ^^^^^"
    )
    assert str(raised.value) == "models.yaml has 4 errors"
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("body", "where", "code"),
    [
        ("fields: {a: {type: [string, int]}}", "3:24", "wrong_value"),
        ("fields: {a: {required: true}}", "3:14", "missing_type"),
        ("fields: {a: }", "3:14", "missing_type"),
        ("fields: {a: 5}", "3:17", "missing_type"),
        ("fields: {a.b: string}", "3:14", "bad_name"),
        ("fields: {$a: string}", "3:14", "bad_name"),
        ("fields: {'': string}", "3:14", "bad_name"),
        ('fields: {"a\\0": string}', "3:14", "bad_name"),
        ("fields: {deletedAt: date}", "3:14", "reserved_name"),
        ("fields: {createdAt: date}", "3:14", "reserved_name"),
        ("fields: {__v: int}", "3:14", "reserved_name"),
        ("fields: {_id: [int]}", "3:14", "bad_id"),
        ("fields: {a: {type: string, min: 3}}", "3:32", "option_not_for_type"),
        ("fields: {a: {type: int, minLength: 3}}", "3:29", "option_not_for_type"),
        ("fields: {a: {type: int, items: int}}", "3:29", "option_not_for_type"),
        ("fields: {a: {type: int, min: five}}", "3:34", "wrong_value"),
        ("fields: {a: {type: int, min: 5, max: 4}}", "3:37", "empty_range"),
        ("fields: {a: {type: int, enum: [1, b]}}", "3:39", "wrong_value"),
        ("fields: {a: {type: int, enum: []}}", "3:35", "wrong_value"),
        ("fields: {a: {type: int, default: x}}", "3:38", "wrong_value"),
        ("fields: {a: {type: int, default: 9, max: 4}}", "3:38", "wrong_value"),
        ("fields: {a: {type: date, default: tomorrow}}", "3:39", "wrong_value"),
        ("fields: {a: {type: string, pattern: '['}}", "3:41", "bad_pattern"),
        ("fields: {a: {type: string, unique: true}}", "3:32", "unknown_option"),
        ("fields: {a: {type: string, required: yes}}", "3:42", "wrong_value"),
        ("fields: {a: {type: string, onDelete: cascade}}", "3:32", "option_without_ref"),
        ("fields: {a: {type: objectId, ref: M, required: true, onDelete: nullify}}", "3:58", "nullify_required"),
        ("fields: {a: {type: objectId, ref: M, onDelete: cascde}}", "3:52", "unknown_choice"),
        ("fields: {a: {type: objectId, ref: M, immutable: true, onDelete: nullify}}", "3:59", "nullify_immutable"),
        ("fields: {_id: {type: objectId, ref: M, onDelete: nullify}}", "3:44", "nullify_immutable"),
        (
            "fields: {a: {type: array, items: objectId, ref: M, immutable: true, onDelete: nullify}}",
            "3:56",
            "nullify_immutable",
        ),
        (
            "fields: {a: {type: map, items: {type: objectId, ref: M, onDelete: cascade}}}",
            "3:61",
            "on_delete_in_map",
        ),
        ("fields: {a: [[{type: objectId, ref: M, onDelete: restrict}]]}", "3:44", "on_delete_in_lists"),
        ("fields: {a: [[[{b: {type: objectId, ref: M, onDelete: cascade}}]]]}", "3:49", "on_delete_in_lists"),
        (
            "fields: {a: {type: array, items: {type: array, items: objectId, ref: M, onDelete: nullify}}}",
            "3:77",
            "on_delete_in_lists",
        ),
        ("fields: {a: {type: string, ref: M}}", "3:14", "ref_type"),
        ("fields: {a: string}\nuniqueFields: [b]", "4:20", "unknown_field"),
        ("fields: {a: string}\nuniqueFields: [a, a]", "4:23", "duplicate_key"),
        ("fields: {a: string}\nuniqueFields: [_id]", "4:20", "redundant"),
        ("fields: {a: string}\nuniqueFields: a", "4:19", "wrong_value"),
        ("fields: {a: int}\ntextSearchFields: [a]", "4:24", "not_text"),
        ("fields: {a: {type: string, secret: true}}\ntextSearchFields: [a]", "4:24", "secret_field"),
        ("fields: {a: string}\nindexes: [{fields: {b: 1}}]", "4:25", "unknown_field"),
        ("fields: {a: string}\nindexes: [{fields: {a: 2}}]", "4:28", "bad_index"),
        ("fields: {a: string}\nindexes: [{fields: {}}]", "4:15", "bad_index"),
        ("fields: {a: string}\nindexes: [{unique: true}]", "4:15", "missing_option"),
        ("fields: {a: string}\nindexes: [{fields: {a: 1}}, {fields: {a: 1}}]", "4:33", "duplicate_key"),
        ("fields: {a: string}\nindexes: [{fields: {createdAt: 1}, expireAfterSeconds: 60}]", "4:15", "ttl_index"),
        ("fields: {a: string}\ntextSearchFields: [a]\nindexes: [{fields: {a: text}}]", "5:15", "bad_index"),
        ("fields: {a: string}\ncollection: outboxes", "4:17", "reserved_name"),
        ("fields: {a: string}\ncollection: datactl_ops", "4:17", "reserved_name"),
        ("fields: {a: string}\ncollection: a$b", "4:17", "bad_name"),
        ("fields: {a: string}\nmarks: {deleted: createdAt}", "4:12", "bad_name"),
        ("fields: {a: string}\nenableSoftDelete: 1", "4:23", "wrong_value"),
        ("fields: {a: string}\nenableSoftDelet: true", "4:5", "unknown_option"),
        ("enableSoftDelete: true", "3:5", "missing_option"),
        ("fields: [a]", "3:13", "wrong_value"),
        ("fields: {a: date}\narchive: {after: -1}", "4:22", "wrong_value"),
        ("fields: {a: date}\narchive: {after: soon}", "4:22", "wrong_value"),
        ("fields: {a: string}\narchive: {select: {by: a}}", "4:14", "not_a_date"),
        ("fields: {a: string}\narchive: {select: {}}", "4:23", "missing_option"),
        ("fields: {a: string}\narchive: {tiers: {coldClass: GLACIR}}", "4:34", "unknown_choice"),
        ("fields: {a: string}\nenableSoftDelete: false\narchive: {after: 3}", "5:14", "archive_without_marks"),
        ("fields: {a: string}\naccess: {reader: [rad]}", "4:23", "unknown_choice"),
        ("fields: {a: string}\naccess: {reader: {rows: {a: 1}}}", "4:22", "missing_option"),
        ("fields: {a: string}\naccess: {reader: {actions: [read], rows: {b: 1}}}", "4:14", "unknown_field"),
        ("fields: {a: string}\naccess: {reader: {actions: [read], rows: {$where: x}}}", "4:14", "bad_filter"),
        ("fields: {a: string}\naccess: {'a b': [read]}", "4:14", "bad_name"),
        ("fields: {a: string}\naggregations: {x: [{$out: y}]}", "4:20", "bad_pipeline"),
        ("fields: {a: string}\naggregations: {x: [{$facet: {f: [{$merge: y}]}}]}", "4:20", "bad_pipeline"),
        ("fields: {a: string}\naggregations: {x: [{$match: {$where: y}}]}", "4:20", "bad_pipeline"),
        ("fields: {a: string}\naggregations: {x: [{group: 1}]}", "4:20", "bad_pipeline"),
        ("fields: {a: string}\naggregations: {x: []}", "4:23", "wrong_value"),
        ("fields: {a: string}\nevents: {handlers: [{on: creatd, call: 'a:b'}]}", "4:13", "unknown_event"),
        ("fields: {a: string}\nevents: {handlers: [{on: created, call: ab}]}", "4:45", "wrong_value"),
        ("fields: {a: string}\nevents: {handlers: [{on: created}]}", "4:25", "missing_option"),
    ],
)
def test_each_mistake_has_its_code_and_its_place(body: str, where: str, code: str) -> None:
    found = of_model(body)
    assert [(at, named) for at, named, _ in found] == [(where, code)]
    assert all(what for _, _, what in found)


@pytest.mark.parametrize(
    ("text", "where", "code"),
    [
        ("[]", "1:1", "wrong_value"),
        ("models: 3", "1:9", "wrong_value"),
        ("model: {}", "1:1", "unknown_option"),
        ("settings: [a]\nmodels: {}", "1:11", "wrong_value"),
        ("settings: {a: {b: 1}}\nmodels: {}", "1:15", "wrong_value"),
        ("models: {A: }", "1:10", "wrong_value"),
        ("models: {A: 3}", "1:13", "wrong_value"),
        ("models: {1a: {fields: {}}}", "1:10", "bad_name"),
        ("models: {List: {fields: {}}}", "1:10", "reserved_name"),
        ("models: {operations: {fields: {}}}", "1:10", "reserved_name"),
        ("models: {A: {fields: {}}, A: {fields: {}}}", "1:27", "duplicate_key"),
        ("models: {A: {fields: {}, collection: x}, B: {fields: {}, collection: x}}", "1:70", "duplicate_collection"),
        (b"models: {A: {fields: {\xff: int}}}", "1:23", "encoding"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole(text: str | bytes, where: str, code: str) -> None:
    assert (where, code) in [(at, named) for at, named, _ in problems(text)]


def test_names_that_differ_in_case_only_are_ambiguous() -> None:
    text = "models:\n  Post: {fields: {}, collection: a}\n  post: {fields: {}, collection: b}"
    assert [(at, code) for at, code, _ in problems(text)] == [("3:3", "ambiguous_name")]


def test_a_reference_must_have_the_type_of_the_id_it_refers_to() -> None:
    text = (
        "models:\n  A: {fields: {_id: string}}\n  B: {fields: {a: {type: objectId, ref: A}, b: {type: string, ref: A}}}"
    )
    assert [(at, code) for at, code, _ in problems(text)] == [("3:16", "ref_type")]


def test_python_says_where_by_names_instead_of_lines() -> None:
    fields: dict[str, Any] = {"a": {"type": "strng"}, "b": {"type": "string", "minLength": "x"}}
    with pytest.raises(ModelsFileError) as raised:
        define_model("M", fields, enable_softdelete=True)
    assert [(problem.where, problem.code) for problem in raised.value.problems] == [
        ("M", "unknown_option"),
        ("M/fields/a/type", "unknown_type"),
        ("M/fields/b/minLength", "wrong_value"),
    ]
    assert 'did you mean "enable_soft_delete"?' in raised.value.problems[0].what


def test_a_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(NotInitialised) as raised:
        load_models(tmp_path / "models.yaml")
    assert raised.value.exit_code == 10
    assert raised.value.next == "datactl init"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load_models(tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_the_place_has_the_path_as_people_type_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models.yaml").write_text("models: {A: {fields: {a: strng}}}")
    monkeypatch.chdir(tmp_path)
    for path in ("models.yaml", tmp_path / "models.yaml"):
        with pytest.raises(ModelsFileError) as raised:
            load_models(path)
        assert raised.value.problems[0].where == "models.yaml:1:26"


def test_every_code_that_the_package_uses_is_documented() -> None:
    used: set[str] = set()
    rooms = (datactl.schema, datactl.yamlfile)
    for file in (file for room in rooms for file in Path(str(room.__file__)).parent.glob("*.py")):
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            position = {"add": 2, "add_at": 2, "_add": 2, "Problem": 2, "Unreadable": 0}.get(name)
            if position is not None and len(call.args) > position and isinstance(call.args[position], ast.Constant):
                used.add(call.args[position].value)  # type: ignore[attr-defined]
    assert len(used) > 40
    assert used <= DECLARATION_CODES.keys() | DOCUMENT_CODES.keys() | {"json"}
