"""Indexes: which the models ask for, which the database has, and making those that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from datactl.errors import DatabaseError, DuplicateKey
from datactl.mongo import Mongo, mapping_errors
from datactl.schema import Index, Model, Registry
from datactl.schema.frozen import freeze
from datactl.steps import UNWATCHED, Watcher

_DECISIVE = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression", "hidden", "wildcardProjection")


class State(StrEnum):
    PRESENT = "present"
    MISSING = "missing"
    CREATED = "created"
    DIFFERENT = "different"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class IndexState:
    """One index a model asks for, and how the database stands to it; `reason` says why where it is not present."""

    model: str
    collection: str
    name: str
    keys: tuple[tuple[str, int | str], ...]
    unique: bool
    origin: str
    state: State
    reason: str | None = None


class IndexKeeper:
    """Compares the models' indexes with the database's, and creates what is missing, one at a time."""

    def __init__(self, mongo: Mongo, registry: Registry) -> None:
        self._mongo = mongo
        self._registry = registry

    def plan(self, names: Sequence[str] | None = None) -> tuple[IndexState, ...]:
        """How the database stands to every index of these models (all when none are named). Changes nothing."""
        models = [self._registry.model(name) for name in names] if names else list(self._registry.values())
        with mapping_errors("read the indexes"):
            return tuple(state for model in models for state in self._compare(model))

    def create_missing(
        self, names: Sequence[str] | None = None, *, watch: Watcher = UNWATCHED
    ) -> tuple[IndexState, ...]:
        """Create the missing ones; an index that cannot be made is reported and does not hold up the others."""
        planned = self.plan(names)
        missing = sum(state.state is State.MISSING for state in planned)
        done = 0
        states = []
        for state in planned:
            if state.state is State.MISSING and not watch.stopping():
                with watch.around("index.create", done, missing, "indexes", index=f"{state.collection}.{state.name}"):
                    states.append(self._create(state))
                done += 1
            else:
                states.append(state)
        return tuple(states)

    def _compare(self, model: Model) -> Iterable[IndexState]:
        existing = self._existing(model.collection)
        for index in model.indexes():
            state = IndexState(
                model.name, model.collection, index.name, index.keys, index.unique, index.origin, State.MISSING
            )
            if any(kind == "text" for _, kind in index.keys) and not self._mongo.capabilities.text_index:
                yield replace(
                    state,
                    state=State.UNSUPPORTED,
                    reason="this server has no text indexes; searches use a regular expression instead",
                )
                continue
            same_keys = [have for have in existing if _same_keys(have, index)]
            same_name = [have for have in existing if have["name"] == index.name]
            wanted = _wanted(index)
            if any(_options(have, wanted) == wanted for have in same_keys):
                yield replace(state, state=State.PRESENT)
            elif same_keys:
                yield replace(state, state=State.DIFFERENT, reason=_difference(same_keys[0], index))
            elif same_name:
                yield replace(state, state=State.DIFFERENT, reason="an index of this name has other keys")
            else:
                yield state

    def _existing(self, collection: str) -> list[Mapping[str, Any]]:
        if not self._mongo.database.list_collection_names(filter={"name": collection}):
            return []
        return list(self._mongo.collection(collection).list_indexes())

    def _create(self, state: IndexState) -> IndexState:
        model = self._registry.model(state.model)
        index = next(index for index in model.indexes() if index.name == state.name)
        try:
            with mapping_errors(f"create index {state.collection}.{state.name}"):
                self._mongo.collection(model.collection).create_index(
                    list(index.keys), name=index.name, **_wanted(index)
                )
        except DuplicateKey as error:
            return replace(state, state=State.FAILED, reason=f"documents break its uniqueness: {error.why or error}")
        except DatabaseError as error:
            return replace(state, state=State.FAILED, reason=str(error))
        return replace(state, state=State.CREATED)


def _same_keys(have: Mapping[str, Any], index: Index) -> bool:
    """Whether an existing index has these keys. A text index stores its fields as weights, in no order of ours."""
    if "weights" in have:
        return {(field, "text") for field in have["weights"]} == set(index.keys)
    return tuple((f, kind if isinstance(kind, str) else int(kind)) for f, kind in have["key"].items()) == index.keys


def _options(have: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an existing index that decide what it does; what the server fills in by itself is left aside."""
    found = {option: freeze(have[option]) for option in _DECISIVE if have.get(option) not in (None, False)}
    if "collation" in have:
        asked = wanted.get("collation", have["collation"])
        found["collation"] = freeze({name: value for name, value in have["collation"].items() if name in asked})
    if have.get("language_override", "language") != "language":
        found["language_override"] = have["language_override"]
    return found


def _wanted(index: Index) -> dict[str, Any]:
    """The options of createIndexes for an index of a model."""
    return {option: freeze(value) for option, value in index.as_command().items() if option not in ("key", "name")}


def _difference(have: Mapping[str, Any], index: Index) -> str:
    wanted = _wanted(index)
    found = _options(have, wanted)
    parts = [
        f"{option} is {found.get(option, 'not set')}, the model wants {wanted.get(option, 'none')}"
        for option in sorted(found.keys() | wanted.keys())
        if found.get(option) != wanted.get(option)
    ]
    return f'index "{have["name"]}" has these keys, but {"; ".join(parts)}'
