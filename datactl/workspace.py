"""A workspace: everything a caller needs, opened when it is first asked for and closed together."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, overload

from datactl.errors import ConfigError, NotInitialised
from datactl.settings import Settings

if TYPE_CHECKING:
    from datactl.archive import Archiver, Restorer
    from datactl.inspect.adopting import Adopter
    from datactl.inspect.doctor import Doctor
    from datactl.inspect.drift import Drift
    from datactl.inspect.indexes import IndexKeeper
    from datactl.inspect.stats import Statistician
    from datactl.inspect.validating import Validator
    from datactl.mongo import Mongo
    from datactl.mongo.engine import LocalEngine
    from datactl.records import Repository
    from datactl.records.fixing_marks import MarkFixer
    from datactl.records.remover import Remover
    from datactl.records.undoing import Undoer
    from datactl.schema import Registry
    from datactl.transfer import Exporter, Importer
    from datactl.vault import Vault

R = TypeVar("R", bound="Repository")


class Workspace:
    """The settings, models, database and vault of one project, and the services over them.

    Opening reads the settings only: the database is reached by the first service that needs it, so commands that
    look at models or settings work while MongoDB does not answer. Use it as a context manager, or call `close()`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def open(
        cls,
        *,
        uri: str | None = None,
        database: str | None = None,
        models: str | Path | None = None,
        vault: str | None = None,
        actor: str | None = None,
        engine: str | None = None,
        profile: str | None = None,
        cwd: Path | None = None,
    ) -> Self:
        """Open with these values; what is not given comes from the environment and the files. ConfigError."""
        flags = {
            "uri": uri,
            "database": database,
            "models": None if models is None else str(models),
            "vault": vault,
            "actor": actor,
            "engine": engine,
            "profile": profile,
        }
        return cls(Settings.load(flags, cwd=cwd))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection if one was opened. A local engine goes on running."""
        if "mongo" in self.__dict__:
            self.mongo.close()
            del self.__dict__["mongo"]

    @cached_property
    def registry(self) -> Registry:
        """The models. ModelsFileError with every problem, NotInitialised where there is no file."""
        from datactl.schema import load_models

        return load_models(self.settings.models)

    @cached_property
    def engine(self) -> LocalEngine:
        """The project's local engine, running or not."""
        from datactl.mongo.engine import LocalEngine

        return LocalEngine(self.settings.state_dir)

    def local_uri(self) -> str:
        """The URI of the local engine, running or started now, with its password and the project's database."""
        address, question, options = self.engine.ensure().partition("?")
        return f"{address}{self._local_database}{question}{options}"

    @property
    def _local_database(self) -> str:
        return self.settings.database or "datactl"

    @cached_property
    def mongo(self) -> Mongo:
        """The database. NotInitialised where neither a URI nor a local engine is configured; CannotConnect."""
        from datactl.mongo import open_mongo

        if self.settings.uri is not None:
            return open_mongo(self.settings.uri.reveal(), self.settings.database)
        if self.settings.engine == "local":
            self.settings.refuse_production("an engine of the project's own")
            return open_mongo(self.engine.ensure(), self._local_database, local=True)
        raise NotInitialised(
            "no MongoDB is configured here",
            why="neither DATACTL_URI nor a local engine is set",
            next="set DATACTL_URI=mongodb://..., here or in .env, or give the project its own engine: `engine: local` "
            "under `settings:` in models.yaml (datactl init --local writes such a file)",
        )

    @cached_property
    def vault(self) -> Vault:
        """The vault. ConfigError for one that does not outlive this process, and for an address of unknown kind."""
        from datactl.vault import open_vault

        if not self.settings.vault.startswith("file:"):
            raise ConfigError(
                f"{self.settings.vault!r} is not a vault's place",
                why="documents leave MongoDB for it: it must last, and file:PATH is the only kind that does",
                next="Set it with DATACTL_VAULT, for example DATACTL_VAULT=file:/var/lib/datactl/vault",
            )
        return open_vault(self.settings.vault)

    @overload
    def repository(self, model: str) -> Repository: ...
    @overload
    def repository(self, model: str, kind: type[R]) -> R: ...
    def repository(self, model: str, kind: type[Repository] | None = None) -> Repository:
        """The repository of a model, or one of your own class: `workspace.repository("Product", ProductRepository)`."""
        from datactl.records import Repository

        return (kind or Repository)(
            self.registry.model(model),
            self.mongo,
            self.registry,
            actor=self.settings.actor,
            event_key=self.settings.event_key,
            spool_dir=self.settings.state_dir / "spool",
            remover=self.remover,
        )

    def remover(self) -> Remover:
        """What removes documents by way of the vault, and brings them back."""
        from datactl.archive import VaultRemover

        return VaultRemover(self.mongo, self.vault, self.registry, event_key=self.settings.event_key)

    def undoer(self) -> Undoer:
        """What takes operations back."""
        from datactl.records.undoing import Undoer

        return Undoer(
            self.mongo,
            self.registry,
            actor=self.settings.actor,
            event_key=self.settings.event_key,
            remover=self.remover(),
        )

    def archiver(self) -> Archiver:
        from datactl.archive import Archiver

        return Archiver(
            self.mongo,
            self.vault,
            self.registry,
            actor=self.settings.actor,
            retention_days=self.settings.archive_retention_days,
        )

    def restorer(self) -> Restorer:
        from datactl.archive import Restorer

        return Restorer(
            self.mongo, self.vault, self.registry, actor=self.settings.actor, event_key=self.settings.event_key
        )

    def exporter(self) -> Exporter:
        from datactl.transfer import Exporter

        return Exporter(self.mongo, actor=self.settings.actor)

    def importer(self) -> Importer:
        from datactl.transfer import Importer

        return Importer(
            self.mongo,
            actor=self.settings.actor,
            event_key=self.settings.event_key,
            state_dir=self.settings.state_dir,
            rejects_dir=Path.cwd(),
        )

    def statistician(self) -> Statistician:
        from datactl.inspect.stats import Statistician

        return Statistician(self.mongo, self.vault, self.registry, retention_days=self.settings.archive_retention_days)

    def index_keeper(self) -> IndexKeeper:
        from datactl.inspect.indexes import IndexKeeper

        return IndexKeeper(self.mongo, self.registry, actor=self.settings.actor)

    def adopter(self) -> Adopter:
        """What makes models.yaml of the database that is there."""
        from datactl.inspect.adopting import Adopter

        return Adopter(self.mongo, self.settings.models, self.settings.state_dir)

    def drift(self) -> Drift:
        """What compares the models with the database's validators, indexes and collections."""
        from datactl.inspect.drift import Drift

        return Drift(self.mongo, self.registry, self.settings.state_dir)

    def doctor(self) -> Doctor:
        """The examination of this project, which opens each of its parts by itself."""
        from datactl.inspect.doctor import Doctor

        return Doctor(self.settings, os.environ, lambda: self.registry, lambda: self.mongo, lambda: self.vault)

    def validator(self) -> Validator:
        from datactl.inspect.validating import Validator

        return Validator(self.mongo, self.vault, self.registry, event_key=self.settings.event_key)

    def mark_fixer(self, model: str) -> MarkFixer:
        """What stamps the marks of a model that have no date."""
        from datactl.records.fixing_marks import MarkFixer

        return MarkFixer(
            self.registry.model(model),
            self.mongo,
            actor=self.settings.actor,
            event_key=self.settings.event_key,
            spool_dir=self.settings.state_dir / "spool",
        )
