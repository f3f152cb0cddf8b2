"""Indexes: which the models ask for, which the database has, and bringing the second to the first."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from datactl.errors import NotFound, UsageError
from datactl.inspect.findings import Finding
from datactl.inspect.indexing.building import Builder
from datactl.inspect.indexing.comparing import (
    Definition,
    conflicts,
    difference,
    fingerprint,
    keys_of,
    options_of,
    prefix_of,
    same_keys,
    wanted,
)
from datactl.inspect.indexing.made import MadeIndexes
from datactl.inspect.indexing.states import DRIFT, IndexState, State
from datactl.inspect.indexing.usage import UNUSED_AFTER_DAYS, unused_since
from datactl.mongo import Mongo, mapping_errors
from datactl.schema import Index, Model, Registry
from datactl.steps import UNWATCHED, Watcher
from datactl.yamlfile.report import did_you_mean

__all__ = ["UNUSED_AFTER_DAYS", "IndexChanges", "IndexKeeper", "IndexState", "State"]

_ID_INDEX = "_id_"
_DATABASE = "database"
_VIEW = "a view has no indexes of its own"


@dataclass(frozen=True, slots=True)
class IndexChanges:
    """What would make the database's indexes those of the models, in the order in which it is done.

    `create`: missing, or dropped by a rebuild that was cut off. `rebuild`: dropped and made anew, since the server has
    no place for both. `drop`: as datactl made them, and no model asks for them any more; whether the application made
    them again since cannot be told. Whatever is `dropping` needs a confirmation.
    """

    create: tuple[IndexState, ...] = ()
    rebuild: tuple[IndexState, ...] = ()
    drop: tuple[IndexState, ...] = ()

    @property
    def dropping(self) -> tuple[IndexState, ...]:
        return (*self.rebuild, *self.drop)

    def __len__(self) -> int:
        return len(self.create) + len(self.rebuild) + len(self.drop)


@dataclass(frozen=True, slots=True)
class _Collection:
    """What the database has of one collection: its indexes by name, in its order, and whether it is a view."""

    indexes: Mapping[str, Definition]
    is_view: bool = False


class IndexKeeper:
    """Compares the models' indexes with the database's, and makes, rebuilds or drops them one at a time."""

    def __init__(self, mongo: Mongo, registry: Registry, *, actor: str | None = None) -> None:
        self._mongo = mongo
        self._registry = registry
        self._made = MadeIndexes(mongo, actor)
        self._builder = Builder(mongo, self._made)

    def plan(self, names: Sequence[str] | None = None) -> tuple[IndexState, ...]:
        """How the database stands to every index of these models (all when none are named). Changes nothing."""
        return tuple(state for state in self._surveyed(names, None) if state.state is not State.UNKNOWN)

    def survey(
        self, names: Sequence[str] | None = None, *, unused_days: int = UNUSED_AFTER_DAYS
    ) -> tuple[IndexState, ...]:
        """As `plan`, and with those that no model asks for; each with who made it, and whether anything needs it."""
        return self._surveyed(names, unused_days)

    def drift(self, names: Sequence[str] | None = None) -> Iterator[Finding]:
        """Where the database is not what the models say: missing, different and unknown indexes, as findings."""
        for state in self._surveyed(names, None):
            if state.state in DRIFT:
                yield _finding(state)

    def changes(self, names: Sequence[str] | None = None) -> IndexChanges:
        """What `apply` would do. Changes nothing."""
        states = self._surveyed(names, None)
        return IndexChanges(
            create=tuple(each for each in states if each.state is State.MISSING),
            rebuild=tuple(each for each in states if each.state is State.DIFFERENT),
            drop=tuple(each for each in states if each.state is State.UNKNOWN and each.made_by_datactl),
        )

    def apply(self, changes: IndexChanges, *, watch: Watcher = UNWATCHED) -> tuple[IndexState, ...]:
        """Carry the changes out, one index at a time; what cannot be done is reported and holds up nothing else.

        Those not begun when the watcher asks to stop are returned as they stood.
        """
        return self._one_by_one((*changes.create, *changes.rebuild, *changes.drop), watch)

    def create_missing(
        self, names: Sequence[str] | None = None, *, watch: Watcher = UNWATCHED
    ) -> tuple[IndexState, ...]:
        """Create the missing ones; an index that cannot be made is reported and does not hold up the others."""
        planned = self.plan(names)
        missing = [state for state in planned if state.state is State.MISSING]
        made = dict(zip(missing, self._one_by_one(missing, watch), strict=True))
        return tuple(made.get(state, state) for state in planned)

    def named(self, model: str, indexes: Sequence[str]) -> tuple[IndexState, ...]:
        """The existing indexes of these names, to be dropped. NotFound; UsageError for one that the model asks for."""
        states = self._surveyed([model], None)
        there = {state.existing: state for state in states if state.definition is not None}
        for name in indexes:
            if name == _ID_INDEX:
                raise UsageError(f"the index {_ID_INDEX} cannot be dropped", why="MongoDB needs it")
            if name not in there:
                collection = self._registry.model(model).collection
                raise NotFound(
                    f'{collection} has no index "{name}"{did_you_mean(name, sorted(there))}',
                    next=f"datactl index plan {model} lists them",
                )
            if there[name].state is State.PRESENT:
                raise UsageError(
                    f'{model} asks for the index "{name}" ({there[name].origin})',
                    why="dropped, it would be missing, and datactl index would make it again",
                    next="take it out of models.yaml first",
                )
        return tuple(there[name] for name in dict.fromkeys(indexes))

    def drop(self, states: Sequence[IndexState], *, watch: Watcher = UNWATCHED) -> tuple[IndexState, ...]:
        """Drop these existing indexes, one at a time; one that is another than it was is kept, and reported."""
        return self._one_by_one([replace(state, state=State.UNKNOWN) for state in states], watch)

    @property
    def counts_use(self) -> bool:
        """Whether this server counts the use of its indexes: else none is ever called unused."""
        return self._mongo.capabilities.index_usage

    # -- comparing --

    def _models(self, names: Sequence[str] | None) -> list[Model]:
        return [self._registry.model(name) for name in names] if names else list(self._registry.values())

    def _existing(self, collection: str) -> _Collection:
        found = next(iter(self._mongo.database.list_collections(filter={"name": collection})), None)
        if found is None or found.get("type") == "view":
            return _Collection({}, is_view=found is not None)
        return _Collection({each["name"]: each for each in self._mongo.collection(collection).list_indexes()})

    def _declared(self, model: Model, have: _Collection) -> Iterable[IndexState]:
        for index in model.indexes():
            state = _missing(model, index)
            if have.is_view:
                yield replace(state, state=State.UNSUPPORTED, reason=_VIEW)
            elif index.is_text and not self._mongo.capabilities.text_index:
                yield replace(
                    state,
                    state=State.UNSUPPORTED,
                    reason="this server has no text indexes; searches use a regular expression instead",
                )
            else:
                yield self._compared(state, index, have.indexes)

    def _compared(self, state: IndexState, index: Index, existing: Mapping[str, Definition]) -> IndexState:
        asked = wanted(index, partial_in=self._partial_in)
        with_keys = [have for have in existing.values() if same_keys(have, index)]
        for have in with_keys:
            if options_of(have, asked) == asked:
                return _found(state, State.PRESENT, have)
        in_the_way = [have for have in existing.values() if conflicts(have, index, asked)]
        in_the_way.sort(key=lambda have: have["name"] != index.name)  # its own name first: it can be had once
        for have in in_the_way:
            alike = same_keys(have, index)
            return _found(state, State.DIFFERENT, have, difference(have, asked) if alike else _other_keys(have, index))
        return state

    def _surveyed(self, names: Sequence[str] | None, unused_days: int | None) -> tuple[IndexState, ...]:
        """Declared and unknown ones; without days, the server's count of their use is not asked for."""
        with mapping_errors("reading the indexes"):
            return tuple(state for model in self._models(names) for state in self._survey(model, unused_days))

    def _survey(self, model: Model, unused_days: int | None) -> Iterator[IndexState]:
        have = self._existing(model.collection)
        made = self._made.of(model.collection) if have.indexes else {}
        counted = bool(have.indexes) and unused_days is not None
        unused = unused_since(self._mongo, model.collection, days=unused_days or 0) if counted else {}
        declared = list(self._with_lost(model, have))
        accounted = {_ID_INDEX, *(state.existing for state in declared if state.definition is not None)}
        unknown = [_unknown(model, each) for name, each in have.indexes.items() if name not in accounted]
        for state in (*declared, *unknown):
            if state.definition is None:
                yield state
                continue
            yield replace(
                state,
                made_by_datactl=made.get(state.existing) == fingerprint(state.definition),
                unused_since=unused.get(state.existing),
                prefix_of=prefix_of(state.definition, have.indexes),
            )

    def _with_lost(self, model: Model, have: _Collection) -> Iterator[IndexState]:
        """The declared ones, and what rebuilds that were cut off have dropped: with the successor, or by itself."""
        declared = list(self._declared(model, have))
        missing = {state.name for state in declared if state.state is State.MISSING}
        asked = {state.name for state in declared}
        lost = {
            each.successor: each.definition
            for each in (self._made.replaced(model.collection) if not have.is_view else ())
            if each.successor not in have.indexes and each.definition["name"] not in have.indexes
        }
        for state in declared:
            if state.name in missing and state.name in lost:
                gone = lost.pop(state.name)
                yield replace(state, reason=f'"{gone["name"]}" was dropped for it by a run that was cut off', lost=gone)
            else:
                yield state
        for gone in lost.values():
            if gone["name"] not in asked:
                yield _dropped(model, gone)

    @cached_property
    def _partial_in(self) -> bool:
        return self._mongo.capabilities.partial_in

    # -- changing --

    def _one_by_one(self, states: Sequence[IndexState], watch: Watcher) -> tuple[IndexState, ...]:
        done: list[IndexState] = []
        for place, state in enumerate(states):
            if watch.stopping():
                return (*done, *states[place:])
            step = "index.drop" if state.state is State.UNKNOWN else "index.create"
            with watch.around(step, place, len(states), "indexes", index=f"{state.collection}.{state.existing}"):
                done.append(self._change(state))
        return tuple(done)

    def _change(self, state: IndexState) -> IndexState:
        if state.state is State.UNKNOWN:
            return self._builder.drop(state)
        if state.origin == _DATABASE and state.lost is not None:
            return self._builder.put_back(state)
        index = next(index for index in self._registry.model(state.model).indexes() if index.name == state.name)
        options = wanted(index, partial_in=self._partial_in)
        if state.state is State.DIFFERENT:
            return self._builder.rebuild(state, index, options)
        return self._builder.create(state, index, options)


def _missing(model: Model, index: Index) -> IndexState:
    return IndexState(model.name, model.collection, index.name, index.keys, index.unique, index.origin, State.MISSING)


def _found(state: IndexState, how: State, have: Definition, reason: str | None = None) -> IndexState:
    other = have["name"] if have["name"] != state.name else None
    return replace(state, state=how, reason=reason, have=other, definition=have)


def _unknown(model: Model, have: Definition) -> IndexState:
    return IndexState(
        model.name,
        model.collection,
        have["name"],
        keys_of(have),
        bool(have.get("unique")),
        _DATABASE,
        State.UNKNOWN,
        "no model asks for it",
        definition=have,
    )


def _dropped(model: Model, gone: Definition) -> IndexState:
    reason = "a rebuild that was cut off dropped it"
    lost = replace(_unknown(model, gone), state=State.MISSING, reason=reason, definition=None)
    return replace(lost, lost=gone)


def _other_keys(have: Definition, index: Index) -> str:
    if have["name"] == index.name:
        return "an index of this name has other keys"
    return f'a collection has one text index, and "{have["name"]}" has other fields'


def _finding(state: IndexState) -> Finding:
    next_step = {
        State.MISSING: f"datactl index {state.model}",
        State.DIFFERENT: f"change models.yaml, or datactl index apply {state.model}",
        State.UNKNOWN: f"declare it in models.yaml, or datactl index drop {state.model} {shlex.quote(state.existing)}",
    }
    return Finding(
        check="indexes",
        code=f"index_{state.state}",
        model=state.model,
        where=state.existing,
        what=f"{state.collection}.{state.existing}: {state.reason or 'the model asks for it, and it is not there'}",
        next=next_step[state.state],
    )
