"""`datactl init --from-db`: models.yaml of the database that is there; merged into the file where there is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datactl.commands.confirming import confirm_phrase
from datactl.commands.invocation import Invocation
from datactl.errors import DatactlError, UsageError
from datactl.render.figures import counted
from datactl.render.terminal import word

if TYPE_CHECKING:
    from datactl.inspect.adopting import Adoption

_SAMPLE = 1_000
_TOLD = 12


def adopt(invocation: Invocation, directory: Path | None, *, sample: int | None, dry_run: bool, yes: bool) -> None:
    """Read, show, ask where a file would change, write."""
    if directory is not None:
        if "models" in invocation.given:
            raise UsageError("DIR and --models both say where the models are", next="give one of them")
        _make(directory)
        invocation.given["models"] = str(directory / "models.yaml")
    adopter = invocation.workspace.adopter()
    with invocation.watching(stoppable=False) as watch:
        adoption = adopter.plan(sample=sample or _SAMPLE, watch=watch)
    merging = adoption.before is not None and adoption.is_changed
    if invocation.printer.is_table and (merging or dry_run):
        invocation.printer.text(adoption.diff() if adoption.before is not None else adoption.text)
    written: list[Path] = []
    if not dry_run:
        if merging and not yes:
            _ask(invocation, adoption)
        adopter.write(adoption)
        written = [adoption.path] if adoption.is_changed else []
        written += _dotenv(adoption.path.parent)
    _tell(invocation, adoption, written)


def _ask(invocation: Invocation, adoption: Adoption) -> None:
    name = adoption.path.name
    for conflict in adoption.conflicts:
        invocation.hint(f"kept yours: {conflict.where}: {conflict.kept} (the database says {conflict.found})")
    if not invocation.is_interactive() and not invocation.printer.is_table:
        invocation.printer.facts(_facts(adoption, []))
    confirm_phrase(invocation, name, about=f"this changes {name}", act="write it", given=None, yes=False)


def _tell(invocation: Invocation, adoption: Adoption, written: list[Path]) -> None:
    printer, path = invocation.printer, _shown(adoption.path)
    if printer.is_table:
        for each in written:
            printer.say(f"wrote {_shown(each)}")
        if adoption.before is not None and not adoption.is_changed:
            printer.say(f"{path} is what it would be: nothing to change")
        _tell_notices(invocation, adoption, path)
    else:
        printer.facts(_facts(adoption, written))
    for conflict in adoption.conflicts if written else ():
        invocation.hint(f"kept yours: {conflict.where}: {conflict.kept} (the database says {conflict.found})")
    if "uri" in invocation.given:
        dotenv = _shown(adoption.path.parent / ".env")
        invocation.hint(f"put DATACTL_URI into {dotenv}: the commands that follow want it as well")
    where = f" --models {word(path)}" if "models" in invocation.given else ""
    invocation.hint(f"next: read {path}, then datactl models check{where} && datactl validate{where}")


def _tell_notices(invocation: Invocation, adoption: Adoption, path: str) -> None:
    """The gravest ones after the first reading; after another one how many there are."""
    say, notices = invocation.printer.say, adoption.notices
    read = sum(model.read for model in adoption.models)
    told = notices[:_TOLD] if adoption.before is None else ()
    say(
        f"{counted(len(adoption.models), 'model')} from {counted(read, 'document')}, "
        f"{counted(len(notices), 'thing')} to look at{':' if told else ''}"
    )
    for notice in told:
        say(f"  {notice.model}: {notice.what}")
    if len(notices) > len(told):
        say(f"  {f'and {len(notices) - len(told):,} more' if told else 'see them'}: grep look: {word(path)}")


def _shown(path: Path) -> str:
    """The path as people type it: relative to the working directory where that is shorter."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _facts(adoption: Adoption, written: list[Path]) -> dict[str, Any]:
    return {
        "written": [str(each) for each in written],
        "models": [
            {
                "name": model.name,
                "collection": model.collection,
                "documents": model.documents,
                "read": model.read,
                "fields": len(model.fields),
            }
            for model in adoption.models
        ],
        "leftOut": dict(adoption.left_out),
        "notices": [
            {"code": each.code, "model": each.model, "where": each.where, "what": each.what, "next": each.next}
            for each in adoption.notices
        ],
        "conflicts": [{"where": each.where, "kept": each.kept, "found": each.found} for each in adoption.conflicts],
        "diff": adoption.diff() if adoption.before is not None else None,
    }


def _dotenv(directory: Path) -> list[Path]:
    from datactl.commands.init import DOTENV, PRIVATE, write_new

    path = directory / ".env"
    if path.exists():
        return []
    try:
        write_new(path, DOTENV, PRIVATE)
    except OSError as error:
        raise DatactlError(f"cannot write {path}", why=error.strerror) from None
    return [path]


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatactlError(f"cannot make {directory}", why=error.strerror) from None
