"""A workspace: everything a caller needs, opened when it is first asked for and closed together."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, overload

from datactl.errors import ConfigError, NotInitialised
from datactl.settings import Settings

if TYPE_CHECKING:
    from datactl.archive import Archiver, Restorer
    from datactl.inspect.indexes import IndexKeeper
    from datactl.inspect.stats import Statistician
    from datactl.mongo import Mongo
    from datactl.mongo.engine import LocalEngine
    from datactl.records import Repository
    from datactl.schema import Registry
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

    @cached_property
    def mongo(self) -> Mongo:
        """The database. NotInitialised where neither a URI nor a local engine is configured; CannotConnect."""
        from datactl.mongo import open_mongo

        if self.settings.uri is not None:
            return open_mongo(self.settings.uri.reveal(), self.settings.database)
        if self.settings.engine == "local":
            return open_mongo(self.engine.ensure(), self.settings.database or "datactl", local=True)
        raise NotInitialised(
            "no MongoDB is configured here",
            why="neither DATACTL_URI nor a local engine is set",
            next="set DATACTL_URI=mongodb://..., or give the project its own engine: `engine: local` under `settings:` "
            "in models.yaml (datactl init --local writes such a file)",
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

    def statistician(self) -> Statistician:
        from datactl.inspect.stats import Statistician

        return Statistician(self.mongo, self.vault, self.registry, retention_days=self.settings.archive_retention_days)

    def index_keeper(self) -> IndexKeeper:
        from datactl.inspect.indexes import IndexKeeper

        return IndexKeeper(self.mongo, self.registry)
