"""The settings in force: every place read, the strongest value of each setting taken, with where it came from."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from datactl.errors import ConfigError
from datactl.settings.masking import Secret, database_of, hosts_of
from datactl.settings.places import read_layers
from datactl.settings.table import BY_NAME, SETTINGS, Kind, Origin
from datactl.settings.values import Found, absolute_vault, event_key, find, typed

STATE_DIR = ".datactl"
_LYING_AROUND = (Origin.ENVIRONMENT.value, Origin.DOTENV.value)


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting as `config show` prints it; secrets are masked."""

    name: str
    value: str | int | None
    origin: str
    env: tuple[str, ...]
    about: str


@dataclass(frozen=True)
class Settings:
    """What a run works with. Paths are absolute, resolved against the directory of models.yaml."""

    uri: Secret | None
    database: str | None
    engine: Literal["local"] | None
    vault: str
    models: Path
    profile: str | None
    production: bool
    actor: str
    output: Literal["table", "json", "ndjson", "yaml"] | None
    archive_retention_days: int
    event_key: bytes | None = field(repr=False)
    project_dir: Path
    origins: Mapping[str, str]

    @property
    def state_dir(self) -> Path:
        return self.project_dir / STATE_DIR

    @property
    def target(self) -> str:
        """The database that is worked on, for people: `host:port[,...]/database`, without credentials."""
        if self.uri is None:
            return f"the local engine of {self.project_dir}" if self.engine else "no database"
        text = self.uri.reveal()
        return f"{hosts_of(text)}/{self.database or database_of(text) or 'test'}"

    def refuse_production(self, what: str) -> None:
        """ConfigError where production is meant: what this is about never is."""
        if self.production:
            raise ConfigError(
                f"{what} is not for production",
                why=f"production is true here, said by {self.origins['production']}",
                next="give production its URI (DATACTL_URI, or uri in its profile), or leave its profile out",
            )

    def origin(self, name: str) -> str:
        return self.origins[name]

    def shown(self) -> list[ShownSetting]:
        """Every setting with its value (masked where secret) and where it came from."""
        shown = []
        for setting in SETTINGS:
            value = getattr(self, setting.name)
            if setting.kind is Kind.SECRET:
                value = None if value is None else ("***" if isinstance(value, bytes) else str(value))
            elif value is not None and not isinstance(value, int):
                value = str(value)
            shown.append(ShownSetting(setting.name, value, self.origins[setting.name], setting.env, setting.about))
        return shown

    @classmethod
    def load(
        cls,
        flags: Mapping[str, str | None] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Settings:
        """Read every place once. ConfigError names the place whose value is unusable."""
        environ = os.environ if env is None else env
        here = (cwd or Path.cwd()).resolve()
        given = {name: value for name, value in (flags or {}).items() if value is not None}

        models = here / (given.get("models") or environ.get("DATACTL_MODELS") or "models.yaml")
        project_dir = models.resolve().parent
        layers, profile = read_layers(given, environ, models, here)
        found = {setting.name: find(setting, layers) for setting in SETTINGS}
        origins = {name: hit.origin if hit else Origin.DEFAULT.value for name, hit in found.items()}
        values: dict[str, Any] = {
            name: typed(BY_NAME[name], hit, project_dir) if hit else BY_NAME[name].default
            for name, hit in found.items()
        }
        uri, engine, database = found["uri"], found["engine"], found["database"]
        engine_wins = bool(uri and engine and engine.rank < uri.rank)
        if profile and origins["profile"] == Origin.FLAG and uri and uri.origin in _LYING_AROUND and not engine_wins:
            raise _elsewhere(profile, uri)
        if engine_wins:
            values["uri"] = None  # an engine asked for at a stronger place wins over a URI that merely lies around
        elif uri and _names_another(uri, values["uri"], database):
            values["database"] = database_of(values["uri"].reveal())
            origins["database"] = f"the URI ({uri.origin})"
        return cls(
            uri=values["uri"],
            database=values["database"],
            engine=values["engine"] if values["uri"] is None else None,
            vault=absolute_vault(values["vault"], project_dir),
            models=models,
            profile=profile,
            production=values["production"],
            actor=values["actor"] or _login_name(),
            output=values["output"],
            archive_retention_days=values["archive_retention_days"],
            event_key=event_key(values["event_key"]),
            project_dir=project_dir,
            origins=origins,
        )


def _elsewhere(profile: str, uri: Found) -> ConfigError:
    return ConfigError(
        f"the profile {profile} says no database",
        why=f"{uri.where} lies around, and need not be the one that --profile {profile} is meant for",
        next=f"give the profile its uri, or say --uri; DATACTL_PROFILE={profile} works on that of the {uri.origin}",
    )


def _names_another(uri: Found, text: Secret, database: Found | None) -> bool:
    """Whether the URI names a database and stands at a stronger place than the name that was set apart from it."""
    return database is not None and uri.rank < database.rank and database_of(text.reveal()) is not None


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
