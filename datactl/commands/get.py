"""`datactl get`: one document by its id."""

from __future__ import annotations

from typing import Annotated

import typer

from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation
from datactl.commands.options import READS_DOCUMENTS


def get(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    id: Annotated[str, typer.Argument(metavar="ID", help="The document's id.")],
    with_deleted: Annotated[bool, typer.Option("--with-deleted", help="Also if it is marked deleted.")] = False,
) -> None:
    """Show one document."""
    invocation = Invocation.of(ctx)
    repository = invocation.workspace.repository(model)
    invocation.printer.document(repository.find_by_id(id, include_deleted=with_deleted))


COMMAND = Command(get, example="datactl get Post 60f1b2c3d4e5f6789abcdef0", options=READS_DOCUMENTS, exits=(6,))
