"""`datactl find`: documents of a model, a page at a time or all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datactl.commands.fields import asked_for, columns_of, headings, only
from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation
from datactl.commands.options import READS_DOCUMENTS
from datactl.errors import UsageError

if TYPE_CHECKING:
    from datactl.records import Page
    from datactl.schema import Model

PAGE_SIZE = 20
_MOST = 2**63 - 1  # the server skips and limits by a signed 64-bit number

Filter = Annotated[
    str | None,
    typer.Option("--filter", metavar="FILTER", help="field=value, field>=value, field~text joined by commas; or JSON."),
]


def find(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or its collection's.")],
    filter: Filter = None,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="FIELDS", help="Fields by comma; - before one turns it round.")
    ] = None,
    fields: Annotated[
        str | None, typer.Option("--fields", metavar="FIELDS", help="Show only these fields, by comma, and _id.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Documents on a page; 0 lists all of them.")
    ] = PAGE_SIZE,
    page: Annotated[int | None, typer.Option("--page", metavar="N", min=1, help="The page, from 1.")] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="CURSOR", help="The page after this cursor, however deep.")
    ] = None,
    search: Annotated[
        str | None, typer.Option("--search", metavar="TEXT", help="Text in the model's textSearchFields.")
    ] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Only those marked deleted.")] = False,
    with_deleted: Annotated[bool, typer.Option("--with-deleted", help="Also those marked deleted.")] = False,
    envelope: Annotated[
        bool, typer.Option("--envelope", help="With page, pages, total and the next cursor, as one object.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Not the documents, but how the database finds them.")
    ] = False,
) -> None:
    """List documents of a model.

    Live ones, unless --deleted or --with-deleted says otherwise.
    """
    invocation = Invocation.of(ctx)
    _require_sense(limit, page, after, deleted=deleted, with_deleted=with_deleted, paged=bool(envelope or search))
    if explain and (search or page or after or envelope or fields):
        raise UsageError("--explain shows how --filter, --sort and --limit are answered: give it without the others")
    repository = invocation.workspace.repository(model)
    paths = asked_for(repository.model, fields) if fields is not None else None
    show = partial(_show, invocation, repository.model, marks=deleted or with_deleted, paths=paths)
    wanted = from_text(repository.model, filter)
    marks = deleted or with_deleted
    if deleted:
        wanted = {**wanted, repository.model.marks.deleted: True}
    if explain:
        invocation.printer.facts(repository.explain(wanted, sort=sort, limit=limit or None, include_deleted=marks))
    elif not limit:
        every = repository.find_with_deleted if marks else repository.find
        shown = show(every(wanted, sort=sort, projection=paths))
        _tell_doubts(invocation, repository.model, wanted, shown)
    else:
        found = repository.find_with_pagination(
            wanted,
            page=page or 1,
            limit=limit,
            sort=sort,
            search=search,
            include_deleted=marks,
            after=after,
            projection=paths,
        )
        if envelope:
            kept = found if paths is None else replace(found, data=tuple(only(each, paths) for each in found.data))
            invocation.printer.document(kept.as_dict())
        else:
            show(found.data)
            _tell_page(invocation, found)
        _tell_doubts(invocation, repository.model, wanted, found.total)


def from_text(model: Model, filter: str | None) -> dict[str, Any]:
    """The filter that `--filter` says; not given, every document. UsageError for a blank one."""
    from datactl.records import parse_filter

    if filter is None:
        return {}
    if not filter.strip():
        raise UsageError("--filter is blank", next="leave it out to mean every document, or write field=value")
    return parse_filter(model, filter, regex=True)


def _require_sense(
    limit: int, page: int | None, after: str | None, *, deleted: bool, with_deleted: bool, paged: bool
) -> None:
    if deleted and with_deleted:
        raise UsageError("give only one of --deleted and --with-deleted")
    if page is not None and after is not None:
        raise UsageError("give only one of --page and --after")
    if not limit and (page or after or paged):
        raise UsageError("--limit 0 lists everything: it has no pages, no --envelope and no --search")
    if max(limit, 1) * (page or 1) > _MOST:
        raise UsageError(f"page {page or 1:,} of {limit:,} documents is further than the database counts")


def _show(
    invocation: Invocation,
    model: Model,
    documents: Iterable[Mapping[str, Any]],
    *,
    marks: bool,
    paths: Sequence[str] | None,
) -> int:
    """Write the documents; how many they were."""
    number = 0

    def counted() -> Iterator[Mapping[str, Any]]:
        nonlocal number
        for document in documents:
            number += 1
            yield document if paths is None else only(document, paths)

    columns = headings(model, marks=marks) if paths is None else columns_of(model, paths)
    hidden = invocation.printer.documents(counted(), columns)
    if hidden:
        invocation.hint(f"no room for {', '.join(hidden)}: -o json shows everything")
    return number


def _tell_doubts(invocation: Invocation, model: Model, filter: Mapping[str, Any], found: int) -> None:
    """Where nothing was found: a word of the filter that its field does not know, and the one that may be meant."""
    from datactl.records.filters import doubts

    for doubt in doubts(model, filter) if not found else ():
        invocation.hint(doubt)


def _tell_page(invocation: Invocation, found: Page) -> None:
    if found.has_next:
        onward = f"   next page: --after {found.next_cursor}" if found.next_cursor else ""
        invocation.hint(f"{len(found.data):,} of {found.total:,}{onward}")


COMMAND = Command(
    find,
    example="datactl find Post --filter 'views>=1000,title~mongo' --sort -createdAt --limit 3",
    options=READS_DOCUMENTS,
)
