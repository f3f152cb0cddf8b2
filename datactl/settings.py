"""Typed settings with their origin: flag > environment > .env > project file > user file > default.

The project file is the `settings:` mapping of models.yaml; the user file is `$XDG_CONFIG_HOME/datactl/config.yaml`.
A secret may also come from a file (`NAME_file`) or a command (`NAME_command`) at any of those places.
"""

from __future__ import annotations

import base64
import binascii
import getpass
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from datactl.errors import ConfigError
from datactl.yamlfile.report import Report, did_you_mean
from datactl.yamlfile.source import decode, read_nodes

DEFAULT_VAULT = "file:.datactl/vault"
STATE_DIR = ".datactl"
EVENT_KEY_BYTES = 32
SECRET_COMMAND_TIMEOUT_S = 30


class Kind(StrEnum):
    TEXT = "text"
    COUNT = "count"
    PATH = "path"
    SECRET = "secret"  # noqa: S105 - the name of a kind


class Origin(StrEnum):
    FLAG = "flag"
    ENVIRONMENT = "environment"
    DOTENV = ".env"
    PROJECT = "project file"
    USER = "user file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is declared: where its value may come from and what it may be."""

    name: str
    env: tuple[str, ...]
    kind: Kind
    about: str
    default: str | int | None = None
    choices: tuple[str, ...] = ()


SETTINGS: tuple[Setting, ...] = (
    Setting("uri", ("DATACTL_URI", "MONGODB_URI"), Kind.SECRET, "the MongoDB to work on"),
    Setting("database", ("DATACTL_DATABASE",), Kind.TEXT, "database name; else the one in the URI, else test"),
    Setting("engine", ("DATACTL_ENGINE",), Kind.TEXT, "local: start an engine for this project", None, ("local",)),
    Setting("vault", ("DATACTL_VAULT",), Kind.TEXT, "where archived documents are kept", DEFAULT_VAULT),
    Setting("models", ("DATACTL_MODELS",), Kind.PATH, "the file that declares the models", "models.yaml"),
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
_BY_NAME = {setting.name: setting for setting in SETTINGS}
_SOURCES = ("", "_file", "_command")
_SECRET_OPTION = re.compile("password|authMechanismProperties|token|secret", re.IGNORECASE)


def variables() -> frozenset[str]:
    """Every environment variable that can give a setting."""
    return frozenset(
        variable + suffix.upper()
        for setting in SETTINGS
        for variable in setting.env
        for suffix in (_SOURCES if setting.kind is Kind.SECRET else _SOURCES[:1])
    )


def source_names(setting: Setting) -> tuple[str, ...]:
    """The keys under which a file may give this setting: a secret has `_file` and `_command` forms as well."""
    return tuple(setting.name + s for s in _SOURCES) if setting.kind is Kind.SECRET else (setting.name,)


KEYS: frozenset[str] = frozenset(name for setting in SETTINGS for name in source_names(setting))


def mask_uri(uri: str) -> str:
    """A connection string without its password and without the options that hold one, however badly it is written.

    A password that holds `@` or `/` unescaped still ends before the last `@`.
    """
    scheme, separator, rest = uri.partition("://")
    address, question, query = rest.partition("?")
    if "@" in query:  # the `?` belongs to a password
        address, question, query = rest, "", ""
    user_info, at, host = address.rpartition("@")
    user, colon, _ = user_info.partition(":")
    masked = f"{user}{colon}{'***' if colon else ''}{at}{host}"
    options = [
        f"{name}=***" if _SECRET_OPTION.search(name) else option
        for option in query.split("&")
        for name in [option.partition("=")[0]]
    ]
    return f"{scheme}{separator}{masked}{question}{'&'.join(options)}"


class Secret:
    """A text that prints itself masked; `reveal()` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return mask_uri(self._text) if "://" in self._text else "***"

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting as `config show` prints it; secrets are masked."""

    name: str
    value: str | int | None
    origin: str
    env: tuple[str, ...]
    about: str


@dataclass(frozen=True, slots=True)
class _Found:
    value: Any
    origin: Origin
    place: str


@dataclass(frozen=True)
class Settings:
    """What a run works with. Paths are absolute, resolved against the directory of models.yaml."""

    uri: Secret | None
    database: str | None
    engine: Literal["local"] | None
    vault: str
    models: Path
    actor: str
    output: Literal["table", "json", "ndjson", "yaml"] | None
    archive_retention_days: int
    event_key: bytes | None
    project_dir: Path
    origins: Mapping[str, str]

    @property
    def state_dir(self) -> Path:
        return self.project_dir / STATE_DIR

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
        layers: list[tuple[Origin, str, Mapping[str, Any]]] = [
            (Origin.FLAG, "--{}", given),
            (Origin.ENVIRONMENT, "{}", _from_env(environ)),
            (Origin.DOTENV, ".env: {}", _from_env(_dotenv(project_dir / ".env"))),
            (Origin.PROJECT, f"{models.name}: settings.{{}}", _settings_of(models, nested=True)),
            (Origin.USER, "config.yaml: {}", _settings_of(_user_file(environ), nested=False)),
        ]
        found = {setting.name: _find(setting, layers) for setting in SETTINGS}
        origins = {name: hit.origin.value if hit else Origin.DEFAULT.value for name, hit in found.items()}
        values: dict[str, Any] = {
            name: _typed(_BY_NAME[name], hit, project_dir) if hit else _BY_NAME[name].default
            for name, hit in found.items()
        }
        uri, engine = found["uri"], found["engine"]
        if uri and engine and _rank(engine.origin) < _rank(uri.origin):
            values["uri"] = None  # an engine asked for at a stronger place wins over a URI that merely lies around
        return cls(
            uri=values["uri"],
            database=values["database"],
            engine=values["engine"] if values["uri"] is None else None,
            vault=_absolute_vault(values["vault"], project_dir),
            models=models,
            actor=values["actor"] or _login_name(),
            output=values["output"],
            archive_retention_days=values["archive_retention_days"],
            event_key=_event_key(values["event_key"]),
            project_dir=project_dir,
            origins=origins,
        )


def _rank(origin: Origin) -> int:
    return list(Origin).index(origin)


def _from_env(environ: Mapping[str, str | None]) -> dict[str, str]:
    """Setting names -> values; the first variable of a setting that is set and not empty wins."""
    named: dict[str, str] = {}
    for setting in SETTINGS:
        for name, suffix in zip(source_names(setting), _SOURCES, strict=False):
            for variable in setting.env:
                value = environ.get(variable + suffix.upper())
                if value:
                    named.setdefault(name, value)
    return named


def _dotenv(path: Path) -> Mapping[str, str | None]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return dotenv_values(path, interpolate=False)


def _user_file(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "datactl" / "config.yaml"


def _settings_of(path: Path, *, nested: bool) -> dict[str, Any]:
    """The settings a YAML file gives, read as the models are.

    What is wrong elsewhere in the file is left to the reading of the models, which reports it in full; a file that
    cannot be read at all has unknown settings, and working without them could be working on another database.
    """
    if not path.is_file():
        return {}
    report = Report(path.name)
    try:
        text = decode(path.read_bytes(), report)
    except OSError as error:
        raise ConfigError(f"cannot read {path}", why=error.strerror) from None
    if text is None:
        raise report.error()
    report.lines = text.split("\n")
    root = read_nodes(text, report)
    if root is None:
        raise report.error()
    if nested:
        root = root.value["settings"].value if root.is_mapping and "settings" in root.value else None
    if root is None or root.value is None:
        return {}
    if not root.is_mapping:
        raise ConfigError(f"{path.name}: settings must be a mapping", next=f"correct {path}")
    found: dict[str, Any] = {}
    for name, (_, node) in root.value.items():
        if name not in KEYS:
            raise ConfigError(
                f'{path.name}: unknown setting "{name}"{did_you_mean(name, sorted(KEYS))}',
                next="datactl config show lists the settings",
            )
        if node.is_mapping or node.is_list:
            raise ConfigError(f"{path.name}: {name} must be one value, not {node.shown()}", next=f"correct {path}")
        found[name] = node.value
    return found


def _find(setting: Setting, layers: list[tuple[Origin, str, Mapping[str, Any]]]) -> _Found | None:
    for origin, place, values in layers:
        for name in source_names(setting):
            value = values.get(name)
            if value is None or value == "":
                continue
            where = place.format(name)
            if name.endswith("_file"):
                value = _read_secret_file(str(value), where)
            elif name.endswith("_command"):
                value = _run_secret_command(str(value), where)
            return _Found(value, origin, where)
    return None


def _read_secret_file(path: str, where: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}", why=str(error), next=f"correct {where}") from None


def _run_secret_command(command: str, where: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(command), capture_output=True, text=True, check=True, timeout=SECRET_COMMAND_TIMEOUT_S
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = type(error).__name__ if isinstance(error, subprocess.SubprocessError) else str(error)
        raise ConfigError("the command that gives a secret failed", why=why, next=f"correct {where}") from None
    return done.stdout.strip()


def _typed(setting: Setting, found: _Found, project_dir: Path) -> Any:
    value = found.value
    if setting.choices and value not in setting.choices:
        wanted = ", ".join(setting.choices)
        raise ConfigError(
            f'{setting.name} cannot be "{value}"', why=f"it is one of: {wanted}", next=f"correct {found.place}"
        )
    if setting.kind is Kind.SECRET:
        return Secret(str(value))
    if setting.kind is Kind.COUNT:
        try:
            count = int(str(value))
        except ValueError:
            count = -1
        if count < 0:
            raise ConfigError(
                f'{setting.name} cannot be "{value}"', why="it is a whole number from 0", next=f"correct {found.place}"
            )
        return count
    if setting.kind is Kind.PATH:
        return str(project_dir / str(value))
    return str(value)


def _absolute_vault(vault: str, project_dir: Path) -> str:
    scheme, separator, path = vault.partition(":")
    if not separator:
        return f"file:{project_dir / Path(vault).expanduser()}"
    return f"file:{project_dir / Path(path.removeprefix('//')).expanduser()}" if scheme == "file" else vault


def _event_key(secret: Secret | None) -> bytes | None:
    if secret is None:
        return None
    text = secret.reveal()
    for read in (bytes.fromhex, lambda t: base64.b64decode(t, validate=True)):
        try:
            key = read(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == EVENT_KEY_BYTES:
            return key
    raise ConfigError(
        "event_key is unusable",
        why=f"it must be {EVENT_KEY_BYTES} bytes, written as hex or base64",
        next="openssl rand -hex 32 makes one",
    )


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
