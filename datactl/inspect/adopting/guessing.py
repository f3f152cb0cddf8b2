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
    read_validator(guess, held.options, kept)
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
    fields = guess.fields
    for depth, name in enumerate(names):
        found = next((each for each in fields if each.name == name), None)
        if found is None:
            _add_dead(guess, fields, names, depth, index)
            return
        while found.kind == "array" and found.item is not None:
            found = found.item
        if found.kind == "object" and found.fields:
            fields = found.fields
            continue
        # Inside a map or an open object every path is declared. Through what has nothing inside, an index goes
        # because it was an object once.
        if found.kind not in ("object", "map", "mixed", "array") and depth + 1 < len(names):
            found.kind, found.options = "mixed", {}
        return


def _add_dead(guess: ModelGuess, fields: list[FieldGuess], names: Sequence[str], depth: int, index: str) -> None:
    """Add the field at a path of which nothing beyond this depth was found to the `fields` there."""
    path = ".".join(names)
    inner = FieldGuess(names[-1], path, "mixed", evidence=f"in the index {index}, in no document that was read")
    for end in range(len(names) - 1, depth, -1):
        inner = FieldGuess(names[end - 1], ".".join(names[:end]), "object", fields=[inner])
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
