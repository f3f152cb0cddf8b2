"""The settings there are: each declared once, with where its value may come from and what it may be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_VAULT = "file:.datactl/vault"
SOURCES = ("", "_file", "_command")


class Kind(StrEnum):
    TEXT = "text"
    COUNT = "count"
    SWITCH = "switch"
    PATH = "path"
    SECRET = "secret"  # noqa: S105 - the name of a kind


class Origin(StrEnum):
    """The places, the strongest first; a profile stands right behind the place that named it."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    DOTENV = ".env"
    PROJECT = "project file"
    USER = "user file"
    DEFAULT = "default"


EVERYWHERE = (Origin.FLAG, Origin.ENVIRONMENT, Origin.DOTENV, Origin.PROJECT, Origin.USER)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `places`: where it can be given; what says which files are read cannot stand in them."""

    name: str
    env: tuple[str, ...]
    kind: Kind
    about: str
    default: str | int | None = None
    choices: tuple[str, ...] = ()
    places: tuple[Origin, ...] = EVERYWHERE

    @property
    def in_files(self) -> bool:
        return Origin.PROJECT in self.places


SETTINGS: tuple[Setting, ...] = (
    Setting("uri", ("DATACTL_URI", "MONGODB_URI"), Kind.SECRET, "the MongoDB to work on"),
    Setting("database", ("DATACTL_DATABASE",), Kind.TEXT, "database name; else the one in the URI, else test"),
    Setting("engine", ("DATACTL_ENGINE",), Kind.TEXT, "local: start an engine for this project", None, ("local",)),
    Setting("vault", ("DATACTL_VAULT",), Kind.TEXT, "where archived documents are kept", DEFAULT_VAULT),
    Setting(
        "models",
        ("DATACTL_MODELS",),
        Kind.PATH,
        "the file that declares the models",
        "models.yaml",
        places=(Origin.FLAG, Origin.ENVIRONMENT),
    ),
    Setting(
        "profile",
        ("DATACTL_PROFILE",),
        Kind.TEXT,
        "which of the profiles that the files declare",
        places=(Origin.FLAG, Origin.ENVIRONMENT, Origin.DOTENV),
    ),
    Setting(
        "production",
        ("DATACTL_PRODUCTION",),
        Kind.SWITCH,
        "true: what changes says so, and --yes alone confirms nothing",
        default=False,
    ),
    Setting("actor", ("DATACTL_ACTOR",), Kind.TEXT, "who makes the change; else the user's login name"),
    Setting(
        "output",
        ("DATACTL_OUTPUT",),
        Kind.TEXT,
        "form of the data on stdout; else table on a terminal, json elsewhere",
        None,
        ("table", "json", "ndjson", "yaml"),
    ),
    Setting("archive_retention_days", ("ARCHIVE_RETENTION_DAYS",), Kind.COUNT, "age at which a mark is due", 90),
    Setting("event_key", ("DATACTL_EVENT_KEY",), Kind.SECRET, "32 bytes (hex or base64) that encrypt secret fields"),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}


def source_names(setting: Setting) -> tuple[str, ...]:
    """The keys under which a file may give this setting: a secret has `_file` and `_command` forms as well."""
    return tuple(setting.name + s for s in SOURCES) if setting.kind is Kind.SECRET else (setting.name,)


def variable_names(setting: Setting, variable: str) -> tuple[str, ...]:
    """One of its environment variables in the same forms: `DATACTL_URI`, `DATACTL_URI_FILE`, `DATACTL_URI_COMMAND`."""
    return tuple(variable + s.upper() for s in SOURCES) if setting.kind is Kind.SECRET else (variable,)


def variables() -> frozenset[str]:
    """Every environment variable that can give a setting."""
    return frozenset(
        name for setting in SETTINGS for variable in setting.env for name in variable_names(setting, variable)
    )


KEYS: frozenset[str] = frozenset(name for setting in SETTINGS if setting.in_files for name in source_names(setting))
