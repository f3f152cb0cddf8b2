"""models.yaml -> Registry, and the same from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datactl.errors import ConfigError, NotInitialised
from datactl.schema.declaration import Declared
from datactl.schema.model import Model
from datactl.schema.options import MODEL, TOP_OPTIONS
from datactl.schema.registry import Registry
from datactl.schema.together import check_together
from datactl.yamlfile.report import Entry, Node, Report, did_you_mean, quoted
from datactl.yamlfile.source import MAX_BYTES, decode, python_node, read_nodes


def load_models(path: str | os.PathLike[str]) -> Registry:
    """The registry that a file declares.

    NotInitialised if there is no such file, ConfigError if it cannot be read, ModelsFileError with all its problems.
    """
    file = Path(path)
    shown = _shown(file)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotInitialised(f"there is no {shown}", why="it declares the models", next="datactl init") from None
    except OSError as error:
        raise ConfigError(f"{shown} cannot be read", why=error.strerror or str(error), path=str(file)) from error
    return parse_models(data, source=shown)


def _shown(file: Path) -> str:
    """The path as people type it: relative to the working directory where that is shorter."""
    if not file.is_absolute():
        return str(file)
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative


def parse_models(text: str | bytes, source: str = "models.yaml") -> Registry:
    """The registry that a text declares. ModelsFileError with all its problems, each at `source:line:column`."""
    report = Report(source)
    decoded = decode(text, report) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    root = None
    if decoded is not None:
        report.lines = decoded.split("\n")
        root = read_nodes(decoded, report)
    settings, models = _top(root, report) if root is not None else ({}, [])
    if report:
        raise report.error()
    return Registry(models, settings=settings, source=source)


def _top(root: Node, report: Report) -> tuple[dict[str, Any], list[Model]]:
    """The settings and the models of the file."""
    if root.value is None:
        return {}, []
    if not root.is_mapping:
        report.add(root, f"expected a mapping with models, found {root.shown()}", "wrong_value")
        return {}, []
    top = {option.name for option in TOP_OPTIONS}
    for name, entry in root.value.items():
        if name not in top:
            looks_like_model = entry.value.is_mapping and "fields" in entry.value.value
            hint = ": models stand under models:" if looks_like_model else did_you_mean(name, top)
            report.add(entry.key, f"unknown option {quoted(name)}{hint}", "unknown_option")
    settings = _settings(root.value.get("settings"), report)
    models = root.value.get("models")
    if models is None and "settings" not in root.value:
        report.add(root, "models is missing", "missing_option")
    declared = _models(models.value, report) if models is not None else []
    return settings, [each.model for each in declared]


def _settings(entry: Entry | None, report: Report) -> dict[str, Any]:
    if entry is None or entry.value.value is None:
        return {}
    if not entry.value.is_mapping:
        report.add(entry.value, f"settings: expected a mapping, found {entry.value.shown()}", "wrong_value")
        return {}
    found: dict[str, Any] = {}
    for name, (_, value) in entry.value.value.items():
        if name == "profiles" and (value.is_mapping or value.value is None):
            found[name] = _profiles(value, report)
        elif value.is_mapping or value.is_list:
            report.add(value, f"setting {quoted(name)}: expected one value, found {value.shown()}", "wrong_value")
        else:
            found[name] = value.value
    return found


def _profiles(node: Node, report: Report) -> dict[str, Any]:
    """Settings by the name of a profile."""
    return {name: _settings(entry, report) for name, entry in (node.value or {}).items()}


def _models(node: Node, report: Report) -> list[Declared]:
    if node.value is None:
        return []
    if not node.is_mapping:
        report.add(node, f"models: expected a mapping from names to models, found {node.shown()}", "wrong_value")
        return []
    from datactl.schema.declare import read_model  # brings bson, which an import alone does not need

    read = [read_model(name, key, value, report) for name, (key, value) in node.value.items()]
    declared = [each for each in read if each is not None]
    check_together(declared, report)
    return declared


def define_model(name: str, fields: Mapping[str, Any], **options: Any) -> Model:
    """A model from Python: the same value as the file gives for the same declaration.

    Options are the file's in snake_case (`enable_soft_delete`, `text_search_fields`, `unique_fields`, `indexes`, ...).
    References are checked when models come together in a Registry.
    """
    from datactl.schema.declare import read_model

    report = Report(name, python=True)
    unknown = [option for option in options if option not in MODEL.by_name(python=True)]
    for option in unknown:
        near = did_you_mean(option, [each.python for each in MODEL.options])
        report.add_at(None, f"unknown option {quoted(option)}{near}", "unknown_option", name)
    known = {option: value for option, value in options.items() if option not in unknown and value is not None}
    node = python_node({"fields": fields} | known, name)
    declared = read_model(name, Node(name, name), node, report)
    if report or declared is None:
        raise report.error()
    return declared.model
