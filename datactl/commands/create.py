"""`datactl create`: documents from JSON: an argument, a file or stdin; one, an array, or one a line."""

from __future__ import annotations

from typing import Annotated

import typer

from datactl.commands.bulk import finish
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation
from datactl.commands.options import CHANGES_DOCUMENTS


def create(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    source: Annotated[
        str, typer.Argument(metavar="JSON", help="JSON, a file with JSON, or - for stdin; NDJSON: one document a line.")
    ],
) -> None:
    """Create documents from JSON.

    One object prints the document it became; an array or NDJSON prints a report.
    """
    from datactl.commands.reading import read_documents

    invocation = Invocation.of(ctx)
    given = read_documents(source)
    repository = invocation.workspace.repository(model)
    if given.single:
        invocation.printer.document(repository.create(next(iter(given.documents)), reason=invocation.reason))
        return
    with invocation.watching() as watch:
        result = repository.create_many(given.documents, reason=invocation.reason, watch=watch)
    finish(invocation, watch, repository.model.name, "created", result, numbered=True)


COMMAND = Command(
    create,
    example='datactl create Post \'{"title": "My post", "content": "Text"}\' --reason "first one"',
    options=CHANGES_DOCUMENTS,
    exits=(3, 7),
)
