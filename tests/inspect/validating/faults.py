"""Kinds of faults, each seeded once, with what is to be found: the check, the code, where, and words of the reason."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from bson import ObjectId
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from datactl.vault import Bitmap, Manifest
from tests.inspect.validating.project import Project, city


@dataclass(frozen=True)
class Expected:
    """A finding: `where` exactly, each of `says` somewhere in what it says."""

    check: str
    code: str
    model: str
    where: str
    says: tuple[str, ...] = ()


Seed = Callable[["Seeder"], Expected]


class Seeder:
    """Writes past datactl, as an application, a script or a broken disk does."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.mongo = project.mongo
        self.now = project.mongo.server_time()
        self._number = count(100_000)
        self._persons = iter(self._untouched("Person"))
        self._segments = iter([manifest.name for manifest in project.vault.manifests("Invoice")][3:])

    def _untouched(self, model: str) -> list[Any]:
        rows = self.project.collection(model).find({"deleted": {"$in": [False, None]}}, {"_id": 1}).sort("_id", -1)
        return [row["_id"] for row in rows.limit(200)]

    def city(self, **fields: Any) -> Any:
        """A further city with these fields; `Ellipsis` leaves one out. Its `_id`."""
        document = city(next(self._number), **fields)
        document = {name: value for name, value in document.items() if value is not ...}
        self.project.collection("City").insert_one(document)
        return document["_id"]

    def person(self) -> Any:
        """A person that has an event; each one once."""
        return next(self._persons)

    def write(self, model: str, id: Any, update: dict[str, Any]) -> None:
        assert self.project.collection(model).update_one({"_id": id}, update).modified_count == 1

    def segment(self) -> str:
        """A segment of invoices; each one once."""
        return next(self._segments)

    def file(self, key: str) -> Path:
        path = self.project.directory / key
        path.chmod(0o644)
        return path


def _document(code: str, /, *says: str, **fields: Any) -> Seed:
    return lambda seeder: Expected("documents", code, "City", str(seeder.city(**fields)), says)


def _reference(code: str, says: str, /, **fields: Any) -> Seed:
    return lambda seeder: Expected("references", code, "City", str(seeder.city(**fields)), (says,))


def _mark(code: str, /, *says: str, **fields: Any) -> Seed:
    return lambda seeder: Expected("marks", code, "City", str(seeder.city(**fields)), says)


def _changed(update: dict[str, Any], *says: str) -> Seed:
    def seed(seeder: Seeder) -> Expected:
        person = seeder.person()
        seeder.write("Person", person, update)
        return Expected("outside-writes", "changed", "Person", str(person), ("Created", "by ann", *says))

    return seed


def _damaged(code: str, key: str, damage: Callable[[Path], None]) -> Seed:
    def seed(seeder: Seeder) -> Expected:
        name = key.format(seeder.segment())
        damage(seeder.file(name))
        return Expected("vault", code, "Invoice", name)

    return seed


def _flip(path: Path) -> None:
    """One byte of the middle is another one."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def _remove(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _undated_by_null(seeder: Seeder) -> Expected:
    return Expected("marks", "undated", "City", str(seeder.city(deleted=True, deletedAt=None)))


def _future(seeder: Seeder) -> Expected:
    made = seeder.city(deleted=True, deletedAt=seeder.now + timedelta(days=9))
    return Expected("marks", "future_date", "City", str(made))


def _marks_without_soft_delete(seeder: Seeder) -> Expected:
    seeder.write("Log", seeder.project.collection("Log").find_one()["_id"], {"$set": {"deleted": True}})
    return Expected("marks", "no_soft_delete", "Log", "logs", ("1 document has",))


def _beyond_32_bits(seeder: Seeder) -> Expected:
    seeder.project.collection("Country").insert_one({"_id": "BIG", "code": "BIG", "rank": Int64(2**40)})
    return Expected("documents", "out_of_range", "Country", "BIG", ("/rank",))


def _wrong_id(seeder: Seeder) -> Expected:
    seeder.project.collection("Log").insert_one({"_id": "text", "line": "l"})
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
    seeder.project.collection("Country").insert_one(
        {"_id": "XX", "code": "XX", "deleted": True, "deletedAt": seeder.now}
    )
    return Expected("references", "deleted", "City", str(seeder.city(country="XX")), ("Country XX", "restrict"))


def _index_missing(seeder: Seeder) -> Expected:
    seeder.project.collection("City").drop_index("population_-1")
    return Expected("indexes", "index_missing", "City", "population_-1")


def _index_different(seeder: Seeder) -> Expected:
    cities = seeder.project.collection("City")
    cities.drop_index("name_1")
    cities.create_index([("name", 1)], name="name_1", sparse=True)
    return Expected("indexes", "index_different", "City", "name_1", ("sparse",))


def _index_unknown(seeder: Seeder) -> Expected:
    seeder.project.collection("Log").create_index([("level", 1)], name="made_by_hand")
    return Expected("indexes", "index_unknown", "Log", "made_by_hand")


def _unique_index_gone(model: str, index: str) -> Seed:
    def seed(seeder: Seeder) -> Expected:
        seeder.project.collection(model).drop_index(index)
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
    people = seeder.project.collection("Person")
    first, second = ObjectId(), ObjectId()
    people.insert_many([{"_id": each, "name": "Q", "email": "shared@example.com"} for each in (first, second)])
    return Expected("duplicates", "duplicate", "Person", str(first), ("it has email, as has", str(second)))


def _live_and_archived(seeder: Seeder) -> Expected:
    gone = seeder.mongo.collection("outboxes").find({"aggregate": "Person", "reason": "bulk"}).skip(20).next()
    seeder.project.collection("Person").insert_one({"_id": gone["aggregateId"], "name": "again"})
    return Expected("copies", "live_and_archived", "Person", str(gone["aggregateId"]), ("it is live", "segment"))


def _marked_and_archived(seeder: Seeder) -> Expected:
    gone = seeder.mongo.collection("outboxes").find({"aggregate": "Person", "reason": "bulk"}).skip(21).next()
    again = {"_id": gone["aggregateId"], "name": "again", "deleted": True, "deletedAt": seeder.now}
    seeder.project.collection("Person").insert_one(again)
    return Expected("copies", "marked_and_archived", "Person", str(gone["aggregateId"]), ("it is marked",))


def _broken_outside(seeder: Seeder) -> Expected:
    person = seeder.person()
    seeder.write("Person", person, {"$set": {"age": 1.5}, "$currentDate": {"updatedAt": True}})
    return Expected("documents", "type", "Person", str(person), ("/age expected int",))


def _dangling_outside(seeder: Seeder) -> Expected:
    person = seeder.person()
    seeder.project.repository("Person").update_by_id(person, {"home": seeder.city()})
    seeder.write("Person", person, {"$set": {"home": ObjectId()}})
    return Expected("references", "dangling", "Person", str(person), ("home refers to City",))


def _badly_marked_outside(seeder: Seeder) -> Expected:
    person = seeder.person()
    seeder.write("Person", person, {"$set": {"deleted": True}})
    return Expected("marks", "undated", "Person", str(person))


def _secret_changed(seeder: Seeder) -> Expected:
    person = seeder.project.collection("Person").find_one({"email": "p301@example.com"})["_id"]
    seeder.write("Person", person, {"$set": {"email": "other@example.com"}})
    return Expected("outside-writes", "changed", "Person", str(person), ("email is not",))


def _mark_taken_off(seeder: Seeder) -> Expected:
    person = seeder.project.collection("Person").find_one(
        {"deleted": True, "deletedOp": {"$exists": True}}, sort=[("_id", -1)]
    )
    unset = dict.fromkeys(("deletedAt", "deletedBy", "deleteReason", "deletedOp"), "")
    seeder.project.collection("Person").update_one(
        {"_id": person["_id"]}, {"$set": {"deleted": False}, "$unset": unset}
    )
    return Expected("outside-writes", "changed", "Person", str(person["_id"]), ("deleted", "PersonDeleted"))


def _vanished(seeder: Seeder) -> Expected:
    person = seeder.person()
    seeder.project.collection("Person").delete_one({"_id": person})
    return Expected("outside-writes", "vanished", "Person", str(person), ("neither in MongoDB nor in the vault",))


def _chunk_gone(seeder: Seeder) -> Expected:
    people = seeder.project.repository("Person")
    document = people.create({"name": "Large", "notes": "x" * 9_000_000})
    row = seeder.mongo.collection("outboxes").find_one({"aggregate": "Person", "aggregateId": document["_id"]})
    seeder.mongo.collection("outbox_chunks").delete_one({"parent": row["_id"], "n": 1})
    return Expected("outside-writes", "event_damaged", "Person", str(document["_id"]), ("1 of 2 parts",))


def _secret_altered(seeder: Seeder) -> Expected:
    rows = seeder.mongo.collection("outboxes")
    person = seeder.project.collection("Person").find_one({"email": "p303@example.com"})["_id"]
    row = rows.find_one({"aggregate": "Person", "aggregateId": person})
    data = bytearray(row["payload"]["encrypted"]["data"])
    data[-1] ^= 1
    rows.update_one({"_id": row["_id"]}, {"$set": {"payload.encrypted.data": bytes(data)}})
    return Expected("outside-writes", "event_damaged", "Person", str(person), ("cannot be decrypted",))


def _manifest_gone(seeder: Seeder) -> Expected:
    name = seeder.segment()
    seeder.file(f"manifests/Invoice/{name}.json").unlink()
    return Expected("vault", "receipt_without_manifest", "Invoice", f"receipts/Invoice/{name}/deleted.json", (name,))


def _receipt_of_another_size(seeder: Seeder) -> Expected:
    vault, name = seeder.project.vault, seeder.segment()
    key = f"receipts/Invoice/{name}/deleted.json"
    manifest = vault.manifest("Invoice", name)
    assert isinstance(manifest, Manifest)
    seeder.file(key).unlink()
    other = replace(manifest, documents=manifest.documents + 1)
    vault.put_deleted_receipt(other, Bitmap.full(other.documents), op="X", actor=None)
    return Expected("vault", "counts_disagree", "Invoice", key)


def _epoch_behind(seeder: Seeder) -> Expected:
    seeder.mongo.collection("datactl_leases").insert_one({"_id": "archive:Country", "epoch": 7})
    return Expected("vault", "epoch_behind", "Country", seeder.project.vault.store.url, ("epoch 7",))


def _metadata_rewritten(path: Path) -> None:
    path.write_bytes(gzip.compress(b"{}"))


FAULTS: dict[str, Seed] = {
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
    # copies
    "live and archived": _live_and_archived,
    "marked and archived": _marked_and_archived,
    # outside writes
    "another value": _changed({"$set": {"name": "Z"}}, "name is not"),
    "another type of the same number": _changed({"$set": {"score": Int64(1)}}, "score is not"),
    "a wrong value written outside": _broken_outside,
    "a reference to nothing written outside": _dangling_outside,
    "a bad mark written outside": _badly_marked_outside,
    "a value taken away": _changed({"$unset": {"tags": ""}}, "tags is not"),
    "an item pushed, and updatedAt": _changed({"$push": {"tags": "z"}, "$currentDate": {"updatedAt": True}}, "tags"),
    "a secret value changed": _secret_changed,
    "a mark taken off": _mark_taken_off,
    "a document vanished": _vanished,
    "a part of an event is gone": _chunk_gone,
    "the secret part of an event was altered": _secret_altered,
    # vault
    "a segment with another byte": _damaged("segment_damaged", "segments/Invoice/{}.bson.gz", _flip),
    "a segment is gone": _damaged("segment_damaged", "segments/Invoice/{}.bson.gz", _remove),
    "metadata is rewritten": _damaged("metadata_damaged", "segments/Invoice/{}.metadata.json.gz", _metadata_rewritten),
    "an index is cut short": _damaged("index_damaged", "indexes/Invoice/{}.idx", _cut),
    "a receipt with another byte": _damaged("receipt_damaged", "receipts/Invoice/{}/deleted.json", _flip),
    "a manifest with another byte": _damaged("manifest_damaged", "manifests/Invoice/{}.json", _flip),
    "a manifest is gone": _manifest_gone,
    "a receipt of another number of documents": _receipt_of_another_size,
    "an older copy of the vault": _epoch_behind,
}


def seed_all(project: Project) -> Iterator[tuple[str, Expected]]:
    seeder = Seeder(project)
    for name, seed in FAULTS.items():
        yield name, seed(seeder)
