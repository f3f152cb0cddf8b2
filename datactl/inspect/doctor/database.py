"""The server: which it is, what it can do, and whether it keeps what a write promises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from datactl.inspect.doctor.lines import Line, fail, looked_at, ok, warn
from datactl.mongo import Mongo
from datactl.mongo.failures import REPLICA_SET_REMEDY
from datactl.schema import Registry

# A skew beyond what a round trip explains. Leases and ages go by the server's clock, operation ids by this machine's.
SKEW_WARN = timedelta(seconds=5)
SKEW_FAIL = timedelta(minutes=5)
_MS = timedelta(milliseconds=1)


def database_lines(mongo: Mongo, registry: Registry | None) -> Iterator[Line]:
    """Every check of the server; those that depend on the models only where they could be read."""
    yield from looked_at("connection", lambda: _connection(mongo))
    yield from looked_at("engine", lambda: _engine(mongo))
    yield from looked_at("capabilities", lambda: _capabilities(mongo, registry))
    yield from looked_at("transactions", lambda: _transactions(mongo))
    yield from looked_at("write_concern", lambda: _write_concern(mongo))
    yield from looked_at("unique_indexes", lambda: _unique_indexes(mongo, registry))
    yield from looked_at("clock", lambda: _clock(mongo))


def _connection(mongo: Mongo) -> Iterator[Line]:
    mongo.ping()
    yield ok("connection", mongo.where)


def _engine(mongo: Mongo) -> Iterator[Line]:
    found = mongo.capabilities
    shape = {"standalone": "standalone", "replica_set": f"replica set {found.set_name}", "sharded": "sharded cluster"}
    yield ok(
        "engine", f"{found.server_kind} {found.server_version}, {shape[found.topology]}, wire {found.wire_version}"
    )


def _capabilities(mongo: Mongo, registry: Registry | None) -> Iterator[Line]:
    found = mongo.capabilities
    has = {
        "client bulkWrite": found.client_bulk_write,
        "text indexes": found.text_index,
        "change streams": found.change_streams,
        "use of indexes counted": found.index_usage,
    }
    said = "; ".join(f"{name}: {'yes' if there else 'no'}" for name, there in has.items())
    searched = [model.name for model in registry.values() if model.text_search_fields] if registry else []
    if searched and not found.text_index:
        yield warn(
            "capabilities",
            f"{said}; searching {', '.join(searched)} reads every document",
            "narrow searches with --filter, or use a server with text indexes",
        )
    else:
        yield ok("capabilities", said)


def _transactions(mongo: Mongo) -> Iterator[Line]:
    refusal = mongo.capabilities.transactions_refusal
    if refusal is None:
        yield ok("transactions", "a trial transaction was kept apart and taken back")
    else:
        yield fail("transactions", f"commands that change data will stop: {refusal}", REPLICA_SET_REMEDY)


def _write_concern(mongo: Mongo) -> Iterator[Line]:
    weakness = mongo.weakness()
    if weakness is not None:
        yield fail(
            "write_concern",
            f"the URI weakens what a write promises: {weakness}; commands that change data refuse it",
            "take it out of the URI, or write w=majority",
        )
        return
    given = mongo.write_concern.document
    yield ok("write_concern", "&".join(f"{name}={value}".lower() for name, value in given.items()))


def _unique_indexes(mongo: Mongo, registry: Registry | None) -> Iterator[Line]:
    models = [model for model in registry.values() if model.soft_delete and model.unique_keys] if registry else []
    if mongo.capabilities.partial_in or not models:
        yield ok("unique_indexes", "they cover live documents, those without a mark too")
        return
    for model in models:
        mark = model.marks.deleted
        yield warn(
            "unique_indexes",
            f"MongoDB {mongo.capabilities.server_version} takes no $in in a partial index: the unique indexes of "
            f"{model.name} leave out documents without {mark}",
            f"mongosh: db.{model.collection}.updateMany({{{mark}: {{$exists: false}}}}, {{$set: {{{mark}: false}}}}), "
            "and let every program write it; or MongoDB 6.0",
        )


def _clock(mongo: Mongo) -> Iterator[Line]:
    asked = datetime.now(UTC)
    server = mongo.server_time()
    answered = datetime.now(UTC)
    # Whatever lies between question and answer is no skew.
    skew = max(asked - server - _MS, server - answered - _MS, timedelta(0))
    if skew <= SKEW_WARN:
        yield ok("clock", f"the server's clock is this machine's within {SKEW_WARN.seconds} s")
        return
    said = f"the server's clock is {'behind' if server < asked else 'ahead of'} this machine's by {_span(skew)}"
    step = "timedatectl set-ntp true, on whichever machine is wrong"
    yield fail("clock", said, step) if skew > SKEW_FAIL else warn("clock", said, step)


def _span(span: timedelta) -> str:
    return f"{span.total_seconds():,.0f} s"
