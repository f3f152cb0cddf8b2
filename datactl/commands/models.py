"""`datactl models`: list, show and check the models, compare the database with them, print their schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from datactl.commands.grammar import Command, Group
from datactl.commands.invocation import Invocation
from datactl.commands.models_drift import APPLY, DIFF
from datactl.commands.options import READS_MODELS
from datactl.errors import UsageError
from datactl.render.figures import counted
from datactl.render.tables import Column, write_table

if TYPE_CHECKING:
    from datactl.schema import Field, Model

_LIST = (
    Column("MODEL", keep=True),
    Column("COLLECTION"),
    Column("FIELDS", right=True),
    Column("INDEXES", right=True),
    Column("SOFT DELETE"),
    Column("ARCHIVED AFTER", right=True),
    Column("REFERS TO"),
)
_FIELDS = (Column("FIELD", keep=True), Column("TYPE", keep=True), Column("RULES", widest=80))
_INDEXES = (Column("INDEX", keep=True), Column("KEYS"), Column("UNIQUE"), Column("FROM"))

Name = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")]


def list_models(ctx: typer.Context) -> None:
    """List the models."""
    invocation = Invocation.of(ctx)
    facts = [_overview(model) for model in invocation.workspace.registry.values()]
    invocation.printer.fact_list(facts, _LIST, _overview_row)


def show(ctx: typer.Context, model: Name) -> None:
    """Show one model: its fields, rules and indexes."""
    invocation = Invocation.of(ctx)
    shown = invocation.workspace.registry.model(model)
    fields = [_field(field) for field in (shown.id_field, *shown.fields)]
    indexes: list[dict[str, Any]] = [
        {"name": index.name, "keys": dict(index.keys), "unique": index.unique, "from": str(index.origin)}
        for index in shown.indexes()
    ]

    def table() -> None:
        write_table(_FIELDS, [row for field in (shown.id_field, *shown.fields) for row in _field_rows(field)])
        invocation.printer.text("")
        write_table(
            _INDEXES,
            [
                [
                    i["name"],
                    ", ".join(f"{k}: {v}" for k, v in i["keys"].items()),
                    "yes" if i["unique"] else "",
                    i["from"],
                ]
                for i in indexes
            ],
        )

    invocation.printer.facts({**_overview(shown), "fields": fields, "indexes": indexes}, table)


def check(ctx: typer.Context) -> None:
    """Read the models file and report every mistake in it.

    A mistake is shown with its file, line and column, and ends in exit 2.
    """
    invocation = Invocation.of(ctx)
    registry = invocation.workspace.registry
    path = invocation.settings.models
    invocation.printer.facts(
        {"file": str(path), "models": list(registry), "problems": []},
        lambda: invocation.printer.say(f"{path.name}: {counted(len(registry), 'model')}, no errors"),
    )


def schema(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Of the documents of this model.", show_default=False)
    ] = None,
    validator: Annotated[bool, typer.Option("--validator", help="The collection's MongoDB validator instead.")] = False,
) -> None:
    """Print the JSON Schema of models.yaml, or of a model's documents.

    Without MODEL: of the models file itself, for editors.
    """
    invocation = Invocation.of(ctx)
    if model is None:
        if validator:
            raise UsageError("--validator needs a model", next="datactl models schema MODEL --validator")
        from datactl.schema import models_file_schema

        invocation.printer.json_text(models_file_schema())
        return
    declared = invocation.workspace.registry.model(model)
    invocation.printer.json_text(declared.validator() if validator else declared.input_schema())


def _overview(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "collection": model.collection,
        "fields": len(model.fields),
        "indexes": len(model.indexes()),
        "softDelete": model.soft_delete,
        "eventSourcing": model.event_sourcing,
        "timestamps": model.timestamps,
        "archiveAfterDays": model.archive.after_days if model.soft_delete else None,
        "references": {field.path: field.ref for field in model.references},
    }


def _overview_row(facts: dict[str, Any]) -> list[str]:
    days = facts["archiveAfterDays"]
    return [
        facts["name"],
        facts["collection"],
        str(facts["fields"]),
        str(facts["indexes"]),
        "yes" if facts["softDelete"] else "no",
        f"{days} d" if days is not None else ("default" if facts["softDelete"] else "-"),
        ", ".join(facts["references"].values()),
    ]


def _field(field: Field) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": field.name, "type": str(field.type), **_rules(field)}
    if field.items is not None:
        facts["items"] = _field(field.items)
    if field.fields:
        facts["fields"] = [_field(inner) for inner in field.fields]
    return facts


def _rules(field: Field) -> dict[str, Any]:
    """The rules a field has, in the words of models.yaml."""
    rules = {
        "required": field.required or None,
        "ref": field.ref,
        "onDelete": field.on_delete,
        "default": field.default,
        "enum": list(field.enum) if field.enum else None,
        "min": field.min,
        "max": field.max,
        "minLength": field.min_length,
        "maxLength": field.max_length,
        "pattern": field.pattern,
        "immutable": field.immutable or None,
        "secret": field.secret or None,
    }
    return {name: rule for name, rule in rules.items() if rule is not None}


def _field_rows(field: Field) -> list[list[str]]:
    kind = str(field.type) if field.items is None else f"{field.type} of {field.items.type}"
    rules = ", ".join(
        name if rule is True else f"{name} {'|'.join(map(str, rule)) if isinstance(rule, list) else rule}"
        for name, rule in _rules(field).items()
    )
    inner = field.fields or (field.items.fields if field.items else ())
    return [[field.path, kind, rules], *(row for child in inner for row in _field_rows(child))]


_LIST_COMMAND = Command(list_models, example="datactl models list", options=READS_MODELS)

COMMAND = Group(
    "List and check the models; compare the database with them, apply validators.",
    {
        "list": _LIST_COMMAND,
        "show": Command(show, example="datactl models show Post", options=READS_MODELS),
        "check": Command(check, example="datactl models check", options=READS_MODELS),
        "diff": DIFF,
        "apply": APPLY,
        "schema": Command(schema, example="datactl models schema > models.schema.json", options=READS_MODELS),
    },
    default=_LIST_COMMAND,
    example="datactl models show Post",
)
