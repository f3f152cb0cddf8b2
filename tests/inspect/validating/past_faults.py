"""Faults of what datactl did once: copies, documents written since by others, events, and objects of the vault."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bson import ObjectId
from bson.int64 import Int64

from datactl.vault import Bitmap, Manifest
from tests.inspect.validating.seeding import Expected, Seed, Seeder


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


def _live_and_archived(seeder: Seeder) -> Expected:
    gone = seeder.mongo.collection("outboxes").find({"aggregate": "Person", "reason": "bulk"}).skip(20).next()
    seeder.rows("Person").insert_one({"_id": gone["aggregateId"], "name": "again"})
    return Expected("copies", "live_and_archived", "Person", str(gone["aggregateId"]), ("it is live", "segment"))


def _marked_and_archived(seeder: Seeder) -> Expected:
    gone = seeder.mongo.collection("outboxes").find({"aggregate": "Person", "reason": "bulk"}).skip(21).next()
    again = {"_id": gone["aggregateId"], "name": "again", "deleted": True, "deletedAt": seeder.now}
    seeder.rows("Person").insert_one(again)
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
    person = seeder.rows("Person").find_one({"email": "p301@example.com"})["_id"]
    seeder.write("Person", person, {"$set": {"email": "other@example.com"}})
    return Expected("outside-writes", "changed", "Person", str(person), ("email is not",))


def _mark_taken_off(seeder: Seeder) -> Expected:
    person = seeder.rows("Person").find_one({"deleted": True, "deletedOp": {"$exists": True}}, sort=[("_id", -1)])
    unset = dict.fromkeys(("deletedAt", "deletedBy", "deleteReason", "deletedOp"), "")
    seeder.rows("Person").update_one({"_id": person["_id"]}, {"$set": {"deleted": False}, "$unset": unset})
    return Expected("outside-writes", "changed", "Person", str(person["_id"]), ("deleted", "PersonDeleted"))


def _vanished(seeder: Seeder) -> Expected:
    person = seeder.person()
    seeder.rows("Person").delete_one({"_id": person})
    return Expected("outside-writes", "vanished", "Person", str(person), ("neither in MongoDB nor in the vault",))


def _chunk_gone(seeder: Seeder) -> Expected:
    people = seeder.project.repository("Person")
    document = people.create({"name": "Large", "notes": "x" * 9_000_000})
    row = seeder.mongo.collection("outboxes").find_one({"aggregate": "Person", "aggregateId": document["_id"]})
    seeder.mongo.collection("outbox_chunks").delete_one({"parent": row["_id"], "n": 1})
    return Expected("outside-writes", "event_damaged", "Person", str(document["_id"]), ("1 of 2 parts",))


def _secret_altered(seeder: Seeder) -> Expected:
    rows = seeder.mongo.collection("outboxes")
    person = seeder.rows("Person").find_one({"email": "p303@example.com"})["_id"]
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


PAST_FAULTS: dict[str, Seed] = {
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
