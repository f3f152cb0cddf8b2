"""The words of `datactl archive` that look into the vault: list, find, verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datactl.commands.invocation import Invocation
from datactl.errors import FindingsError, NotFound
from datactl.render import figures
from datactl.render.cells import cell
from datactl.render.tables import Column, write_table
from datactl.render.terminal import word

if TYPE_CHECKING:
    from datactl.archive import ArchivedCopy, Whereabouts

Model = Annotated[
    str | None, typer.Argument(metavar="[MODEL]", help="This model; else every model.", show_default=False)
]

_SEGMENTS = (
    Column("MODEL", keep=True),
    Column("SEGMENT", keep=True),
    Column("DOCUMENTS", right=True, keep=True),
    Column("SIZE", right=True),
    Column("RATIO", right=True),
    Column("ARCHIVED"),
    Column("OP", widest=26),
    Column("BY"),
    Column("REASON"),
)
_COPIES = (
    Column("SEGMENT", keep=True),
    Column("POSITION", right=True),
    Column("STATE", keep=True),
    Column("ARCHIVED", keep=True),
    Column("OP"),
    Column("BY"),
    Column("REASON"),
)
_FINDINGS = (Column("CODE", keep=True), Column("WHAT", keep=True, widest=100), Column("NEXT", widest=80))


def list_segments(ctx: typer.Context, model: Model = None) -> None:
    """List the segments in the vault."""
    invocation = Invocation.of(ctx)
    vault = invocation.workspace.vault
    chosen = [invocation.workspace.registry.model(model).name] if model else vault.models()
    manifests = (manifest for name in chosen for manifest in vault.manifests(name))
    invocation.printer.fact_list(
        manifests,
        _SEGMENTS,
        lambda segment: [
            segment.model,
            segment.name,
            figures.count(segment.documents),
            figures.size(segment.segment.size),
            figures.ratio(segment.raw_bytes, segment.segment.size),
            figures.time(segment.created_at),
            segment.op,
            cell(segment.actor),
            cell(segment.reason),
        ],
    )


def verify(
    ctx: typer.Context,
    model: Model = None,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every document and build every index anew.")] = False,
) -> None:
    """Check that the vault is whole.

    Reads every object again: presence, sizes, checksums, counts. Damage ends in exit 5.
    """
    invocation = Invocation.of(ctx)
    workspace = invocation.workspace
    name = workspace.registry.model(model).name if model else None
    with invocation.watching(stoppable=False) as watch:
        findings = list(workspace.vault.verify(name, deep=deep, watch=watch))
    segments = sum(
        1 for each in ([name] if name else workspace.vault.models()) for _ in workspace.vault.manifests(each)
    )
    damage = [finding for finding in findings if finding.severity == "damage"]

    def table() -> None:
        if findings:
            invocation.printer.fact_list(
                findings, _FINDINGS, lambda found: [found.code, cell(found.what), cell(found.next)]
            )
        depth = "every document" if deep else "structure, counts and checksums"
        verdict = f"{figures.counted(len(damage), 'damaged object')}" if damage else "clean"
        invocation.printer.say(f"{figures.counted(segments, 'segment')} verified ({depth}): {verdict}")

    invocation.printer.facts({"segments": segments, "deep": deep, "damaged": len(damage), "findings": findings}, table)
    if damage:
        raise FindingsError(
            f"the vault has {figures.counted(len(damage), 'damaged object')}", why=damage[0].what, next=damage[0].next
        )


def find(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    id: Annotated[str, typer.Argument(metavar="ID", help="The document's id.")],
) -> None:
    """Say where a document is: live, marked, or in which segments of the vault.

    Nowhere is exit 6.
    """
    invocation = Invocation.of(ctx)
    found = invocation.workspace.restorer().find(model, id)

    def table() -> None:
        invocation.printer.say(f"{found.model} {cell(found.id)}: {found.place}")
        if found.copies:
            write_table(_COPIES, [_copy_row(copy) for copy in found.copies])

    from datactl.render import ejson

    document = (
        None if found.document is None else ejson.structure(found.document, canonical=invocation.printer.canonical)
    )
    facts = {"model": found.model, "id": found.id, "place": found.place, "document": document, "copies": found.copies}
    invocation.printer.facts(facts, table)
    if str(found.place) == "absent":
        raise _nowhere(invocation, found, id)
    if found.offered is not None:
        invocation.hint(f"next: datactl restore {found.model} {word(id)}")


def _nowhere(invocation: Invocation, found: Whereabouts, id: str) -> NotFound:
    from datactl.archive import how_to_reach

    what = f"no {found.model} {cell(found.id)}, neither in MongoDB nor in the vault"
    if found.foreign:
        workspace = invocation.workspace
        known = workspace.registry.model(found.model)
        why, following = how_to_reach(known, workspace.mongo.namespace(known.collection), found.foreign)
        return NotFound(what, why=why, next=following, foreign=list(found.foreign))
    if found.copies:
        return NotFound(
            f"no {found.model} {cell(found.id)} in MongoDB, and no copy left to bring back",
            next=f"if it was lost since, say which copy: datactl restore {found.model} {word(id)} "
            f"--from {found.copies[0].segment}",
        )
    return NotFound(what)


def _copy_row(copy: ArchivedCopy) -> list[str]:
    state = "brought back" if copy.restored else {True: "archived", False: "stayed", None: "unsettled"}[copy.removed]
    return [
        copy.segment,
        figures.count(copy.position),
        state,
        figures.time(copy.archived_at),
        copy.op,
        cell(copy.actor),
        cell(copy.reason),
    ]
