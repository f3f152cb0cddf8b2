"""Faults of what is in a collection: its documents, marks, references, indexes, and values that come twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bson import ObjectId
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tests.inspect.validating.project import city
from tests.inspect.validating.seeding import Expected, Seed, Seeder


def _document(code: str, /, *says: str, **fields: Any) -> Seed:
    return lambda seeder: Expected("documents", code, "City", str(seeder.city(**fields)), says)


def _reference(code: str, says: str, /, **fields: Any) -> Seed:
    return lambda seeder: Expected("references", code, "City", str(seeder.city(**fields)), (says,))


def _mark(code: str, /, *says: str, **fields: Any) -> Seed:
    return lambda seeder: Expected("marks", code, "City", str(seeder.city(**fields)), says)


def _undated_by_null(seeder: Seeder) -> Expected:
    return Expected("marks", "undated", "City", str(seeder.city(deleted=True, deletedAt=None)))


def _future(seeder: Seeder) -> Expected:
    made = seeder.city(deleted=True, deletedAt=seeder.now + timedelta(days=9))
    return Expected("marks", "future_date", "City", str(made))


def _marks_without_soft_delete(seeder: Seeder) -> Expected:
    seeder.write("Log", seeder.rows("Log").find_one()["_id"], {"$set": {"deleted": True}})
    return Expected("marks", "no_soft_delete", "Log", "logs", ("1 document has",))


def _beyond_32_bits(seeder: Seeder) -> Expected:
    seeder.rows("Country").insert_one({"_id": "BIG", "code": "BIG", "rank": Int64(2**40)})
    return Expected("documents", "out_of_range", "Country", "BIG", ("/rank",))


def _wrong_id(seeder: Seeder) -> Expected:
    seeder.rows("Log").insert_one({"_id": "text", "line": "l"})
    return Expected("documents", "type", "Log", "text", ("/_id expected objectId",))


def _reference_to_itself_gone(seeder: Seeder) -> Expected:
    made = seeder.city()
    gone = ObjectId()
    seeder.write("City", made, {"$set": {"friends": [made, gone, gone]}})
    return Expected("references", "dangling", "City", str(made), (f"friends refers to City {gone}",))


def _archived_parent(seeder: Seeder) -> Expected:
    archived = seeder.mongo.collection("outboxes").find_one({"aggregate": "Person", "reason": "no longer"})
    made = seeder.city(warden=archived["aggregateId"])
    return Expected(
        "references", "archived", "City", str(made), (f"warden refers to Person {archived['aggregateId']}",)
    )


def _deleted_parent(seeder: Seeder) -> Expected:
    seeder.rows("Country").insert_one({"_id": "XX", "code": "XX", "deleted": True, "deletedAt": seeder.now})
    return Expected("references", "deleted", "City", str(seeder.city(country="XX")), ("Country XX", "restrict"))


def _index_missing(seeder: Seeder) -> Expected:
    seeder.rows("City").drop_index("population_-1")
    return Expected("indexes", "index_missing", "City", "population_-1")


def _index_different(seeder: Seeder) -> Expected:
    cities = seeder.rows("City")
    cities.drop_index("name_1")
    cities.create_index([("name", 1)], name="name_1", sparse=True)
    return Expected("indexes", "index_different", "City", "name_1", ("sparse",))


def _index_unknown(seeder: Seeder) -> Expected:
    seeder.rows("Log").create_index([("level", 1)], name="made_by_hand")
    return Expected("indexes", "index_unknown", "Log", "made_by_hand")


def _unique_index_gone(model: str, index: str) -> Seed:
    def seed(seeder: Seeder) -> Expected:
        seeder.rows(model).drop_index(index)
        return Expected("indexes", "index_missing", model, index)

    return seed


def _duplicate(seeder: Seeder) -> Expected:
    first, _, third = (seeder.city(slug="twice") for _ in range(3))
    seeder.city(slug="twice", deleted=True, deletedAt=seeder.now)
    says = ('slug = "twice"', str(third), "3 documents")
    return Expected("duplicates", "duplicate", "City", str(first), says)


def _duplicate_pair(seeder: Seeder) -> Expected:
    first, second = (seeder.city(country="C01", postcode="same") for _ in range(2))
    seeder.city(country="C02", postcode="same")
    return Expected("duplicates", "duplicate", "City", str(first), ('country = "C01", postcode = "same"', str(second)))


def _duplicate_secret(seeder: Seeder) -> Expected:
    people = seeder.rows("Person")
    first, second = ObjectId(), ObjectId()
    people.insert_many([{"_id": each, "name": "Q", "email": "shared@example.com"} for each in (first, second)])
    return Expected("duplicates", "duplicate", "Person", str(first), ("it has email, as has", str(second)))


COLLECTION_FAULTS: dict[str, Seed] = {
    # documents
    "a required field is missing": _document("required", "/name is required", name=...),
    "a required field is null": _document("required", "/name is required", name=None),
    "a number for a text": _document("type", "/name expected string, found 5", name=5),
    "a text for a whole number": _document("type", '/population expected int, found "many"', population="many"),
    "a double for a whole number": _document("type", "/population expected int", population=2.5),
    "a whole number beyond 32 bits": _beyond_32_bits,
    "too large a population": _document("max", "/population", population=Int64(50_000_001)),
    "a negative population": _document("min", "must be at least 0", population=-1),
    "a kind that is not declared": _document("enum", "must be one of", kind="hamlet"),
    "too short a name": _document("min_length", "at least 2 characters", name="X"),
    "too long a name": _document("max_length", "at most 60 characters", name="X" * 61),
    "a code of small letters": _document("pattern", "must match", code="abc"),
    "a text for a date": _document("type", "/founded expected date", founded="1200-01-01"),
    "a double for a decimal": _document("type", "/area expected decimal", area=12.5),
    "a decimal for a double": _document("type", "/ratio expected double", ratio=Decimal128("1")),
    "a text for true": _document("type", "/capital expected bool", capital="yes"),
    "a text for an ObjectId": _document("type", "/twin expected objectId", twin="0123456789abcdef01234567"),
    "an object for a list": _document("type", "/friends expected array", friends={"a": 1}),
    "a wrong item in a list": _document("type", "/scores/1 expected double", scores=[1, "2"]),
    "an item above the limit": _document("max", "/scores/0 must be at most 10", scores=[11]),
    "too many items": _document("max_length", "at most 3 items", scores=[1, 2, 3, 4]),
    "a required field is missing inside": _document("required", "/geo/lat is required", geo={"lon": 1.5}),
    "a required field is missing in an item": _document("required", "/visits/0/note is required", visits=[{}]),
    "a wrong value in a map": _document("type", "/shares/b expected double", shares={"a": 1, "b": "much"}),
    "a wrong secret": _document("type", "/token expected string", token=123_454_321),
    "too short a secret": _document("min_length", "/token must have at least 4 characters", token="abc"),
    "createdAt is a text": _document("type", "/createdAt expected date", createdAt="yesterday"),
    "an _id of another type": _wrong_id,
    # marks
    "a mark without a date": _mark("undated", "never comes due", deleted=True),
    "a mark with null as its date": _undated_by_null,
    "a mark with a text as its date": _mark("date_type", "a text", deleted=True, deletedAt="2024-01-01"),
    "a mark with a list of dates": _mark("date_type", "a list", deleted=True, deletedAt=[]),
    "a mark in the future": _future,
    "a mark that is a text": _mark("mark_type", "a text", deleted="true"),
    "a mark that is a number": _mark("mark_type", "a number", deleted=1),
    "a mark that is a list": _mark("mark_type", "a list", deleted=[True]),
    "a live document with a date of deletion": _mark(
        "left_over", "deletedAt", deleted=False, deletedAt=city(0)["createdAt"]
    ),
    "an unmarked document with a reason": _mark("left_over", "deleteReason", deleted=..., deleteReason="spam"),
    "a reason that is a number": _mark(
        "mark_field_type", "deleteReason", deleted=True, deletedAt=city(0)["createdAt"], deleteReason=5
    ),
    "marks in a model without soft delete": _marks_without_soft_delete,
    # references
    "a reference to nothing": _reference("dangling", "country refers to Country ZZ, which is not there", country="ZZ"),
    "a reference to nothing in an item": _reference(
        "dangling", "visits.by refers to Person", visits=[{"note": "a"}, {"by": ObjectId(), "note": "b"}]
    ),
    "a reference to nothing in a map": _reference("dangling", "offices.$* refers to Person", offices={"x": ObjectId()}),
    "a reference to nothing twice in a list": _reference_to_itself_gone,
    "a reference to an archived document": _archived_parent,
    "a restricting reference to a marked document": _deleted_parent,
    # indexes
    "an index is missing": _index_missing,
    "an index has other options": _index_different,
    "an index that nobody declared": _index_unknown,
    "a unique index is missing": _unique_index_gone("City", "slug_1"),
    "a unique index of two fields is missing": _unique_index_gone("City", "country_1_postcode_1"),
    "a unique index of a secret is missing": _unique_index_gone("Person", "email_1"),
    # duplicates
    "a value of a unique field three times": _duplicate,
    "a pair of values twice": _duplicate_pair,
    "a secret value twice": _duplicate_secret,
}
