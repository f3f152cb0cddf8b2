"""Making, rebuilding and dropping one index, so that nothing is dropped that was not looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pymongo

from datactl.errors import DatabaseError, DatactlError, DuplicateKey
from datactl.inspect.indexing.comparing import Definition, fingerprint
from datactl.inspect.indexing.made import MADE, MadeIndexes
from datactl.inspect.indexing.states import IndexState, State
from datactl.mongo import Mongo, mapping_errors
from datactl.schema import Index

# A build of a large collection takes hours, in which the server says nothing; a lost connection is seen all the same.
BUILD_LIMIT_S = 24 * 3600.0
_BROKEN = "documents break its uniqueness"


class Builder:
    """Changes one index at a time. What cannot be done is a state with its reason; a lost server is an error."""

    def __init__(self, mongo: Mongo, made: MadeIndexes) -> None:
        self._mongo = mongo
        self._made = made

    def create(self, state: IndexState, index: Index, options: Mapping[str, Any]) -> IndexState:
        """Build it, and note that datactl made it."""
        command = {**options, "key": dict(index.keys), "name": index.name}
        failure = self._build(state.collection, command)
        if failure is not None:
            failed = replace(state, state=State.FAILED, reason=failure)
            return failed if state.lost is None else self._put_back(failed, state.lost)
        if state.lost is not None:
            self._made.forget(state.collection, state.lost["name"])
        made = self._definition(state.collection, index.name)
        if made is not None:
            self._made.note(state.collection, made)
        return replace(state, state=State.CREATED, reason=None, made_by_datactl=True)

    def rebuild(self, state: IndexState, index: Index, options: Mapping[str, Any]) -> IndexState:
        """Drop the one that differs and build the one asked for; where that fails, the old one is put back."""
        if options.get("unique") and self._clash(state.collection, index, options):
            return replace(state, state=State.FAILED, reason=f"{_BROKEN}; the existing one was kept")
        assert state.definition is not None
        dropped = self.drop(state, for_another=index.name)
        if dropped.state is not State.DROPPED:
            return dropped
        try:
            made = self.create(replace(state, lost=state.definition), index, options)
        except DatactlError as error:
            raise cut_off(state, index, error) from error
        return replace(made, state=State.REBUILT, have=None) if made.state is State.CREATED else made

    def put_back(self, state: IndexState) -> IndexState:
        """Build again what a rebuild dropped before it was cut off, and no model asks to replace any more."""
        assert state.lost is not None
        failure = self._build(state.collection, state.lost)
        if failure is not None:
            return replace(state, state=State.FAILED, reason=failure)
        self._made.forget(state.collection, state.lost["name"])
        return replace(state, state=State.CREATED, reason="put back")

    def _put_back(self, failed: IndexState, lost: Definition) -> IndexState:
        """The failure of a successor, with what became of the old one; it stays in the record where it is lost."""
        again = self._build(failed.collection, lost)
        if again is None:
            self._made.forget(failed.collection, lost["name"])
            kept = "the old one was put back"
        else:
            kept = f'the old one, "{lost["name"]}", could not be put back: {again}'
        return replace(failed, reason=f"{failed.reason}; {kept}")

    def drop(self, state: IndexState, *, for_another: str | None = None) -> IndexState:
        """Drop it, if it is still the one that was looked at. `for_another`: the name of its successor, for whose
        sake its definition is kept in the record until that is there."""
        assert state.definition is not None
        name = state.existing
        now = self._definition(state.collection, name)
        if now is not None and fingerprint(now) != fingerprint(state.definition):
            return replace(state, state=State.FAILED, reason="it was changed meanwhile, and kept: look at it again")
        if for_another is None:
            self._made.forget(state.collection, name)
        else:
            self._made.note_replaced(state.collection, state.definition, for_another)
        if now is not None:
            with mapping_errors(f"dropping index {state.collection}.{name}"):
                self._mongo.collection(state.collection).drop_index(name)
        return replace(state, state=State.DROPPED, reason=None)

    def _build(self, collection: str, definition: Mapping[str, Any]) -> str | None:
        """Why it could not be built; None: it was."""
        spec = {option: value for option, value in definition.items() if option not in ("v", "ns")}
        try:
            with mapping_errors(f"creating index {collection}.{spec['name']}"), pymongo.timeout(BUILD_LIMIT_S):
                self._mongo.database.command({"createIndexes": collection, "indexes": [spec]})
        except DuplicateKey as error:
            return f"{_BROKEN}: {error.why or error}"
        except DatabaseError as error:
            return str(error)
        return None

    def _definition(self, collection: str, name: str) -> Definition | None:
        with _reading(collection):
            return next(
                (each for each in self._mongo.collection(collection).list_indexes() if each["name"] == name), None
            )

    def _clash(self, collection: str, index: Index, options: Mapping[str, Any]) -> bool:
        """Whether two documents that the index would cover have the same keys. (Lists, whose items each take a key,
        are left to the build itself.)"""
        pipeline: list[dict[str, Any]] = [
            {"$match": dict(options.get("partialFilterExpression") or {})},
            {"$group": {"_id": [{"$ifNull": [f"${path}", None]} for path in index.paths], "n": {"$sum": 1}}},
            {"$match": {"n": {"$gt": 1}}},
            {"$limit": 1},
        ]
        with _reading(collection):
            return bool(list(self._mongo.collection(collection).aggregate(pipeline, allowDiskUse=True)))


def cut_off(state: IndexState, index: Index, error: DatactlError) -> DatactlError:
    """The error of a server that was lost between the drop and the build: which index is missing, and what makes it."""
    return type(error)(
        f"{error.what}, while {state.collection}.{index.name} was built",
        why=f"the index {state.existing} was dropped for it, and now neither may be there"
        + (f": {error.why}" if error.why else ""),
        next=f"datactl index apply {state.model} builds it, or puts {state.existing} back; it is kept in {MADE}",
    )


@contextmanager
def _reading(collection: str) -> Iterator[None]:
    with mapping_errors(f"reading the indexes of {collection}"):
        yield
