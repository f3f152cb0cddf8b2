"""`datactl models diff` and `models apply`: the database against the models, and validators put in place."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datactl.commands.confirming import Confirm, Yes, confirm_phrase
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation, stopped
from datactl.commands.options import READS_DATABASE
from datactl.errors import FindingsError, PartlyDone
from datactl.render import figures
from datactl.render.figures import counted
from datactl.render.tables import Column

if TYPE_CHECKING:
    from datactl.inspect.drift import ValidatorChange
    from datactl.inspect.findings import Finding

_FINDINGS = (
    Column("CHECK", keep=True),
    Column("MODEL", keep=True),
    Column("WHERE", keep=True, widest=36),
    Column("WHAT", widest=100),
)
_CHANGES = (
    Column("MODEL", keep=True),
    Column("COLLECTION", keep=True, widest=36),
    Column("VALIDATOR", keep=True),
    Column("NOT PASSING", right=True),
    Column("REASON", widest=100),
)
_COUNTED = 10_000
_FEW = 2
_NUMBERED = {
    "validators": ("validator", "validators"),
    "indexes": ("index", "indexes"),
    "collections": ("collection without a model", "collections without a model"),
}

Model = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Of this model; else of all.", show_default=False)]


def diff(ctx: typer.Context, model: Model = None) -> None:
    """Compare models.yaml with the validators, indexes and collections of the database.

    Without MODEL, collections that have no model are named as well. Whatever differs ends in exit 5.
    """
    invocation = Invocation.of(ctx)
    found = list(invocation.workspace.drift().findings([model] if model else None))
    if invocation.printer.is_table:
        if found:
            invocation.printer.fact_list(found, _FINDINGS, _finding_row)
    else:
        invocation.printer.fact_list([finding.row() for finding in found], (), lambda _: ())
    if not found:
        invocation.hint("validators, indexes and collections are those of the models")
        return
    checks = Counter(finding.check for finding in found)
    ways = dict.fromkeys(finding.next for finding in found)
    raise FindingsError(
        "the database is not what the models say: "
        + ", ".join(counted(number, *_NUMBERED[check]) for check, number in checks.items()),
        next="; ".join(ways if len(ways) <= _FEW else _ways(checks)),
    )


def apply(
    ctx: typer.Context,
    model: Model = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    given: Confirm = None,
    yes: Yes = False,
) -> None:
    """Put the models' validators in place: MongoDB then refuses documents that are not as declared.

    The level is moderate: documents that do not pass today stay, and can still be updated; how many there are is
    shown first, and datactl validate lists them. A validator that is replaced is kept under .datactl/validators.
    """
    invocation = Invocation.of(ctx)
    drift = invocation.workspace.drift()
    with invocation.watching(stoppable=False) as looking:
        changes = drift.plan([model] if model else None, watch=looking)
    due = [change for change in changes if change.state in ("missing", "different")]
    if dry_run or not due:
        _show(invocation, changes)
        invocation.hint("nothing to apply" if not due else f"{counted(len(due), 'validator')} would be put in place")
        return
    if invocation.is_interactive() and not yes and given is None:
        for change in due:
            invocation.hint(_line(change))
    confirm_phrase(
        invocation,
        f"validators {len(due)}",
        about=f"this puts {counted(len(due), 'validator')} in place, which the application's writes will have to pass",
        act="put them in place",
        given=given,
        yes=yes,
    )
    with invocation.watching() as watch:
        changes = drift.apply(changes, watch=watch)
    _show(invocation, changes)
    for change in changes:
        if change.kept_in:
            invocation.hint(f"the validator that {change.collection} had is kept in {change.kept_in}")
    if watch.stopping():
        raise stopped(watch, "models apply", sum(change.state in ("missing", "different") for change in changes))
    if failed := [change for change in changes if change.state == "failed"]:
        raise PartlyDone(
            f"{counted(len(failed), 'validator')} could not be put in place",
            why=f"{failed[0].collection}: {failed[0].reason}",
        )


def _ways(checks: Counter[str]) -> list[str]:
    ways = {
        "validators": "datactl models apply --dry-run",
        "indexes": "datactl index plan",
        "collections": "datactl init --from-db",
    }
    return [way for check, way in ways.items() if checks[check]]


def _finding_row(finding: Finding) -> list[str]:
    return [finding.check, finding.model, finding.where, finding.what]


def _show(invocation: Invocation, changes: tuple[ValidatorChange, ...]) -> None:
    if invocation.printer.is_table:
        invocation.printer.fact_list(changes, _CHANGES, _row)
    else:
        invocation.printer.fact_list([_facts(change) for change in changes], (), lambda _: ())


def _facts(change: ValidatorChange) -> dict[str, Any]:
    return {
        "model": change.model,
        "collection": change.collection,
        "state": str(change.state),
        "reason": change.reason,
        "notPassing": change.refused,
        "keptIn": change.kept_in,
    }


def _row(change: ValidatorChange) -> list[str]:
    return [change.model, change.collection, str(change.state), _number(change), change.reason or ""]


def _number(change: ValidatorChange) -> str:
    if change.refused is None:
        return "-"
    return f"{figures.count(change.refused)}{' or more' if change.refused >= _COUNTED else ''}"


def _line(change: ValidatorChange) -> str:
    passing = "every document passes" if not change.refused else f"{_number(change)} documents do not pass, and stay"
    return f"{change.model}  {change.reason}; {passing}"


DIFF = Command(diff, example="datactl models diff Post", options=READS_DATABASE, exits=(5,))
APPLY = Command(apply, example="datactl models apply --dry-run", options=READS_DATABASE, exits=(3, 12), changes=True)
