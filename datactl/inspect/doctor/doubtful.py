"""Settings that are allowed and seldom meant: each named with what it leads to."""

from __future__ import annotations

import ipaddress
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from datactl.inspect.doctor.lines import Line, ok, warn
from datactl.schema import Registry
from datactl.settings import DEFAULT_VAULT, Settings, variables
from datactl.settings.masking import database_of, holds_secret, hosts_of, options_of
from datactl.settings.table import Origin
from datactl.yamlfile.report import did_you_mean

_LONG_DAYS = 3650
_DEBUG = "DATACTL_DEBUG"
_PREFIX = "DATACTL_"
# Of the Node system that datactl takes over from: set, they lead one to believe that they do something here.
_OF_ANOTHER = ("ENABLE_S3_ARCHIVE", "ARCHIVE_BUCKET_NAME", "EVENT_BUCKET_NAME", "OUTBOX_BATCH_SIZE")
_INSECURE = ("tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames")


def setting_lines(settings: Settings, registry: Registry | None, environ: Mapping[str, str]) -> Iterator[Line]:
    """One line for each doubtful value; one that says so where there is none."""
    found = [
        *_retention(settings, registry),
        *_database(settings),
        *_vault(settings),
        *_actor(settings),
        *_key(settings, registry),
        *_variables(environ),
    ]
    lines = [warn("settings", what, mend) for what, mend in found]
    yield from lines or [ok("settings", "nothing doubtful")]


def is_loopback(settings: Settings) -> bool:
    """Whether every host of the URI is this machine: what goes there crosses no network."""
    hosts = hosts_of(settings.uri.reveal()) if settings.uri else ""
    return all(_is_here(host.rpartition(":")[0] or host) for host in hosts.split(","))


def uri_options(settings: Settings) -> dict[str, str]:
    """The options of the URI, their names in small letters."""
    return options_of(settings.uri.reveal()) if settings.uri else {}


Doubt = tuple[str, str]


def _retention(settings: Settings, registry: Registry | None) -> Iterator[Doubt]:
    chosen = {"archive_retention_days": settings.archive_retention_days}
    for model in registry.values() if registry else ():
        if model.archive.after_days is not None:
            chosen[f"archive.after of {model.name}"] = model.archive.after_days
    for name, days in chosen.items():
        if days == 0:
            yield f"{name} is 0: what is deleted leaves MongoDB with the next run", "set the days it is to stay there"
        elif days > _LONG_DAYS:
            yield f"{name} is {days:,} days: nothing comes due for {days // 365} years", "set it to what is meant"


def _database(settings: Settings) -> Iterator[Doubt]:
    if settings.uri is None:
        return
    text = settings.uri.reveal()
    if settings.database is None and database_of(text) is None:
        yield "the URI names no database, so it is `test`", "set DATACTL_DATABASE, or write /NAME behind the host"
    if settings.origin("uri") == Origin.FLAG and holds_secret(text):
        yield "the URI was given as --uri: everybody on this machine can read it there", "set DATACTL_URI in .env"
    options = uri_options(settings)
    if open_ends := [name for name in _INSECURE if options.get(name) == "true"]:
        yield f"the URI says {open_ends[0]}: any server can pose as this one", "take it out, and give tlsCAFile"


def _vault(settings: Settings) -> Iterator[Doubt]:
    scheme, _, path = settings.vault.partition(":")
    if scheme == "file" and Path(path).is_relative_to(tempfile.gettempdir()):
        yield f"the vault {path} lies among temporary files", "set DATACTL_VAULT to a place that lasts"
    elif settings.origin("vault") == Origin.DEFAULT and settings.uri is not None and not is_loopback(settings):
        yield (
            f"the vault is {DEFAULT_VAULT}, on this machine's disk alone, and the database is elsewhere",
            "set DATACTL_VAULT to a place that every machine with this project mounts",
        )


def _actor(settings: Settings) -> Iterator[Doubt]:
    if settings.origin("actor") == Origin.DEFAULT and (settings.actor == "root" or settings.actor.startswith("uid ")):
        yield f'changes are recorded as made by "{settings.actor}"', "set DATACTL_ACTOR to who it is"


def _key(settings: Settings, registry: Registry | None) -> Iterator[Doubt]:
    secret = [model.name for model in registry.values() if model.secret_paths] if registry else []
    if secret and settings.event_key is None:
        yield (
            f"there is no event_key: events leave out the secret fields of {', '.join(secret)}, for good",
            "openssl rand -hex 32 > event.key && chmod 600 event.key, then DATACTL_EVENT_KEY_FILE=event.key in .env",
        )


def _variables(environ: Mapping[str, str]) -> Iterator[Doubt]:
    known = variables() | {_DEBUG}
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in known:
            yield f"{name} is set, and no setting reads it{did_you_mean(name, sorted(known))}", "datactl config show"
    if unread := [name for name in _OF_ANOTHER if environ.get(name)]:
        yield f"{', '.join(unread)} set, and datactl does not read it: the vault is a directory", "set DATACTL_VAULT"


def _is_here(host: str) -> bool:
    name = host.strip("[]")
    if name.lower().startswith("%2f"):  # a socket in the file system
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in ("localhost", "")
