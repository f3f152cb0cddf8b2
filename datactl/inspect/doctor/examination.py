"""The whole examination: opens each part of the project on its own, so that one that fails hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from datactl.errors import DatactlError
from datactl.inspect.doctor.database import database_lines
from datactl.inspect.doctor.doubtful import setting_lines
from datactl.inspect.doctor.grants import Grants, grants
from datactl.inspect.doctor.lines import Level, Line, fail, looked_at, ok
from datactl.inspect.doctor.probing import belonging, vault_lines
from datactl.inspect.doctor.production import production_lines
from datactl.inspect.doctor.runs import run_lines
from datactl.inspect.doctor.secret_files import file_lines
from datactl.mongo import Mongo
from datactl.mongo.connection import DEFAULT_DATABASE
from datactl.schema import Registry
from datactl.settings import Settings
from datactl.settings.masking import database_of
from datactl.vault import Vault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Doctor:
    """Looks at one project. The three parts are opened by these calls, each of which may raise a DatactlError."""

    settings: Settings
    environ: Mapping[str, str]
    registry: Callable[[], Registry]
    mongo: Callable[[], Mongo]
    vault: Callable[[], Vault]

    def lines(self, *, production: bool = False) -> Iterator[Line]:
        """What was seen, line by line as it is looked at; with `production`, the checklist's boxes behind it."""
        settings = self.settings
        registry, line = _opened("models", self.registry)
        yield line or ok("models", f"{settings.models.name} declares {', '.join(registry or ()) or 'no model'}")
        yield from looked_at("settings", lambda: setting_lines(settings, registry, self.environ))
        mongo, line = _opened("connection", self.mongo)  # before the files: a local engine makes some
        yield from looked_at("secret_files", lambda: file_lines(settings, self.environ))
        if line is not None:
            yield line
        vault, no_vault = _opened("vault", self.vault)
        # What another database's vault holds says nothing about this one.
        mine = vault if vault is not None and belonging(vault, mongo).level is Level.OK else None
        if mongo is not None:
            yield from database_lines(mongo, registry)
            yield from run_lines(mongo, registry, mine, settings.actor, settings.archive_retention_days)
        if vault is not None:
            yield from vault_lines(vault, mongo)
        elif no_vault is not None:
            yield no_vault
        if production:
            yield from production_lines(settings, registry, mongo, mine, self.environ)

    def grants(self) -> tuple[Grants, DatactlError | None]:
        """The role of each group of commands, and what the connected user lacks of it.

        Where the server cannot be asked, the roles all the same, and why: whoever makes the user needs them first.
        ModelsFileError, NotInitialised: without models there are no collections to grant.
        """
        registry = self.registry()
        try:
            mongo = self.mongo()
        except DatactlError as error:
            return grants(registry, self._database(), None), error
        return grants(registry, mongo.database.name, mongo), None

    def _database(self) -> str:
        """The name that a connection would have."""
        text = self.settings.uri.reveal() if self.settings.uri else ""
        return self.settings.database or database_of(text) or DEFAULT_DATABASE


def _opened(check: str, opening: Callable[[], T]) -> tuple[T | None, Line | None]:
    """What was opened; or None, and the line that says why not."""
    try:
        return opening(), None
    except DatactlError as error:
        return None, fail(check, str(error), error.next)
