"""`datactl validate`: finds what is broken, and stamps marks that have no date of deletion."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datactl.commands.bulk import begun, resume
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation, stopped
from datactl.commands.options import CHANGES_DATABASE, VAULT
from datactl.errors import FindingsError, PartlyDone
from datactl.render.cells import cell
from datactl.render.figures import counted
from datactl.render.tables import write_pairs

if TYPE_CHECKING:
    from datactl.inspect.findings import Finding
    from datactl.inspect.validating import ValidationPlan

_MOST = 1_000
_PAGE = 1_000
_SHOWN = 10  # of one code and model, in a table
_WIDEST = 40
_WHY_STAMPED = "it was marked deleted without a date"


def validate(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="This model; else all.", show_default=False)
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="CHECKS", help="These checks: documents,references,...")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", min=1, max=1_000_000, help="N documents of each model, at random."),
    ] = None,
    max_findings: Annotated[
        int, typer.Option("--max-findings", metavar="N", min=0, help="Stop at so many findings; 0: at none.")
    ] = _MOST,
    fix_marks: Annotated[
        bool, typer.Option("--fix-marks", help="First give marked documents without a date the server's time.")
    ] = False,
) -> None:
    """Find what is broken: documents, references, marks, indexes, the vault.

    The checks are documents, marks, references, duplicates, copies (both in MongoDB and archived), outside-writes
    (changed past datactl since their last event), indexes and vault. Nothing is changed; findings end in exit 5. With
    -o ndjson each is written as it is found.

    --fix-marks lets documents come due that have a mark and no date: they count as deleted now. It is one operation
    for each model, with an event for each document, and can be undone.
    """
    invocation = Invocation.of(ctx)
    validator = invocation.workspace.validator()
    plan = validator.plan(model, only=only, sample=sample)
    if fix_marks:
        invocation.tell_production()
        for name in plan.models:
            _stamp(invocation, name)
    for name in plan.left_out:
        invocation.hint(f"{name} is left out: a sample cannot tell")
    tally = _Tally()
    with invocation.watching(stoppable=False) as watch:
        rest = _write(invocation, tally, islice(validator.run(plan, watch=watch), max_findings or None))
    is_cut = bool(max_findings) and tally.counts.total() >= max_findings
    if invocation.printer.is_table:
        _write_verdict(invocation, plan, rest, tally, is_cut=is_cut)
    if tally.counts:
        _raise_findings(tally, is_cut=is_cut)


@dataclass
class _Tally:
    """How many findings there are of each code, of each model, and what is to be done about them."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    of_models: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    first: dict[tuple[str, str], str] = field(default_factory=dict)

    def seen(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings as they are, counted."""
        for finding in findings:
            key = finding.check, finding.code
            self.counts[key] += 1
            self.of_models[finding.model, *key] += 1
            self.first.setdefault(key, finding.next)
            yield finding

    def shown(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Those that a table has room for: the first ones of each model and code."""
        for finding in self.seen(findings):
            if self.of_models[finding.model, finding.check, finding.code] <= _SHOWN:
                yield finding

    def step(self, key: tuple[str, str]) -> str:
        """What to do about a code, for its first finding, and which other models have it."""
        others = [model for model, *of in self.of_models if tuple(of) == key][1:]
        return f"{self.first[key]}; also of {', '.join(others)}" if others else self.first[key]


def _stamp(invocation: Invocation, model: str) -> None:
    """Stamp one model's undated marks. Interrupted, PartlyDone."""
    fixer = invocation.workspace.mark_fixer(model)
    with invocation.watching() as watch, begun(watch):
        result = fixer.run(reason=invocation.reason or _WHY_STAMPED, watch=watch)
    if result is None:
        return
    invocation.hint(f"{model}: stamped {counted(result.changed, 'document')}; undo: datactl undo {result.op}")
    if result.stopped:
        raise stopped(watch, f"{model}: stamping", result.left, next=resume(result.op))
    if result.failures:
        raise PartlyDone(
            f"{counted(result.failures, 'document')} of {model} could not be stamped", problems=result.failed[:10]
        )


def _write(invocation: Invocation, tally: _Tally, findings: Iterator[Finding]) -> list[Finding]:
    """Write each as it comes; a table in full pages. The last page is left to be written when the bars are gone."""
    printer = invocation.printer
    if not printer.is_table:
        printer.fact_list(_rows(tally.seen(findings)), (), _no_row)
        return []
    findings = tally.shown(findings)
    page = list(islice(findings, _PAGE))
    while further := list(islice(findings, _PAGE)):
        _write_page(invocation, page)
        page = further
    return page


def _write_page(invocation: Invocation, page: Sequence[Finding]) -> None:
    """One line a finding, in columns and never cut: a reason that is cut is none."""
    models = max(len(finding.model) for finding in page)
    places = min(max(len(cell(finding.where)) for finding in page), _WIDEST)
    for finding in page:
        where = f"{finding.model:<{models}}  {cell(finding.where):<{places}}"
        invocation.printer.say(f"{where}  {finding.what}   [{finding.check}/{finding.code}]")


def _write_verdict(
    invocation: Invocation,
    plan: ValidationPlan,
    last_page: Sequence[Finding],
    tally: _Tally,
    *,
    is_cut: bool,
) -> None:
    """The last findings, how to have those that were not shown, and what to do about each code; or that there is
    nothing to do."""
    if tally.counts:
        _write_page(invocation, last_page)
        everything = " --max-findings 0" if is_cut else ""
        for (model, check, code), number in tally.of_models.items():
            if number > _SHOWN:
                word = f"datactl validate{f' {model}' if model else ''} --only {check} -o ndjson{everything}"
                invocation.printer.say(f"{number - _SHOWN:,} more {check}/{code}: {word}")
        invocation.printer.say("")
        write_pairs((f"{number:,} {'/'.join(key)}", cell(tally.step(key))) for key, number in tally.counts.items())
        return
    looked = counted(len(plan.models), "model")
    of_sample = f", {plan.sample:,} documents of each at most" if plan.sample is not None else ""
    invocation.printer.say(f"{counted(len(plan.checks), 'check')} of {looked}{of_sample}: nothing is broken")


def _raise_findings(tally: _Tally, *, is_cut: bool) -> None:
    counts = tally.counts
    by_check: Counter[str] = Counter()
    for (check, _), number in counts.items():
        by_check[check] += number
    told = counted(counts.total(), "finding")
    raise FindingsError(
        f"{told}, and there may be more" if is_cut else told,
        why=", ".join(f"{number:,} of {check}" for check, number in by_check.items()),
        next="--max-findings 0 lists all of them" if is_cut else tally.step(next(iter(counts))),
        counts={f"{check}/{code}": number for (check, code), number in counts.items()},
    )


def _rows(findings: Iterator[Finding]) -> Iterator[dict[str, Any]]:
    """The findings as they are listed; each is on its way to the reader before the next one is looked for."""
    for finding in findings:
        yield finding.row()
        sys.stdout.flush()


def _no_row(_: Any) -> list[str]:
    return []


COMMAND = Command(
    validate,
    example="datactl validate Post --only documents,references",
    options=(*CHANGES_DATABASE, VAULT),
    exits=(3, 5, 7, 11),
    changes=False,
)
