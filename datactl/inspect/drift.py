"""Drift: where a database's validators are not those of the models, and putting them in place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bson import json_util

from datactl.errors import DatabaseError, NotPermitted
from datactl.inspect.adopting.catalogue import read_catalogue
from datactl.inspect.adopting.keeping import write_text
from datactl.inspect.findings import Finding
from datactl.inspect.indexes import IndexKeeper
from datactl.inspect.validator_rules import differences
from datactl.mongo import Mongo, mapping_errors
from datactl.schema import Model, Registry
from datactl.steps import UNWATCHED, Watcher

LEVEL, ACTION = "moderate", "error"
MOST_COUNTED = 10_000
_SHOWN = 3


class ValidatorState(StrEnum):
    PRESENT = "present"
    MISSING = "missing"
    DIFFERENT = "different"
    UNSUPPORTED = "unsupported"  # a view
    APPLIED = "applied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ValidatorChange:
    """One model's validator, and how the database stands to it. `reason` says why where it is not simply present.

    `refused` is how many stored documents do not pass it (at most `MOST_COUNTED` are counted): at level moderate they
    stay, and can still be updated. `before` is the collection's validator as it is.
    """

    model: str
    collection: str
    state: ValidatorState
    reason: str | None = None
    is_there: bool = True  # the collection
    refused: int | None = None
    before: Mapping[str, Any] | None = None
    kept_in: str | None = None  # the file with the validator that was replaced


class Drift:
    """Compares models.yaml with the validators, indexes and collections of the database."""

    def __init__(self, mongo: Mongo, registry: Registry, state_dir: Path) -> None:
        self._mongo = mongo
        self._registry = registry
        self._kept = state_dir / "validators"

    def findings(self, names: Sequence[str] | None = None) -> Iterator[Finding]:
        """What differs: validators, then indexes, then (of all models) collections without a model."""
        for change in self._compared(names):
            if change.state in (ValidatorState.MISSING, ValidatorState.DIFFERENT):
                yield Finding(
                    "validators",
                    f"validator_{change.state}",
                    change.model,
                    change.collection,
                    change.reason or "",
                    f"datactl models apply {change.model}",
                )
        yield from IndexKeeper(self._mongo, self._registry).drift(names)
        if not names:
            known = {model.collection for model in self._registry.values()}
            for held in read_catalogue(self._mongo).held:
                if held.name not in known:
                    what = f"the collection {held.name} has no model"
                    yield Finding("collections", "collection_unknown", "", held.name, what, "datactl init --from-db")

    def plan(self, names: Sequence[str] | None = None, *, watch: Watcher = UNWATCHED) -> tuple[ValidatorChange, ...]:
        """Every validator of these models, with how many documents it would refuse. Changes nothing."""
        changes = list(self._compared(names))
        counted: list[ValidatorChange] = []
        for done, change in enumerate(changes):
            watch.progress("validator.count", done, len(changes), "collections")
            if watch.stopping():
                return (*counted, *changes[done:])
            counted.append(replace(change, refused=self._refused(change)) if _is_due(change) else change)
        watch.progress("validator.count", len(changes), len(changes), "collections")
        return tuple(counted)

    def apply(self, changes: Sequence[ValidatorChange], *, watch: Watcher = UNWATCHED) -> tuple[ValidatorChange, ...]:
        """Put those in place that are missing or different, one at a time; one that cannot be is reported.

        A validator that is replaced is kept in a file under `.datactl/validators` first.
        """
        due = [change for change in changes if _is_due(change)]
        done: dict[str, ValidatorChange] = {}
        if due:
            self._mongo.require_transactions()
        for place, change in enumerate(due):
            if watch.stopping():
                break
            with watch.around("validator.apply", place, len(due), "validators", model=change.model):
                done[change.model] = self._applied(change)
        return tuple(done.get(change.model, change) for change in changes)

    # -- one model

    def _compared(self, names: Sequence[str] | None) -> Iterator[ValidatorChange]:
        models = [self._registry.model(name) for name in names] if names else list(self._registry.values())
        with mapping_errors("read the validators"):
            listed = {each["name"]: each for each in self._mongo.database.list_collections()}
        for model in models:
            yield _compare(model, listed.get(model.collection))

    def _refused(self, change: ValidatorChange) -> int:
        if not change.is_there:
            return 0
        validator = self._registry[change.model].validator()
        with mapping_errors(f"count the documents of {change.collection} that do not pass"):
            rows = self._mongo.collection(change.collection)
            return int(rows.count_documents({"$nor": [validator]}, limit=MOST_COUNTED))

    def _applied(self, change: ValidatorChange) -> ValidatorChange:
        model = self._registry[change.model]
        now = next(iter(self._compared([change.model])))
        if now.before != change.before or now.is_there != change.is_there:
            why = "it was changed since it was looked at: run it again"
            return replace(change, state=ValidatorState.FAILED, reason=why)
        kept = self._keep(change) if change.before else None
        rules: dict[str, Any] = {"validator": model.validator(), "validationLevel": LEVEL, "validationAction": ACTION}
        try:
            with mapping_errors(f"put the validator of {model.collection} in place"):
                self._mongo.database.command("collMod" if change.is_there else "create", model.collection, **rules)
        except (DatabaseError, NotPermitted) as error:
            return replace(change, state=ValidatorState.FAILED, reason=str(error), kept_in=kept)
        return replace(change, state=ValidatorState.APPLIED, reason=None, kept_in=kept)

    def _keep(self, change: ValidatorChange) -> str:
        """Nothing is lost: the validator that is replaced goes into a file of its own."""
        stamp = self._mongo.server_time().strftime("%Y%m%dT%H%M%S%f")
        path = self._kept / f"{quote(change.collection, safe='')}-{stamp}.json"
        write_text(path, json.dumps(json.loads(json_util.dumps(change.before)), indent=2) + "\n", mode=0o600)
        return str(path)


def _is_due(change: ValidatorChange) -> bool:
    return change.state in (ValidatorState.MISSING, ValidatorState.DIFFERENT)


def _compare(model: Model, listed: Mapping[str, Any] | None) -> ValidatorChange:
    change = ValidatorChange(model.name, model.collection, ValidatorState.PRESENT)
    if listed is None:
        return replace(change, state=ValidatorState.MISSING, reason="there is no such collection yet", is_there=False)
    options = listed.get("options") or {}
    if listed.get("type", "collection") != "collection" or "viewOn" in options:
        return replace(change, state=ValidatorState.UNSUPPORTED, reason="a view or time series: it takes no validator")
    before = options.get("validator") or None
    if before is None:
        return replace(change, state=ValidatorState.MISSING, reason="the collection has no validator")
    change = replace(change, before=before)
    found = differences(before, model.validator())
    level, action = options.get("validationLevel", "strict"), options.get("validationAction", "error")
    if (level, action) != (LEVEL, ACTION):
        found.append(f"level {level} and action {action}, wanted {LEVEL} and {ACTION}")
    if not found:
        return change
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return replace(change, state=ValidatorState.DIFFERENT, reason="; ".join(found[:_SHOWN]) + more)
