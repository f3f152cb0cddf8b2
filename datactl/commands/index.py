"""`datactl index` (and `indexes`): create the indexes that the models ask for and the database lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation, stopped
from datactl.commands.options import READS_DATABASE
from datactl.errors import FindingsError, PartlyDone
from datactl.render.figures import counted
from datactl.render.tables import Column

if TYPE_CHECKING:
    from datactl.inspect import IndexState

_COLUMNS = (
    Column("MODEL", keep=True),
    Column("INDEX", keep=True, widest=36),
    Column("STATE", keep=True),
    Column("KEYS"),
    Column("REASON", widest=100),
)


def index(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Of this model; else of all.", show_default=False)
    ] = None,
) -> None:
    """Create the indexes that are missing.

    An index that has the same keys and other options is reported (exit 5) and left as it is; one that documents
    stand in the way of is reported too (exit 3), and the others are made.
    """
    invocation = Invocation.of(ctx)
    with invocation.watching() as watch:
        states = invocation.workspace.index_keeper().create_missing([model] if model else None, watch=watch)
    invocation.printer.fact_list(states, _COLUMNS, _row)
    by_state = {word: [s for s in states if s.state == word] for word in ("missing", "failed", "different")}
    if watch.stopping():
        raise stopped(watch, "index", len(by_state["missing"]))
    if failed := by_state["failed"]:
        first = failed[0]
        raise PartlyDone(
            f"{counted(len(failed), 'index', 'indexes')} could not be created",
            why=f"{first.collection}.{first.name}: {first.reason}",
        )
    if different := by_state["different"]:
        raise FindingsError(
            f"{counted(len(different), 'index differs', 'indexes differ')} from the models",
            why=different[0].reason,
            next="change models.yaml, or drop the index in the database and run this again",
        )


def _row(state: IndexState) -> list[str]:
    keys = ", ".join(f"{name}: {kind}" for name, kind in state.keys)
    return [state.model, state.name, str(state.state), keys, state.reason or ""]


COMMAND = Command(index, example="datactl index Post", options=READS_DATABASE, exits=(3, 5))
