"""`datactl create`: documents from JSON: an argument, a file or stdin; one, an array, or one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.bulk import begun, finish
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation
from datactl.commands.options import CHANGES_DOCUMENTS
from datactl.render.terminal import word

if TYPE_CHECKING:
    from datactl.records import BulkResult


def create(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    source: Annotated[
        str, typer.Argument(metavar="JSON", help="JSON, a file with JSON, or - for stdin; NDJSON: one document a line.")
    ],
) -> None:
    """Create documents from JSON.

    One object prints the document it became; an array or NDJSON prints a report. Of a name that stands twice in an
    object, the last value counts.
    """
    from datactl.commands.reading import read_documents

    invocation = Invocation.of(ctx)
    given = read_documents(source)
    repository = invocation.workspace.repository(model)
    if given.single:
        invocation.printer.document(repository.create(next(iter(given.documents)), reason=invocation.reason))
        return
    name = repository.model.name
    with invocation.watching() as watch, begun(watch, _ask):
        result = repository.create_many(given.documents, reason=invocation.reason, watch=watch)
    onward = _rest(source, given.line_of(result.matched - result.left), result, name) if result.stopped else None
    finish(invocation, watch, name, "created", result, numbered=True, onward=onward)


def _ask(op: str) -> str:
    return f"datactl ops show {op} says how much of the input is done; running this again would create it twice"


def _rest(source: str, line: int | None, result: BulkResult, model: str) -> str:
    """The command that creates what a stopped one has not reached: its input from there on."""
    file = "FILE" if source == "-" or source.lstrip().startswith("[") else word(source)
    rest = f"tail -n +{line} {file}" if line else f"jq -c '.[{result.matched - result.left}:][]' {file}"
    return f"{rest} | datactl create {model} -"


COMMAND = Command(
    create,
    example='datactl create Post \'{"title": "My post", "content": "Text"}\' --reason "first one"',
    options=CHANGES_DOCUMENTS,
    exits=(3, 7),
)
