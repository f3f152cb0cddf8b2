"""A database -> guessed models: each collection is read, then what only all of them together tell is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datactl.errors import Interrupted
from datactl.inspect.adopting.catalogue import Catalogue, Held, read_catalogue
from datactl.inspect.adopting.duplicates import find_duplicates
from datactl.inspect.adopting.guesses import FieldGuess, ModelGuess
from datactl.inspect.adopting.housekeeping import Kept, find_housekeeping
from datactl.inspect.adopting.inference import FieldInference
from datactl.inspect.adopting.known_indexes import declare_indexes, index_paths
from datactl.inspect.adopting.naming import model_names
from datactl.inspect.adopting.references import Candidate, candidates_of, find_references, id_kind_of
from datactl.inspect.adopting.sampling import Sample, read_sample
from datactl.inspect.adopting.validators import read_validator
from datactl.mongo import Mongo
from datactl.steps import Watcher

_OPTIONS = ("collection", "enableSoftDelete", "marks", "enableTimestamps", "additionalFields", "uniqueFields")


@dataclass(frozen=True, slots=True)
class _Read:
    """What is kept of a collection that was read: the sample itself is let go."""

    guess: ModelGuess
    candidates: list[Candidate]
    id_kind: str


def guess_models(
    mongo: Mongo, names: Mapping[str, str], sample_size: int, watch: Watcher
) -> tuple[list[ModelGuess], Catalogue]:
    """Guess a model for every collection. `names`: collection -> the name of its model, where that stands already."""
    catalogue = read_catalogue(mongo)
    held = catalogue.held
    called = model_names((each.name for each in held), names)
    read: list[_Read] = []
    for done, each in enumerate(held):
        watch.progress("adopt.read", done, len(held), "collections", collection=each.name)
        if watch.stopping():
            raise Interrupted("stopped while the database was read", next="run it again")
        read.append(_read(mongo, each, sample_size, called[each.name], tuple(called)))
    watch.progress("adopt.read", len(held), len(held), "collections")
    models = {each.guess.collection: each.guess for each in read}
    candidates = [candidate for each in read for candidate in each.candidates]
    id_kinds = {each.guess.collection: each.id_kind for each in read}
    find_references(mongo, models, candidates, id_kinds, watch)
    _type_deleters(list(models.values()))
    for model in models.values():
        _settle(model)
    return list(models.values()), catalogue


def _type_deleters(models: Sequence[ModelGuess]) -> None:
    """Who deleted a document is an ObjectId in every collection or in none: an application sets its plugin up alike.

    Written otherwise, Mongoose would refuse to save the document.
    """
    named = {model.deleters for model in models if model.deleters}
    if named != {"objectId"}:
        return
    for model in models:
        if model.options.get("enableSoftDelete", (False, ""))[0]:
            names, why = model.options.get("marks", ({}, ""))
            seen = "deletedBy is an objectId" + ("" if model.deleters else " in other collections")
            told = f"{seen}: an actor that is none is left out"
            model.options["marks"] = ({**names, "deletedByType": "objectId"}, f"{why}; {told}" if why else told)


def _read(mongo: Mongo, held: Held, sample_size: int, name: str, collections: Sequence[str]) -> _Read:
    sample = read_sample(mongo, held, sample_size)
    guess = _guess(mongo, held, sample, name)
    return _Read(guess, candidates_of(guess, sample, collections), id_kind_of(sample))


def _guess(mongo: Mongo, held: Held, sample: Sample, name: str) -> ModelGuess:
    guess = ModelGuess(name, held.name, documents=sample.documents, read=sample.read)
    kept = find_housekeeping(mongo, held, sample, guess)
    guess.fields = FieldInference(sample, guess).fields(kept.names)
    read_validator(guess, held.options.get("validator"), held.options)
    declare_indexes(guess, held.indexes, kept)
    for path, index in index_paths(guess):
        if path.partition(".")[0] not in kept.names | {"_id"}:
            _declare_path(guess, path, index)
    find_duplicates(mongo, held, guess, kept)
    _prefer_unique_fields(guess, kept)
    return guess


def _declare_path(guess: ModelGuess, path: str, index: str) -> None:
    """An index may name a field that no document has: it is declared, and worth a look."""
    names = path.split(".")
    fields: list[FieldGuess] | None = guess.fields
    done: list[str] = []
    for place, name in enumerate(names):
        done.append(name)
        if fields is None:
            return  # inside a map or an open object: every path is declared there
        found = next((each for each in fields if each.name == name), None)
        if found is None:
            _add_dead(guess, fields, names[place:], ".".join(names[:place]), index)
            return
        while found.kind == "array" and found.item is not None:
            found = found.item
        if found.kind == "object" and found.fields:
            fields = found.fields
        elif found.kind in ("object", "map", "mixed", "array"):
            fields = None
        elif place + 1 < len(names):
            found.kind, found.options = "mixed", {}  # an index goes through it, so it was an object once
            return


def _add_dead(guess: ModelGuess, fields: list[FieldGuess], names: Sequence[str], above: str, index: str) -> None:
    path = ".".join([part for part in (above, *names) if part])
    evidence = f"in the index {index}, in no document that was read"
    inner = FieldGuess(names[-1], path, "mixed", evidence=evidence)
    for place in range(len(names) - 2, -1, -1):
        prefix = ".".join([part for part in (above, *names[: place + 1]) if part])
        inner = FieldGuess(names[place], prefix, "object", fields=[inner])
    fields.append(inner)
    if guess.documents:
        guess.notice("dead_index", path, f"the index {index} is over {path}, which no document that was read has")


def _prefer_unique_fields(guess: ModelGuess, kept: Kept) -> None:
    """Plain unique indexes as uniqueFields, where those ask for exactly the same index."""
    if kept.marks is not None:
        return
    required = {each.path for each in guess.fields if each.options.get("required")}
    plain = [index for index in guess.indexes if set(index.declared) == {"fields", "unique"}]
    unique = [
        index
        for index in plain
        if list(index.declared["fields"].values()) == [1] and next(iter(index.declared["fields"])) in required
    ]
    if unique:
        guess.options["uniqueFields"] = ([next(iter(index.declared["fields"])) for index in unique], "")
        guess.indexes = [index for index in guess.indexes if index not in unique]


def _settle(model: ModelGuess) -> None:
    """What is decided last: a reference is no choice of values, options stand in their order."""
    for field in model.walk():
        if field.options.get("ref"):
            field.options.pop("enum", None)
    model.options = {name: model.options[name] for name in _OPTIONS if name in model.options}
