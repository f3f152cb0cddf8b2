"""`datactl update`: change documents, by id or by filter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datactl.commands.bulk import begun, finish
from datactl.commands.confirming import Confirm, Yes, confirm
from datactl.commands.find import Filter, from_text
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation, require_one
from datactl.commands.options import CHANGES_DOCUMENTS
from datactl.errors import NotFound, Problem, UsageError
from datactl.render import figures

if TYPE_CHECKING:
    from datactl.records import BulkResult
    from datactl.schema import Model


def update(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]... [JSON]", help="The documents' ids; then the change as JSON.", show_default=False
        ),
    ] = None,
    filter: Filter = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A field's new value; may be repeated.")
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="FIELD", help="A field to remove; may be repeated.")
    ] = None,
    change: Annotated[
        str | None,
        typer.Option("--json", metavar="JSON", help="The change as JSON, a file with JSON, or - for stdin."),
    ] = None,
    confirmed: Confirm = None,
    yes: Yes = False,
) -> None:
    """Change documents.

    The change is JSON (fields, or $set, $unset, $inc, $push ...), or --set and --unset. By id at once, and one id
    prints the document; by --filter after their number was shown and confirmed.
    """
    invocation = Invocation.of(ctx)
    if ids and ids[-1].lstrip().startswith("{") and not (change or assign or unset):
        *ids, change = ids
    require_one(("ids", ids), ("--filter", filter))
    repository = invocation.workspace.repository(model)
    wanted_change = _change(repository.model, assign or [], unset or [], change)
    if ids and len(ids) == 1:
        invocation.printer.document(repository.update_by_id(ids[0], wanted_change, reason=invocation.reason))
        return
    missing: list[Any] = []
    expected: int | None = None
    if ids:
        chosen = [repository.model.parse_id(each) for each in ids]
        wanted: dict[str, Any] = {"_id": {"$in": chosen}}
        there = [document["_id"] for document in repository.find(wanted, projection=["_id"])]
        missing = [each for each in chosen if each not in there]
    else:
        wanted = from_text(repository.model, filter)
        matching = repository.count(wanted)
        if not matching:
            raise NotFound(f"no live document of {repository.model.name} matches")
        invocation.hint(f"{repository.model.name}: {figures.matching(matching)}")
        collection = repository.model.collection
        confirm(invocation, collection=collection, count=matching, act="change them", given=confirmed, yes=yes)
        expected = None if yes and not invocation.settings.production else matching
    with invocation.watching() as watch, begun(watch):
        result = repository.update_many(wanted, wanted_change, expected=expected, reason=invocation.reason, watch=watch)
    finish(invocation, watch, repository.model.name, "changed", _with_missing(result, missing))


def _with_missing(result: BulkResult, missing: list[Any]) -> BulkResult:
    """The result with the named documents that are not there among its failures."""
    absent = tuple(Problem(str(each), "it is not there, or deleted", NotFound.code) for each in missing)
    return replace(
        result,
        matched=result.matched + len(absent),
        failed=(*result.failed, *absent),
        failures=result.failures + len(absent),
    )


def assignments(model: Model, texts: list[str]) -> dict[str, Any]:
    """`FIELD=VALUE` texts as values of their fields' types."""
    values: dict[str, Any] = {}
    for text in texts:
        field, equals, value = text.partition("=")
        if not equals or not field:
            raise UsageError(f'"{text}" sets nothing', next="--set FIELD=VALUE")
        values[field] = model.read_value(field, value)
    return values


def _change(model: Model, assign: list[str], unset: list[str], change: str | None) -> dict[str, Any]:
    if change is not None and (assign or unset):
        raise UsageError("give the change as --json, or as --set and --unset")
    if change is not None:
        from datactl.commands.reading import read_object

        return read_object(change)
    wanted: dict[str, Any] = {}
    if assign:
        wanted["$set"] = assignments(model, assign)
    if unset:
        wanted["$unset"] = dict.fromkeys(unset, "")
    if not wanted:
        raise UsageError("nothing to change", next="give JSON, --set FIELD=VALUE or --unset FIELD")
    return wanted


COMMAND = Command(
    update,
    example="datactl update Post 60f1b2c3d4e5f6789abcdef0 --set 'title=Updated title' --reason typo",
    options=CHANGES_DOCUMENTS,
    exits=(3, 6, 7, 12),
)
