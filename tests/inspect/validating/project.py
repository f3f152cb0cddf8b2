"""A database of so many documents as applications and datactl write them, and nothing wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bson import ObjectId
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from datactl.inspect.indexes import IndexKeeper
from datactl.mongo import Mongo
from datactl.objects import open_store
from datactl.records import Repository
from datactl.schema import parse_models
from tests.inspect.validating.conftest import Shop

MODELS = """
models:
  Country:
    fields:
      _id: string
      code: {type: string, required: true}
      rank: {type: int}
    uniqueFields: [code]
  City:
    uniqueFields: [slug]
    indexes:
      - {fields: {country: 1, postcode: 1}, unique: true}
      - {fields: {population: -1}}
      - {fields: {name: 1}}
    fields:
      name: {type: string, required: true, minLength: 2, maxLength: 60}
      slug: string
      postcode: string
      kind: {type: string, enum: [town, city]}
      population: {type: int, min: 0, max: 50000000}
      founded: date
      area: decimal
      ratio: double
      total: long
      code: {type: string, pattern: '^[A-Z]{3}$'}
      capital: bool
      country: {type: string, ref: Country, onDelete: restrict}
      twin: {type: objectId, ref: City}
      warden: {type: objectId, ref: Person, onDelete: nullify}
      friends: [{type: objectId, ref: City}]
      visits:
        - by: {type: objectId, ref: Person}
          note: {type: string, required: true}
      offices: {type: map, of: {type: objectId, ref: Person}}
      shares: {type: map, of: double}
      scores: {type: array, of: {type: double, max: 10}, maxLength: 3}
      geo: {lat: {type: double, required: true}, lon: double}
      token: {type: string, secret: true, minLength: 4}
  Person:
    fields:
      name: {type: string, required: true}
      email: {type: string, secret: true}
      age: int
      score: number
      tags: [string]
      address: {street: string, city: string}
      home: {type: objectId, ref: City}
      notes: mixed
    uniqueFields: [email]
  Log:
    enableSoftDelete: false
    enableTimestamps: false
    fields:
      line: string
      level: int
  Invoice:
    fields:
      number: {type: string, required: true}
      person: {type: objectId, ref: Person}
"""
REGISTRY = parse_models(MODELS)
COUNTRIES, LEAST_PERSONS = 100, 450
INVOICE_SEGMENTS, INVOICES = 13, 20
THEN = datetime(2024, 5, 1, 12, tzinfo=UTC)


@dataclass
class Project(Shop):
    """The database, the vault on disk, and the models."""

    directory: Path = field(kw_only=True)


def city(number: int, **fields: Any) -> dict[str, Any]:
    """A city as Mongoose with mongoose-delete writes it: every third without a mark, every one with `__v`."""
    document: dict[str, Any] = {
        "_id": ObjectId(),
        "name": f"City {number}",
        "slug": f"city-{number}",
        "postcode": f"{number:05d}",
        "country": f"C{number % COUNTRIES:02d}",
        "population": number,
        "__v": number % 4,
        "createdAt": THEN,
        "updatedAt": THEN,
    }
    if number % 3:
        document["deleted"] = False
    return document | fields


def rich(number: int) -> dict[str, Any]:
    """Values of every declared type, in each width a driver may choose, and fields the model knows nothing of."""
    return {
        "kind": "town",
        "founded": THEN,
        "area": Decimal128("12.50"),
        "ratio": 5 if number % 2 else 0.25,
        "total": Int64(2**40) if number % 2 else 7,
        "code": "ABC",
        "capital": True,
        "shares": {"a": 0.5, "b": 1},
        "scores": [1.5, 10, None],
        "geo": {"_id": ObjectId(), "lat": 1.5, "lon": None},
        "token": f"secret-{number}",
        "population": Int64(number),
        "twin": None,
        "unknown": {"left": ["alone"]},
    }


def build(mongo: Mongo, directory: Path, size: int) -> Project:
    """A clean project of at least `size` documents: some are an application's, persons and invoices datactl's."""
    store = open_store(f"file:{directory}")
    project = Project(mongo, REGISTRY, directory.parent / "spool", store=store, directory=directory)
    IndexKeeper(mongo, REGISTRY).create_missing()
    project.rows("Country").insert_many(
        [{"_id": f"C{n:02d}", "code": f"C{n:02d}", "rank": n} for n in range(COUNTRIES)]
    )
    persons = project.repository("Person")
    persons.create_many([_person(n) for n in range(max(LEAST_PERSONS, size * 3 // 40))])
    people = [row["_id"] for row in project.rows("Person").find({}, {"_id": 1}).limit(50)]
    cities = [city(n, **(rich(n) if n % 16 == 0 else {})) for n in range(size * 4 // 5)]
    for n, document in enumerate(cities):
        if n % 10 == 1:
            document |= {"twin": cities[n - 1]["_id"], "friends": [cities[n - 1]["_id"], document["_id"]]}
        if n % 100 == 2:
            document |= {
                "visits": [{"by": people[n % 50], "note": "a"}, {"note": "nobody"}],
                "offices": {"x": people[1]},
            }
        if n % 200 == 5:
            document |= {"deleted": True, "deletedAt": THEN + timedelta(days=n % 9), "deletedBy": people[0]}
            document |= {"twin": ObjectId()}  # what it refers to is of no interest while it is deleted
    for start in range(0, len(cities), 2000):
        project.rows("City").insert_many(cities[start : start + 2000])
    project.rows("Log").insert_many([{"line": f"l{n}", "level": n, "deleted": False} for n in range(size // 8)])
    _change(project, persons)
    _invoices(project)
    return project


def _person(number: int) -> dict[str, Any]:
    person: dict[str, Any] = {"name": f"P{number}", "age": number % 90, "tags": ["a", "b"], "score": number / 4}
    if number % 2:
        person |= {"email": f"p{number}@example.com", "address": {"street": "s", "city": "c"}}
    if number % 400 == 3:
        person["notes"] = {"large": "x" * 300_000, "deep": [{"a": 1}, {"b": [1, 2.0, Int64(3)]}]}
    return person


def _change(project: Project, persons: Repository) -> None:
    """Changes of every kind through datactl."""
    ids = [row["_id"] for row in project.rows("Person").find({}, {"_id": 1}).sort("_id", 1)]
    persons.update_by_id(ids[0], {"age": 30})
    persons.update_by_id(ids[1], {"$inc": {"age": 2}, "$push": {"tags": "c"}, "$unset": {"score": ""}})
    persons.update_by_id(ids[2], {"address": {"street": "new", "city": "c"}, "email": "new@example.com"})
    persons.update_by_id(ids[3], {"$set": {"address.street": "other"}, "$pull": {"tags": "a"}})
    persons.update_by_id(ids[4], {"$rename": {"score": "notes"}})
    persons.update_many({"name": {"$in": ["P20", "P21", "P22"]}}, {"$mul": {"score": 2}})
    persons.soft_delete(ids[5], reason="no longer")
    persons.soft_delete(ids[6])
    persons.restore(ids[6])
    persons.soft_delete_many(ids=ids[100:140], reason="bulk")
    persons.restore_many(ids=ids[100:110])
    project.archive("Person")
    project.restorer().restore("Person", [ids[110], ids[111]])
    project.restorer().restore("Person", [ids[112]], as_archived=True)
    project.restorer().restore("Person", [ids[113]], set={"age": 41, "address.city": "elsewhere"})
    persons.update_by_id(ids[110], {"age": 50})
    persons.soft_delete(ids[114 - 3])
    persons.soft_delete_many(ids=ids[200:205])


def _invoices(project: Project) -> None:
    """As many segments of archived invoices, a few live ones."""
    invoices = project.repository("Invoice")
    person = project.rows("Person").find_one({"deleted": {"$in": [False, None]}})["_id"]
    for segment in range(INVOICE_SEGMENTS):
        invoices.create_many([{"number": f"{segment}-{n}", "person": person} for n in range(INVOICES)])
        invoices.soft_delete_many(filter={}, reason="paid")
        project.archive("Invoice")
    archived = (
        project.mongo.collection("outboxes").find({"aggregate": "Invoice", "eventType": "InvoiceCreated"}).limit(3)
    )
    project.restorer().restore("Invoice", [row["aggregateId"] for row in archived])
    invoices.create_many([{"number": f"live-{n}"} for n in range(INVOICES)])
