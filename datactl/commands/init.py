"""`datactl init`: start a project with a commented models.yaml and .env, or with the models of a database."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from datactl.commands.grammar import Command
from datactl.commands.invocation import Invocation
from datactl.commands.options import READS_DATABASE
from datactl.errors import Conflict, DatactlError, UsageError

_LOCAL = """\
settings:
  engine: local          # datactl starts a database for this project and keeps it in .datactl/
"""
_REMOTE = """\
# settings:              # what the project shares; secrets and addresses belong in .env or the environment
#   database: app
#   vault: file:.datactl/vault
"""
_MODELS = """\
# The models datactl looks after. `datactl models check` reads this file and reports every mistake at once;
# `datactl models schema > models.schema.json` writes its JSON Schema for editors.

{settings}
models:
  Post:                          # its collection is "posts", as Mongoose would name it; or say collection: NAME
    enableSoftDelete: true       # delete marks documents (who, when, why); restore takes the mark away
    enableEventSourcing: true    # every change writes an event in the same transaction
    enableTimestamps: true       # createdAt, updatedAt
    textSearchFields: [title, content]
    uniqueFields: [slug]         # unique among the live documents
    indexes:
      - fields: {{status: 1, createdAt: -1}}
    archive:
      after: 90                  # days from the mark until `datactl archive` moves a document into the vault
    fields:
      title: {{type: string, required: true, maxLength: 200}}
      content: {{type: string, required: true}}
      slug: {{type: string, pattern: "^[a-z0-9-]+$"}}
      status: {{type: string, enum: [draft, published], default: draft}}
      views: {{type: int, min: 0, default: 0}}
      # author: {{type: objectId, ref: User, onDelete: restrict}}
"""
DOTENV = """\
# Read by datactl in this directory; the environment wins over it. Keep it out of version control.

# The MongoDB to work on (a replica set: changes are transactions).
# DATACTL_URI=mongodb://user:password@host:27017/app?replicaSet=rs0

# Who makes the changes; else your login name.
# DATACTL_ACTOR=

# Where archived documents are kept.
# DATACTL_VAULT=file:.datactl/vault

# Days from the mark until a document is due for the archive.
# ARCHIVE_RETENTION_DAYS=90
"""
PRIVATE, _SHARED = 0o600, 0o644


def init(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where; else here.", show_default=False)
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="With a database engine of its own, started on demand.")
    ] = False,
    from_db: Annotated[bool, typer.Option("--from-db", help="Make models.yaml of the database that is there.")] = False,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample", metavar="N", min=1, max=1_000_000, help="Documents read of each collection; else 1000."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --from-db: show what would be written.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --from-db: change models.yaml without asking.")] = False,
) -> None:
    """Start a project here, or take over the database that is there.

    A commented models.yaml and .env are written; nothing that exists is overwritten. With --from-db the models are
    made of the collections that the database has: documents are read at random, and what was found in them stands as
    a comment behind each declaration. Nothing is changed in the database. Run it again when the application has
    changed: what was edited in models.yaml stays, and the difference is shown before it is written.
    """
    invocation = Invocation.of(ctx)
    if from_db:
        if local:
            raise UsageError(
                "--local starts an empty database: there is nothing to read in it", next="give one of them"
            )
        from datactl.commands.init_from_db import adopt

        adopt(invocation, directory, sample=sample, dry_run=dry_run, yes=yes)
        return
    if sample is not None or dry_run or yes:
        raise UsageError("--sample, --dry-run and --yes belong to --from-db", next="datactl init --from-db")
    directory = directory or Path()
    files = {
        directory / "models.yaml": (_MODELS.format(settings=_LOCAL if local else _REMOTE), _SHARED),
        directory / ".env": (DOTENV, PRIVATE),
    }
    if taken := [str(path) for path in files if path.exists()]:
        verb = "exist" if len(taken) > 1 else "exists"
        raise Conflict(f"{' and '.join(taken)} {verb} already", next="init another directory: datactl init DIR")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, (text, mode) in files.items():
            write_new(path, text, mode)
    except OSError as error:
        raise DatactlError(f"cannot write {error.filename}", why=error.strerror) from None
    invocation.printer.facts(
        {"written": [str(path) for path in files], "engine": "local" if local else None},
        lambda: invocation.printer.text("\n".join(f"wrote {path}" for path in files)),
    )
    there = f"cd {shlex.quote(str(directory))} && " if directory != Path() else ""
    invocation.hint(
        f'next: {there}datactl create Post \'{{"title": "First", "content": "..."}}\''
        if local
        else f"next: set DATACTL_URI in {directory / '.env'}, then {there}datactl models check && datactl stats"
    )


def write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that is not there yet."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


COMMAND = Command(init, example="datactl init --local shop", options=READS_DATABASE, exits=(6, 7, 12))
