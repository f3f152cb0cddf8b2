"""The generated files say what the code does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import datactl.schema
from datactl.schema import models_file_schema, parse_models
from datactl.schema.file_schema import as_text
from datactl.schema.reference import all_tables, refresh, table_names
from datactl.yamlfile.report import Report
from datactl.yamlfile.source import read_nodes
from tests.schema.samples import EVERY_TYPE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
FILE_SCHEMA = jsonschema_rs.Draft7Validator(models_file_schema())


def plain(text: str) -> Any:
    node = read_nodes(text, Report("m.yaml"))
    assert node is not None
    return node.plain()


def test_the_reference_page_is_up_to_date() -> None:
    assert refresh(PAGE) == PAGE, "python -m datactl.schema.reference < docs/models.md > page && mv page docs/models.md"
    assert sorted(table_names(PAGE)) == sorted(all_tables())


def test_the_examples_of_the_page_are_valid() -> None:
    blocks = [block.split("```")[0] for block in PAGE.split("```yaml\n")[1:]]
    assert len(blocks) == 4
    whole = blocks[0].replace(", ref: Category, onDelete: restrict", "")
    parse_models(whole)
    fields = "models:\n  M:\n    fields: {status: string, category: objectId}\n"
    for block in blocks[1:]:
        parse_models(fields + "".join(f"    {line}\n" for line in block.splitlines()))


def test_the_schema_file_is_up_to_date() -> None:
    committed = Path(datactl.schema.__file__).with_name("models.schema.json").read_text(encoding="utf-8")
    assert committed == as_text(), "python -m datactl.schema.file_schema > datactl/schema/models.schema.json"
    jsonschema_rs.meta.validate(json.loads(committed))


@pytest.mark.parametrize(
    "text",
    [
        (ROOT / "models.yaml").read_text(encoding="utf-8"),
        (ROOT / "examples/geonames/models.yaml").read_text(encoding="utf-8"),
        EVERY_TYPE,
        "settings: {engine: local}\nmodels:\n",
        "settings: {profiles: {prod: {production: true}, dev: }}\nmodels:\n",
        "models: {A: {fields: {a: {type: {type: string}}, b: [{c: int}], d: {}, e: []}}}",
    ],
)
def test_an_editor_accepts_what_the_reader_accepts(text: str) -> None:
    parse_models(text)
    assert [error.message for error in FILE_SCHEMA.iter_errors(plain(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "models: {A: {}}",
        "models: {plan: {fields: {}}}",
        "models: {A: {fields: {}, enableSoftDelet: true}}",
        "models: {A: {fields: {}, enableSoftDelete: 1}}",
        "models: {A: {fields: {a: {type: string, requird: true}}}}",
        "models: {A: {fields: {a: {type: string, onDelete: casade}}}}",
        "models: {A: {fields: {a.b: string}}}",
        "models: {A: {fields: {a: 5}}}",
        "models: {A: {fields: {}, indexes: [{fields: {a: 3}}]}}",
        "models: {A: {fields: {}, archive: {after: soon}}}",
        "models: {A: {fields: {}, access: {reader: [fly]}}}",
        "model: {}",
        "settings: {a: [1]}",
        "settings: {profiles: {prod: [1]}}",
        "[]",
    ],
)
def test_an_editor_underlines_what_the_reader_refuses(text: str) -> None:
    with pytest.raises(datactl.errors.ModelsFileError):
        parse_models(text)
    assert not FILE_SCHEMA.is_valid(plain(text))


def test_importing_and_reading_loads_nothing_heavy() -> None:
    code = (
        "import sys, datactl.schema as s\n"
        "assert not {'yaml', 'bson', 'jsonschema_rs'} & set(sys.modules), 'on import'\n"
        "s.load_models('models.yaml')['Post'].indexes()\n"
        "heavy = {'pymongo', 'boto3', 'obstore', 'rich', 'typer', 'textual', 'pydantic', 'jsonschema_rs'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
