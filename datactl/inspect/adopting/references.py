"""Which fields refer to another collection: their ids are looked up there, a few of each first, then more.

The look-ups are point queries on `_id`, batched per collection: `MAX_PROBES` values of each field, and of those
fields that hit, `CHECKED` more. An ObjectId found in another collection is near to proof; text and numbers need the
field's name to agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson.objectid import ObjectId

from datactl.errors import Interrupted
from datactl.inspect.adopting.guesses import FieldGuess, ModelGuess, share
from datactl.inspect.adopting.naming import singular
from datactl.inspect.adopting.observing import Seen
from datactl.inspect.adopting.sampling import Sample
from datactl.mongo import Mongo, mapping_errors
from datactl.steps import Watcher

_FIRST_LOOK = 8
_CHECKED = 200
_MOST = 0.9
_SOME = 0.3
_HEX = 24
_BY_NAME = ("string", "int", "long", "uuid")
_ENDINGS = ("ids", "id", "refs", "ref", "codes", "code", "keys", "key", "numbers", "number")


@dataclass(slots=True)
class Candidate:
    """A field whose values may be ids elsewhere. `as_text`: they are ObjectIds, kept as text."""

    model: ModelGuess
    guess: FieldGuess
    values: list[Any]
    as_text: bool = False
    hits: dict[str, int] = field(default_factory=dict)  # collection -> values that are ids there
    best: str | None = None
    missing: list[Any] = field(default_factory=list)  # values that are no ids in the best collection


def id_kind_of(sample: Sample) -> str:
    """What the `_id`s of a collection are: a kind, or `mixed`."""
    own = sample.root.children.get("_id")
    if own is None or not own.given:
        return "objectId"
    kind, count = own.kinds.most_common(1)[0]
    return kind if count == own.given else "mixed"


def candidates_of(model: ModelGuess, sample: Sample, collections: Collection[str]) -> list[Candidate]:
    """The fields that may refer to one of these collections, with the values to look up."""
    found = [
        each
        for top in model.fields
        if top.name != "_id" and top.name in sample.root.children
        for each in _inside(model, top, sample.root.children[top.name])
    ]
    return [
        each
        for each in found
        if each.guess.kind == "objectId" or each.as_text or any(_akin(each.guess.name, name) for name in collections)
    ]


def find_references(
    mongo: Mongo,
    models: Mapping[str, ModelGuess],
    found: Sequence[Candidate],
    id_kinds: Mapping[str, str],
    watch: Watcher,
) -> None:
    """Give every field that refers to a model its `ref`, and its evidence; dangling and split ones a notice.

    `models` and `id_kinds` are by collection.
    """
    for done, collection in enumerate(models):
        watch.progress("adopt.references", done, len(models), "collections")
        if watch.stopping():
            raise Interrupted("stopped while references were looked up", next="run it again")
        _first_look(mongo, collection, id_kinds[collection], found)
    watch.progress("adopt.references", len(models), len(models), "collections")
    for candidate in found:
        _check(mongo, candidate)
    for collection in models:
        _second_look(mongo, collection, id_kinds[collection], found)
    for candidate in found:
        if candidate.best is not None:
            _decide(candidate, models, id_kinds)


def _inside(model: ModelGuess, guess: FieldGuess, seen: Seen) -> Iterable[Candidate]:
    if guess.options.get("secret"):
        return
    if guess.kind in ("array", "map"):
        inner = seen.items if guess.kind == "array" else seen.each
        if guess.item is not None and inner is not None:
            yield from _inside(model, guess.item, inner)
    elif guess.kind == "object":
        for child in guess.fields:
            if child.name in seen.children:
                yield from _inside(model, child, seen.children[child.name])
    elif guess.kind == "objectId":
        values = [value for value in seen.probes if isinstance(value, ObjectId)]
        if values:
            yield Candidate(model, guess, values[:_CHECKED])
    elif guess.kind == "string" and seen.shaped and seen.shapes["ObjectId"] >= _MOST * seen.shaped:
        texts = [value for value in seen.probes if isinstance(value, str) and ObjectId.is_valid(value)]
        yield Candidate(model, guess, [ObjectId(text) for text in texts if len(text) == _HEX], as_text=True)
    elif guess.kind in _BY_NAME and seen.probes:
        yield Candidate(model, guess, list(seen.probes))


def _could_hold(id_kind: str, candidate: Candidate, collection: str) -> bool:
    wanted = "objectId" if candidate.as_text else candidate.guess.kind
    if wanted == "objectId":
        return id_kind in ("objectId", "mixed")
    same = id_kind == wanted or {id_kind, wanted} <= {"int", "long", "double"}
    return same and _akin(candidate.guess.name, collection)


def _first_look(mongo: Mongo, collection: str, id_kind: str, candidates: Iterable[Candidate]) -> None:
    """One round of look-ups in a collection for all candidates together."""
    asking = [each for each in candidates if _could_hold(id_kind, each, collection)]
    wanted = {value for each in asking for value in each.values[:_FIRST_LOOK]}
    there = _present(mongo, collection, list(wanted))
    for each in asking:
        each.hits[collection] = sum(value in there for value in each.values[:_FIRST_LOOK])


def _present(mongo: Mongo, collection: str, values: Sequence[Any]) -> set[Any]:
    chunk = mongo.capabilities.in_chunk
    found: set[Any] = set()
    with mapping_errors(f"look up ids in {collection}"):
        for start in range(0, len(values), chunk):
            few = list(values[start : start + chunk])
            found.update(row["_id"] for row in mongo.collection(collection).find({"_id": {"$in": few}}, {"_id": 1}))
    return found


def _check(mongo: Mongo, candidate: Candidate) -> None:
    """Look up more of a field's values where the first ones were found, and settle on the best collection."""
    targets = [name for name, hits in candidate.hits.items() if hits]
    there = {name: _present(mongo, name, candidate.values[:_CHECKED]) for name in targets}
    candidate.hits = {name: len(ids) for name, ids in there.items()}
    if there:
        own = candidate.model.collection
        best = max(there, key=lambda name: (len(there[name]), _akin(candidate.guess.name, name), name == own))
        candidate.best = best
        candidate.missing = [value for value in candidate.values[:_CHECKED] if value not in there[best]]


def _second_look(mongo: Mongo, collection: str, id_kind: str, candidates: Iterable[Candidate]) -> None:
    """Whether the ids that a field's own collection lacks are another one's: then it refers to several."""
    asking = [
        each
        for each in candidates
        if each.missing
        and each.best != collection
        and each.guess.kind == "objectId"
        and id_kind in ("objectId", "mixed")
    ]
    there = _present(mongo, collection, list({value for each in asking for value in each.missing}))
    for each in asking:
        each.hits[collection] = sum(value in there for value in each.missing)


def _decide(candidate: Candidate, models: Mapping[str, ModelGuess], id_kinds: Mapping[str, str]) -> None:
    guess, model, best = candidate.guess, candidate.model, candidate.best or ""
    target, hits = models[best], candidate.hits[best]
    values = candidate.values[:_CHECKED]
    if candidate.as_text:
        if hits >= _MOST * len(values):
            guess.evidence += f"; ids of {target.name}"
            model.notice(
                "text_ids",
                guess.path,
                f"{guess.path} holds ids of {target.name} as text ({hits:,} of {len(values):,} looked up are there)",
                "store them as ObjectIds: a reference, populate and $lookup need the type of the _id",
            )
        return
    if guess.kind != "objectId" and (hits < _MOST * len(values) or id_kinds[best] == "mixed"):
        return  # text or numbers that happen to be ids
    others = {name: count for name, count in candidate.hits.items() if name != best and count and candidate.missing}
    if others:
        shares = ", ".join(
            f"{models[name].name} {share(count, len(values))}" for name, count in {best: hits, **others}.items()
        )
        guess.evidence += f"; ids of {shares}"
        model.notice(
            "split_reference",
            guess.path,
            f"{guess.path} refers to several models ({shares}): a ref can name one, so none is declared",
        )
        return
    if hits < _SOME * len(values) and not _akin(guess.name, best):
        guess.evidence += f"; {share(hits, len(values))} {_checked(values)} are in {target.collection}"
        return
    guess.options["ref"] = target.name
    guess.evidence += f"; {share(hits, len(values))} {_checked(values)} are in {target.collection}"
    if candidate.missing:
        model.notice(
            "dangling",
            guess.path,
            f"{guess.path} points to no document of {target.name} in {len(candidate.missing):,} {_checked(values)}",
            f"datactl validate {model.name} --only references lists all of them",
        )


def _checked(values: Sequence[Any]) -> str:
    return f"of {len(values):,} ids"


def _akin(name: str, collection: str) -> bool:
    """Whether a field's name says that it refers to this collection: `authorId`, `author`, `user_ids`."""
    word = name.lower().replace("_", "").replace("-", "")
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 1:
            word = word.removesuffix(ending)
            break
    squeezed = "".join(char for char in collection.lower() if char.isalnum())
    return word in (squeezed, singular(squeezed)) or singular(word) == singular(squeezed)
