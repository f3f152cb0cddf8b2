"""Names for models: the singular that Mongoose would have made the collection's name of, where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from datactl.schema import pluralize
from datactl.schema.options import NAME, RESERVED_MODEL_NAMES

_LONGEST = 64

# Words that are their own singular, or whose singular no rule below finds.
_WORDS = {
    **{word: word for word in ["data", "media", "news", "series", "species", "status", "sms", "gps"]},
    "statuses": "status",
    "aliases": "alias",
    "viruses": "virus",
    "indices": "index",
    "indexes": "index",
    "matrices": "matrix",
    "vertices": "vertex",
    "caches": "cache",
    "buses": "bus",
    "bonuses": "bonus",
    "campuses": "campus",
    "quizzes": "quiz",
    "geese": "goose",
    "mice": "mouse",
    "oxen": "ox",
    "axes": "axis",
    "analyses": "analysis",
    "crises": "crisis",
    "theses": "thesis",
    "diagnoses": "diagnosis",
}
# An ending of Mongoose's plurals, and the singulars it may come from. Tried in this order; the first one counts
# whose plural is the name again.
_SINGULARS = (
    ("men", ("man",)),
    ("people", ("person",)),
    ("children", ("child",)),
    ("i", ("us",)),
    ("sses", ("ss",)),
    ("xes", ("x",)),
    ("ches", ("ch",)),
    ("shes", ("sh",)),
    ("ses", ("se", "s")),
    ("ves", ("ve", "fe", "f")),
    ("ies", ("y", "ie")),
    ("oes", ("o", "oe")),
    ("a", ("um",)),
    ("s", ("",)),
)


def singular(collection: str) -> str:
    """The lower-case name whose Mongoose plural is this collection; the collection's own name where none is found."""
    if collection in _WORDS:
        return _WORDS[collection]
    for ending, singulars in _SINGULARS:
        if collection.endswith(ending):
            stem = collection.removesuffix(ending)
            for each in singulars:
                if stem + each and pluralize(stem + each) == collection:
                    return stem + each
    return collection


def model_names(collections: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Collection -> model name, each a good one and none like another. `known`: names that stand already."""
    taken = {name.lower() for name in known.values()}
    found: dict[str, str] = {}
    # Where names collide, the collection that Mongoose would have called so has the better claim.
    for collection in sorted(collections, key=lambda each: pluralize(_camel(each)) != each):
        name = known.get(collection) or _free(_camel(collection), taken)
        taken.add(name.lower())
        found[collection] = name
    return found


def _camel(collection: str) -> str:
    """`order_items` -> `OrderItem`, `blogPosts` -> `BlogPost`."""
    words = re.findall(r"[A-Za-z0-9]+", collection)
    if words:
        head, last = re.fullmatch(r"(.*?)([A-Z]?[a-z]*|[A-Z0-9]+)", words[-1], re.DOTALL).groups()  # type: ignore[union-attr]
        single = singular(last.lower())
        words[-1] = head + (single.capitalize() if last[:1].isupper() or not head else single)
    name = "".join(word[:1].upper() + word[1:] for word in words)
    if not name or not name[0].isalpha():
        name = f"Collection{name}"
    return name[:_LONGEST]


def _free(name: str, taken: set[str]) -> str:
    if name.lower() in RESERVED_MODEL_NAMES:
        name = f"{name}Model"[:_LONGEST]
    candidate, number = name, 2
    while candidate.lower() in taken or not re.fullmatch(NAME, candidate):
        candidate = f"{name[: _LONGEST - len(str(number))]}{number}"
        number += 1
    return candidate
