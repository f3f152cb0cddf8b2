"""The database's indexes as models.yaml declares them, so that nothing differs right after the adoption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datactl.inspect.adopting.guesses import IndexGuess, ModelGuess
from datactl.inspect.adopting.housekeeping import Kept
from datactl.schema.indexes import index_name
from datactl.schema.options import INDEX_KINDS, MONGOOSE_FIELDS

_PLAIN = (str, int, float, bool, type(None))
_COLLATION_DEFAULTS: Mapping[str, Any] = {
    "caseLevel": False,
    "caseFirst": "off",
    "strength": 3,
    "numericOrdering": False,
    "alternate": "non-ignorable",
    "maxVariable": "punct",
    "normalization": False,
    "backwards": False,
}
_DAY_S = 86_400


def declare_indexes(guess: ModelGuess, indexes: tuple[Mapping[str, Any], ...], kept: Kept) -> None:
    """Give the model its indexes; what cannot be declared becomes a notice."""
    for index in indexes:
        declared = _declared(guess, index, kept)
        if declared is not None:
            guess.indexes.append(declared)


def index_paths(guess: ModelGuess) -> list[tuple[str, str]]:
    """(path, name of the index) of every field that an index of the model names."""
    return [
        (path, index.declared.get("name") or index_name(index.declared["fields"].items()))
        for index in guess.indexes
        for path in index.declared["fields"]
        if not path.endswith("$**")
    ]


def _declared(guess: ModelGuess, index: Mapping[str, Any], kept: Kept) -> IndexGuess | None:
    name = str(index["name"])
    keys = _keys(index)
    refusal = _refusal(index, keys)
    if refusal is not None or keys is None:
        guess.notice("undeclared_index", name, f"the index {name} is not declared: {refusal}")
        return None
    partial = index.get("partialFilterExpression")
    seconds = index.get("expireAfterSeconds")
    if seconds is not None and not _may_expire(guess, name, keys, seconds, kept):
        return None
    declared: dict[str, Any] = {"fields": keys}
    if name != index_name(keys.items()):
        declared["name"] = name
    if index.get("unique"):
        declared["unique"] = True
    if partial:
        declared["partialFilterExpression"] = dict(partial)
    for option in ("sparse", "hidden"):
        if index.get(option):
            declared[option] = True
    if seconds is not None:
        declared["expireAfterSeconds"] = int(seconds)
    if "collation" in index:
        declared["collation"] = {
            option: value
            for option, value in index["collation"].items()
            if option == "locale" or (option in _COLLATION_DEFAULTS and value != _COLLATION_DEFAULTS[option])
        }
    if "weights" in index:
        declared |= _text_options(index)
    return IndexGuess(declared, _unique_evidence(guess, name, declared, kept))


def _keys(index: Mapping[str, Any]) -> dict[str, Any] | None:
    """The keys in models.yaml's words; None for a kind that it does not have. Text fields are stored as weights."""
    keys: dict[str, Any] = {}
    for path, kind in index["key"].items():
        if path == "_fts":
            keys |= dict.fromkeys(index.get("weights") or (), "text")
        elif path != "_ftsx":
            kind = (1 if kind > 0 else -1) if isinstance(kind, int | float) and kind else kind
            if kind not in INDEX_KINDS or isinstance(kind, bool):
                return None
            keys[path] = kind
    return keys or None


def _text_options(index: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    weights = {path: int(weight) for path, weight in index["weights"].items()}
    if any(weight != 1 for weight in weights.values()):
        found["weights"] = weights
    if index.get("default_language", "english") != "english":
        found["default_language"] = index["default_language"]
    if index.get("language_override", "language") != "language":
        found["language_override"] = index["language_override"]
    return found


def _may_expire(guess: ModelGuess, name: str, keys: Mapping[str, Any], seconds: Any, kept: Kept) -> bool:
    path = next(iter(keys))
    after = f"{int(seconds) // _DAY_S:,} days" if seconds >= _DAY_S else f"{int(seconds):,} s"
    told = f"the index {name} has MongoDB remove documents {after} after {path}"
    if kept.marks is None:
        guess.notice("ttl_index", path, f"{told}: no archive, no event")
        return True
    is_mark = path == kept.marks.deleted_at
    why = ": deleted ones never reach the archive" if is_mark else ", without archiving them"
    guess.notice(
        "ttl_index",
        path,
        f"{told}{why}; it is not declared",
        f"drop it (datactl index drop {guess.name} {name}), and set archive.after instead",
    )
    return False


def _unique_evidence(guess: ModelGuess, name: str, declared: dict[str, Any], kept: Kept) -> str:
    """What a unique index does to deleted documents; says in `declared` that it is over all, where it is."""
    if not declared.get("unique") or kept.marks is None:
        return ""
    partial = declared.get("partialFilterExpression")
    fields = ", ".join(declared["fields"])
    if not partial:
        declared["partialFilterExpression"] = {}
        guess.notice(
            "unique_blocks",
            fields,
            f"the unique index {name} covers deleted documents: what they hold ({fields}) cannot be used again",
            "take partialFilterExpression: {} out, then datactl index apply: unique among live documents only",
        )
        return "over deleted documents too"
    if partial.get(kept.marks.deleted) is False or partial.get(kept.marks.deleted) == {"$eq": False}:
        guess.notice(
            "unique_misses",
            fields,
            f"the unique index {name} covers only documents with {kept.marks.deleted}: false; those without "
            "the mark may repeat a value",
            "take its partialFilterExpression out, then datactl index apply: datactl's own covers every live document",
        )
        return f"only documents with {kept.marks.deleted}: false"
    return ""


def _refusal(index: Mapping[str, Any], keys: Mapping[str, Any] | None) -> str | None:
    """Why models.yaml cannot declare an index; None where it can."""
    if keys is None:
        return "it is of a kind that models.yaml does not have"
    if any(path.partition(".")[0] in MONGOOSE_FIELDS for path in keys):
        return "it names a field that Mongoose keeps (__v, __t)"
    if any(not _addressable(path) for path in keys):
        return "it names a field that cannot be declared"
    if not _is_plain(index.get("partialFilterExpression")):
        return "its filter has values that YAML cannot say (dates, ObjectIds)"
    return "it has a wildcard projection" if index.get("wildcardProjection") else None


def _addressable(path: str) -> bool:
    names = path.removesuffix(".$**").removesuffix("$**").split(".")
    return path.endswith("$**") or all(name and not name.startswith("$") for name in names)


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(inner) for name, inner in value.items())
    if isinstance(value, list):
        return all(_is_plain(inner) for inner in value)
    return type(value) in _PLAIN
