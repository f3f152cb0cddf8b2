"""The checklist before going live: each box ok, warn or fail, with what ticks it.

What this version does not have (storage classes, delivery of events, alerts) is said as it is, with what to do
without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from datactl.archive.rules import ageing
from datactl.events import OUTBOX
from datactl.inspect.doctor.doubtful import is_loopback, uri_options
from datactl.inspect.doctor.lines import Line, fail, looked_at, ok, warn
from datactl.inspect.doctor.privileges import connected_user
from datactl.inspect.stats import DEAD_AFTER_TRIES
from datactl.mongo import Mongo, mapping_errors
from datactl.schema import Registry
from datactl.settings import Settings
from datactl.settings.table import Origin
from datactl.vault import Vault

TESTED_WITHIN = timedelta(days=90)
_RECEIPTS = "receipts/"
_RESTORED = "restored-"
_NO_CONNECTION = "not known: no connection to the database"
_SEE_CONNECTION = "see the check `connection`"


def production_lines(
    settings: Settings,
    registry: Registry | None,
    mongo: Mongo | None,
    vault: Vault | None,
    environ: Mapping[str, str],
) -> Iterator[Line]:
    """One line or more for each box, whatever cannot be reached."""
    yield from looked_at("credentials", lambda: _credentials(settings, mongo))
    yield from looked_at("lifecycle", lambda: _lifecycle(settings))
    yield from looked_at("retention", lambda: _retention(settings, registry))
    yield from looked_at("outbox", lambda: _outbox(mongo))
    yield from looked_at("restore_test", lambda: _restore_test(vault))
    yield from looked_at("logs", lambda: _logs(environ))
    yield from looked_at("alerts", _alerts)


def _credentials(settings: Settings, mongo: Mongo | None) -> Iterator[Line]:
    if mongo is None:
        yield fail("credentials", _NO_CONNECTION, _SEE_CONNECTION)
        return
    user = connected_user(mongo)
    if user is None:
        yield fail(
            "credentials",
            "the server lets anybody in: nobody is logged in on this connection",
            "datactl doctor --grants prints the roles; make a user with one, start the server with --auth, and put "
            "DATACTL_URI=mongodb://USER:PASSWORD@HOST/DATABASE into .env",
        )
        return
    options = uri_options(settings)
    encrypted = options.get("tls", options.get("ssl")) == "true" or _is_srv(settings)
    if not mongo.local and not is_loopback(settings) and not encrypted:
        yield warn(
            "credentials",
            f"{user.name} is logged in, and what goes to {settings.target} is not encrypted",
            "add tls=true to the options of the URI",
        )
    elif user.is_superuser:
        yield warn(
            "credentials",
            f"{user.name} may do everything ({', '.join(user.roles)})",
            "datactl doctor --grants prints the least that each group of commands needs",
        )
    else:
        yield ok("credentials", f"{user.name} with {', '.join(user.roles)}; the vault on disk needs none")


def _is_srv(settings: Settings) -> bool:
    return settings.uri is not None and settings.uri.reveal().startswith("mongodb+srv:")


def _lifecycle(settings: Settings) -> Iterator[Line]:
    yield warn(
        "lifecycle",
        f"this version keeps the vault on disk ({settings.vault}): no storage classes to move objects between",
        "plan the disk's room: datactl archive list shows what each segment takes",
    )


def _retention(settings: Settings, registry: Registry | None) -> Iterator[Line]:
    models = [model for model in registry.values() if ageing(model)] if registry else []
    chosen = settings.origin("archive_retention_days") != Origin.DEFAULT
    by_default = [model.name for model in models if model.archive.after_days is None and not chosen]
    if by_default:
        yield warn(
            "retention",
            f"nobody chose how long marked documents of {', '.join(by_default)} stay: "
            f"{settings.archive_retention_days} days by default",
            "ARCHIVE_RETENTION_DAYS=90 in .env, or archive: {after: 90} of a model in models.yaml",
        )
    else:
        yield ok("retention", "chosen for every model; what is in the vault stays there, nothing expires it")


def _outbox(mongo: Mongo | None) -> Iterator[Line]:
    if mongo is None:
        yield fail("outbox", _NO_CONNECTION, _SEE_CONNECTION)
        return
    dead = {"retryCount": {"$gte": DEAD_AFTER_TRIES}, "processed": False}
    rows = mongo.collection(OUTBOX)
    with mapping_errors(f"counting {OUTBOX}"):
        pending, given_up = rows.count_documents({"processed": False}), rows.count_documents(dead)
    said = f"{pending:,} events pending, {given_up:,} of them dead"
    watch = "this version does not deliver events and watches nothing"
    if given_up:
        yield fail("outbox", f"{said}; {watch}", "mongosh: db.outboxes.find({retryCount: {$gte: 5}})")
    else:
        yield warn("outbox", f"{said}; {watch}", "datactl stats -o json from a timer, and watch outbox.pending in it")


def _restore_test(vault: Vault | None) -> Iterator[Line]:
    if vault is None:
        yield fail("restore_test", "not known: it needs this database's vault", "see the check `vault`")
        return
    models = vault.models()
    if not models:
        yield warn(
            "restore_test",
            "the vault holds nothing yet: nothing could be brought back",
            "once it does: datactl archive list MODEL, then datactl restore MODEL ID for one of it",
        )
        return
    last = max((each.modified for each in vault.store.list(_RECEIPTS) if _RESTORED in each.key), default=None)
    step = f"datactl archive list {models[0]}, then datactl restore {models[0]} ID for one of it"
    if last is None:
        yield fail("restore_test", "nothing was ever brought back from the vault", step)
    elif datetime.now(UTC) - last > TESTED_WITHIN:
        yield warn("restore_test", f"the last restore from the vault was on {last:%Y-%m-%d}", step)
    else:
        yield ok("restore_test", f"the last restore from the vault was on {last:%Y-%m-%d}")


def _logs(environ: Mapping[str, str]) -> Iterator[Line]:
    """What can be seen from here: whether stderr goes into the journal (systemd.exec, JOURNAL_STREAM)."""
    if environ.get("JOURNAL_STREAM", "") == _stderr():
        yield ok("logs", "stderr goes into the journal of this machine")
        return
    yield warn(
        "logs",
        "commands speak on stderr and keep no log of their own; nothing collects it here",
        "run them from a systemd timer, or: datactl archive 2>&1 | logger -t datactl",
    )


def _stderr() -> str:
    found = os.fstat(2)
    return f"{found.st_dev}:{found.st_ino}"


def _alerts() -> Iterator[Line]:
    yield warn(
        "alerts",
        "this version tells nobody by itself",
        "from a timer: datactl doctor -o json, whose exit status is 5 when a check fails; alert on any but 0",
    )
