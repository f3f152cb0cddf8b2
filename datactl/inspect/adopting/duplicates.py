"""Values that come more than once where one would expect them once: they would break a unique index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datactl.inspect.adopting.catalogue import Held
from datactl.inspect.adopting.guesses import FieldGuess, ModelGuess, counted
from datactl.inspect.adopting.housekeeping import COUNTED, Kept
from datactl.mongo import Mongo, mapping_errors

_EXPECTED_LIST = """
email emailaddress mail username login nickname handle slug sku isbn ean barcode code number ordernumber invoicenumber
uuid guid externalid hostname domain iban vat vatnumber ssn
"""
_EXPECTED = frozenset(_EXPECTED_LIST.split())
_MOST_FIELDS = 4
_MOST_COUNTED = 1_000


def find_duplicates(mongo: Mongo, held: Held, guess: ModelGuess, kept: Kept) -> None:
    """Tell of repeated values of fields that look like keys and have no unique index. One scan on the server each."""
    unique = {next(iter(index["key"])) for index in held.indexes if index.get("unique") and len(index["key"]) == 1}
    asked = [
        each for each in guess.fields if each.name.lower().replace("_", "") in _EXPECTED and each.path not in unique
    ][:_MOST_FIELDS]
    for each in asked:
        if each.kind not in ("string", "int", "long", "uuid", "objectId") or each.options.get("enum"):
            continue
        if held.documents > COUNTED:
            guess.notice(
                "unchecked_unique",
                each.path,
                f"{each.path} looks like a key, has no unique index, and was not searched for duplicates "
                f"(more than {COUNTED:,} documents)",
                f"uniqueFields: [{each.path}], then datactl validate {guess.name} --only duplicates",
            )
            continue
        _tell(guess, each, _repeated(mongo, held, each, kept))


def _repeated(mongo: Mongo, held: Held, field: FieldGuess, kept: Kept) -> tuple[int, int]:
    """How many values come more than once among live documents, and in how many documents; at most 1,000 values."""
    where: dict[str, Any] = {field.path: {"$exists": True, "$ne": None}}
    if kept.marks is not None:
        where[kept.marks.deleted] = {"$ne": True}
    stages: list[Mapping[str, Any]] = [
        {"$match": where},
        {"$group": {"_id": f"${field.path}", "number": {"$sum": 1}}},
        {"$match": {"number": {"$gt": 1}}},
        {"$limit": _MOST_COUNTED},
    ]
    with (
        mapping_errors(f"search {held.name}.{field.path} for duplicates"),
        mongo.collection(held.name).aggregate(stages, allowDiskUse=True) as rows,
    ):
        numbers = [int(row["number"]) for row in rows]
    return len(numbers), sum(numbers)


def _tell(guess: ModelGuess, field: FieldGuess, repeated: tuple[int, int]) -> None:
    values, documents = repeated
    if values == 0:
        guess.notice(
            "unprotected_unique",
            field.path,
            f"{field.path} is different in every live document, but no unique index keeps it so",
            f"uniqueFields: [{field.path}], then datactl index {guess.name}",
        )
    elif documents <= guess.documents / 2:  # else it is no key at all: `code` of a country in a million cities
        more = " or more" if values == _MOST_COUNTED else ""
        guess.notice(
            "duplicates",
            field.path,
            f"{field.path}: {counted(values, 'value')}{more} {'comes' if values == 1 else 'come'} more than once, in "
            f"{documents:,} live documents: a unique index could not be built",
            f"mend them, then uniqueFields: [{field.path}]",
        )
