"""Whether an index of the database is the one a model asks for: keys, and the options that decide what it does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from datactl.schema import Index
from datactl.schema.frozen import freeze

Definition = Mapping[str, Any]
"""An index as listIndexes shows it: `{v, key, name, ...options}`."""

_DECISIVE = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression", "hidden", "wildcardProjection")
_IDENTITY = ("collation", "partialFilterExpression", "unique", "sparse", "wildcardProjection")
_BESIDE = ("v", "ns", "name", "key", "background")
_LIVE = freeze({"$in": [False, None]})


def wanted(index: Index, *, partial_in: bool) -> dict[str, Any]:
    """The options of createIndexes for an index of a model.

    Without `partial_in` (MongoDB before 6.0) the live documents are those marked false: the nearest that such a
    server can say. Documents without the mark are not covered there, which `doctor` reports.
    """
    options = {option: freeze(value) for option, value in index.as_command().items() if option not in ("key", "name")}
    partial = options.get("partialFilterExpression")
    if partial is not None and not partial_in:
        options["partialFilterExpression"] = freeze(
            {path: False if condition == _LIVE else condition for path, condition in partial.items()}
        )
    return options


def keys_of(have: Definition) -> tuple[tuple[str, int | str], ...]:
    """The keys of an existing index; those of a text index are its fields, which it stores as weights."""
    if "weights" in have:
        return tuple((path, "text") for path in have["weights"])
    return tuple((path, kind if isinstance(kind, str) else int(kind)) for path, kind in have["key"].items())


def same_keys(have: Definition, index: Index) -> bool:
    """Whether an existing index has these keys. A text index stores its fields in no order of ours."""
    found = keys_of(have)
    return set(found) == set(index.keys) if "weights" in have else found == index.keys


def options_of(have: Definition, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an existing index that decide what it does; what the server fills in by itself is left aside."""
    found = {option: freeze(have[option]) for option in _DECISIVE if have.get(option) not in (None, False)}
    if "collation" in have:
        named = asked.get("collation", have["collation"])
        found["collation"] = freeze({name: value for name, value in have["collation"].items() if name in named})
    if have.get("language_override", "language") != "language":
        found["language_override"] = have["language_override"]
    return found


def conflicts(have: Definition, index: Index, asked: Mapping[str, Any]) -> bool:
    """Whether the server would not build the index beside this one: it has its name, or is the same to the server.

    Two indexes are the same when keys, collation, partial filter, unique and sparse are (MongoDB 5.0 and later:
    SERVER-47657, SERVER-25023); of text indexes a collection has one.
    """
    if have["name"] == index.name or (index.is_text and "weights" in have):
        return True
    found = options_of(have, asked)
    return same_keys(have, index) and all(found.get(option) == asked.get(option) for option in _IDENTITY)


def difference(have: Definition, asked: Mapping[str, Any]) -> str:
    """In what the options of an existing index with the right keys differ from those asked for."""
    found = options_of(have, asked)
    parts = [
        f"{option} is {_shown(found, option, 'not set')}, the model wants {_shown(asked, option, 'none')}"
        for option in sorted(found.keys() | asked.keys())
        if found.get(option) != asked.get(option)
    ]
    return f'index "{have["name"]}" has these keys, but {"; ".join(parts)}'


def _shown(options: Mapping[str, Any], option: str, otherwise: str) -> str:
    return json.dumps(options[option], default=str) if option in options else otherwise


def fingerprint(have: Definition) -> str:
    """The keys in order and every option of an existing index, as one text: equal for the same index only."""
    options = {name: value for name, value in have.items() if name not in _BESIDE and value is not False}
    return json.dumps([[list(pair) for pair in keys_of(have)], options], sort_keys=True, default=str)


def prefix_of(have: Definition, others: Mapping[str, Definition]) -> str | None:
    """The name of an index that begins with all keys of this one, and so answers whatever it does; None: none does.

    One that also rules (unique, TTL), holds fewer documents (partial, sparse) or compares otherwise (collation) stays.
    MongoDB manual, Compound Indexes, Prefixes.
    """
    mine = keys_of(have)
    if not _is_plain(have, ruling=True):
        return None
    for name, other in others.items():
        theirs = keys_of(other)[: len(mine)]
        longer = len(keys_of(other)) > len(mine)
        alike = theirs in (mine, _turned(mine)) and have.get("collation") == other.get("collation")
        if longer and alike and _is_plain(other, ruling=False):
            return name
    return None


def _is_plain(have: Definition, *, ruling: bool) -> bool:
    narrowing = ("sparse", "partialFilterExpression", "hidden", "wildcardProjection")
    barring = (*narrowing, "unique", "expireAfterSeconds") if ruling else narrowing
    ordered = all(kind in (1, -1) and "$**" not in path for path, kind in keys_of(have))
    return ordered and not any(have.get(option) not in (None, False) for option in barring)


def _turned(keys: tuple[tuple[str, int | str], ...]) -> tuple[tuple[str, int | str], ...]:
    """The same keys read backwards: an index is walked both ways."""
    return tuple((path, -kind if isinstance(kind, int) else kind) for path, kind in keys)
