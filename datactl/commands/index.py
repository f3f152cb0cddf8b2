"""`datactl index` (and `indexes`): create the indexes that the models ask for; look at, bring in line and drop them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.confirming import Confirm, Yes, confirm_phrase
from datactl.commands.grammar import Command, Group
from datactl.commands.invocation import Invocation, stopped
from datactl.commands.options import ACTOR, READS_DATABASE
from datactl.errors import FindingsError, PartlyDone, UsageError
from datactl.render import figures
from datactl.render.cells import cell
from datactl.render.figures import counted
from datactl.render.tables import Column

if TYPE_CHECKING:
    from datactl.inspect.indexes import IndexState
    from datactl.render.progress import ProgressWatcher

_COLUMNS = (
    Column("MODEL", keep=True),
    Column("INDEX", keep=True, widest=36),
    Column("STATE", keep=True),
    Column("KEYS"),
    Column("REASON", widest=100),
)
_UNUSED_DAYS = 30

Model = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Of this model; else of all.", show_default=False)]
UnusedDays = Annotated[
    int,
    typer.Option("--unused-days", metavar="DAYS", min=0, max=3650, help="Days without use that make one unused."),
]


def index(ctx: typer.Context, model: Model = None) -> None:
    """Create the indexes that are missing.

    An index that stands in the way, under the same name or the same to the server, is reported (exit 5) and left as
    it is; one that documents stand in the way of is reported too (exit 3), and the others are made.
    """
    invocation = Invocation.of(ctx)
    with invocation.watching() as watch:
        states = invocation.workspace.index_keeper().create_missing([model] if model else None, watch=watch)
    invocation.printer.fact_list(states, _COLUMNS, _row)
    if watch.stopping():
        raise stopped(watch, "index", len(_those(states, "missing")))
    _raise_failed(states)
    if different := _those(states, "different"):
        raise FindingsError(
            f"{counted(len(different), 'index differs', 'indexes differ')} from the models",
            why=different[0].reason,
            next="change models.yaml, or datactl index apply",
        )


def plan(ctx: typer.Context, model: Model = None, unused_days: UnusedDays = _UNUSED_DAYS) -> None:
    """Say how the database stands to every index; change nothing.

    Missing, different and unknown ones (which no model asks for) are drift: exit 5. What nothing has used, by the
    server's own count since it started (where it counts), and what another index begins with are named, and are no
    drift.
    """
    invocation = Invocation.of(ctx)
    states = invocation.workspace.index_keeper().survey([model] if model else None, unused_days=unused_days)
    invocation.printer.fact_list(states, _COLUMNS, _row)
    drift = [(word, len(_those(states, word))) for word in ("missing", "different", "unknown")]
    if any(number for _, number in drift):
        of_model = f" {model}" if model else ""
        does = {
            "missing": f"datactl index{of_model} creates what is missing",
            "different": f"datactl index apply{of_model} rebuilds what differs",
            "unknown": "declare what is unknown in models.yaml, or datactl index drop MODEL --unknown",
        }
        raise FindingsError(
            "the database's indexes are not those of the models: "
            + ", ".join(f"{number} {word}" for word, number in drift if number),
            next="; ".join(does[word] for word, number in drift if number),
        )


def apply(ctx: typer.Context, model: Model = None, given: Confirm = None, yes: Yes = False) -> None:
    """Make the database's indexes those of the models.

    What is missing is created, what stands in the way is dropped and built anew (where that fails the old one is put
    back, by the next run if this one is cut off), and what datactl made and no model asks for any more is dropped.
    Whatever is dropped wants a confirmation. An index that no model ever asked for is left alone: see datactl index
    drop.
    """
    invocation = Invocation.of(ctx)
    keeper = invocation.workspace.index_keeper()
    changes = keeper.changes([model] if model else None)
    if changes.dropping:
        _tell(invocation, changes.dropping)
        told = ((changes.rebuild, "drops and builds anew"), (changes.drop, "drops"))
        confirm_phrase(
            invocation,
            _phrase(changes.dropping),
            about="this " + " and ".join(f"{w} {counted(len(s), 'index', 'indexes')}" for s, w in told if s),
            act="do it",
            given=given,
            yes=yes,
        )
    with invocation.watching() as watch:
        states = keeper.apply(changes, watch=watch)
    _finish(invocation, watch, "index apply", states)
    if not states:
        invocation.hint("the database has the indexes that the models ask for: nothing to do")


def drop(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Of this model.")],
    indexes: Annotated[
        list[str] | None, typer.Argument(metavar="[INDEX]...", help="The names of the indexes.", show_default=False)
    ] = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="All that the model does not ask for.")] = False,
    unused: Annotated[bool, typer.Option("--unused", help="Of these, those that nothing has used.")] = False,
    redundant: Annotated[bool, typer.Option("--redundant", help="Of these, those that another begins with.")] = False,
    unused_days: UnusedDays = _UNUSED_DAYS,
    given: Confirm = None,
    yes: Yes = False,
) -> None:
    """Drop indexes that the model does not ask for.

    By name, or all that no model asks for, or of these the unused or redundant ones. An index that the model asks
    for is not dropped: take it out of models.yaml first. How many there are is shown before it is asked.
    """
    invocation = Invocation.of(ctx)
    chosen = unknown or unused or redundant
    if bool(indexes) == chosen:
        raise UsageError(
            "give the names of indexes, or one of --unknown, --unused and --redundant",
            next=f"datactl index plan {model}",
        )
    keeper = invocation.workspace.index_keeper()
    if indexes:
        states: Sequence[IndexState] = keeper.named(model, indexes)
    else:
        found = keeper.survey([model], unused_days=unused_days)
        states = [
            state
            for state in _those(found, "unknown")
            if (not unused or state.unused_since is not None) and (not redundant or state.prefix_of is not None)
        ]
    if not states:
        invocation.printer.fact_list([], _COLUMNS, _row)
        uncounted = unused and not keeper.counts_use
        invocation.hint(
            "this server does not count the use of its indexes: none can be called unused"
            if uncounted
            else "no such index: nothing was changed"
        )
        return
    _tell(invocation, states)
    confirm_phrase(
        invocation,
        _phrase(states),
        about=f"this drops {counted(len(states), 'index', 'indexes')} of {states[0].collection}",
        act="drop them" if len(states) > 1 else "drop it",
        given=given,
        yes=yes,
    )
    with invocation.watching() as watch:
        ended = keeper.drop(states, watch=watch)
    _finish(invocation, watch, "index drop", ended)


def _finish(invocation: Invocation, watch: ProgressWatcher, what: str, states: Sequence[IndexState]) -> None:
    """Show what became of each; the error of a run that was stopped, or in which one could not be changed."""
    invocation.printer.fact_list(states, _COLUMNS, _row)
    if watch.stopping():
        left = sum(len(_those(states, word)) for word in ("missing", "different", "unknown"))
        raise stopped(watch, what, left)
    _raise_failed(states)


def _raise_failed(states: Sequence[IndexState]) -> None:
    if failed := _those(states, "failed"):
        first = failed[0]
        raise PartlyDone(
            f"{counted(len(failed), 'index', 'indexes')} could not be changed as planned",
            why=f"{first.collection}.{first.name}: {first.reason}",
            next=f"datactl index plan {first.model} shows what is there now",
        )


def _those(states: Sequence[IndexState], word: str) -> list[IndexState]:
    return [state for state in states if state.state == word]


def _tell(invocation: Invocation, states: Sequence[IndexState]) -> None:
    """The indexes a confirmation is about, on stderr: stdout has what became of them."""
    for state in states:
        maker = "" if state.made_by_datactl else "not made by datactl; "
        invocation.hint(f"{state.collection}.{state.existing}  {_keys(state)}  {maker}{_reason(state)}")


def _phrase(states: Sequence[IndexState]) -> str:
    """What is typed: the collection and the number, as for documents; `indexes N` for those of several collections."""
    collections = {state.collection for state in states}
    return f"{collections.pop() if len(collections) == 1 else 'indexes'} {len(states)}"


def _keys(state: IndexState) -> str:
    return ", ".join(f"{name}: {kind}" for name, kind in state.keys)


def _reason(state: IndexState) -> str:
    said = [
        state.reason,
        "datactl made it" if state.state == "unknown" and state.made_by_datactl else None,
        f"not used since {figures.time(state.unused_since)}" if state.unused_since else None,
        f"{state.prefix_of} begins with it" if state.prefix_of else None,
    ]
    return "; ".join(part for part in said if part)


def _row(state: IndexState) -> list[str]:
    return [state.model, cell(state.name), str(state.state), cell(_keys(state)), cell(_reason(state))]


COMMAND = Group(
    "Create the indexes that are missing.\n\n"
    "Without a word: an index that stands in the way, under the same name or the same to the server, is reported\n"
    "(exit 5) and left as it is; one that documents stand in the way of is reported too (exit 3), and the others are\n"
    "made.",
    {
        "plan": Command(plan, example="datactl index plan Post", options=READS_DATABASE, exits=(5,)),
        "apply": Command(
            apply,
            example="datactl index apply Post --yes",
            options=(*READS_DATABASE, ACTOR),
            exits=(3, 12),
            changes=True,
        ),
        "drop": Command(
            drop,
            example="datactl index drop Post --unknown --confirm 'posts 1'",
            options=READS_DATABASE,
            exits=(3, 6, 12),
            changes=True,
        ),
    },
    default=Command(index, example="datactl index Post", options=(*READS_DATABASE, ACTOR), exits=(3, 5), changes=True),
    example="datactl index plan",
)
