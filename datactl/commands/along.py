"""What goes along with a deletion or a restore, in words: what a plan says of it, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datactl.render.figures import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datactl.records import DeletePlan

_WORDS = {
    "deleted": "went along",
    "restored": "came back with it",
    "takenBack": "are live again: something came to refer to what they belong to",
}


def plan_lines(plan: DeletePlan) -> list[str]:
    """One line each: what would go along, what would be emptied, what must stay."""
    lines = []
    if plan.along:
        lines.append(f"with them go {_listed(plan.along)}")
    if plan.emptied:
        lines += (f"{name} is emptied in {counted(number, 'document')}" for name, number in plan.emptied.items())
    if plan.restricted:
        verb = "has references that restrict" if plan.restricted == 1 else "have references that restrict"
        lines.append(f"{plan.restricted:,} {verb} deletion ({', '.join(plan.restricted_by)}): kept")
    return lines


def along_lines(along: Mapping[str, Mapping[str, int]]) -> list[str]:
    """One line for each thing that was done to documents of other models, or to others of the same."""
    lines = []
    for did, words in _WORDS.items():
        numbers = {model: counts[did] for model, counts in along.items() if counts.get(did)}
        if numbers:
            lines.append(f"{_listed(numbers)} {words}")
    emptied = {model: counts["emptied"] for model, counts in along.items() if counts.get("emptied")}
    if emptied:
        lines.append(f"references emptied in {_listed(emptied)}")
    return lines


def emptied_line(emptied: Mapping[str, int], op: str | None) -> str | None:
    """That references which the deletion emptied are not put back by a restore, and what does it."""
    if not emptied or op is None:
        return None
    what = counted(sum(emptied.values()), "reference")
    return f"{what} in {', '.join(emptied)} that the deletion emptied stay empty: datactl undo {op} puts them back"


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {model}" for model, number in numbers.items())
