"""Fixtures of the repository's tests: a small shop, its repositories, and a look into the outbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datactl.events import OUTBOX
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.schema import Registry, parse_models
from tests.records.blog import MODELS, Blog

SHOP = """
models:
  Category:
    enableSoftDelete: true
    uniqueFields: [slug]
    fields:
      name: {type: string, required: true}
      slug: {type: string, required: true, immutable: true}
  Product:
    enableSoftDelete: true
    textSearchFields: [name, description]
    uniqueFields: [sku]
    indexes:
      - fields: {category: 1, price: -1}
      - fields: {price: 1, _id: 1}
    fields:
      name: {type: string, required: true, maxLength: 100}
      description: string
      price: {type: number, required: true, min: 0}
      sku: string
      active: bool
      seen: date
      weight: decimal
      code: uuid
      category: {type: objectId, ref: Category}
      tags: [string]
      inventory:
        quantity: {type: int, min: 0}
        warehouse: string
      supplier:
        name: string
        password: {type: string, secret: true}
      contacts:
        - phone: {type: string, secret: true}
          city: string
      token: {type: string, secret: true}
      extra: mixed
  Setting:
    enableSoftDelete: false
    enableTimestamps: false
    fields:
      _id: string
      value: mixed
  Loose:
    additionalFields: true
    enableTimestamps: false
    fields:
      _id: mixed
      v: mixed
"""

EVENT_KEY = bytes(range(32))


@pytest.fixture(scope="session")
def registry() -> Registry:
    return parse_models(SHOP)


@pytest.fixture
def repository(mongo: Mongo, registry: Registry, tmp_path: Path) -> Callable[..., Repository]:
    """`repository("Product", event_key=...)`: a repository of the shop, its actor is "ann"."""

    def make(model: str, kind: type[Repository] = Repository, **options: Any) -> Repository:
        options.setdefault("actor", "ann")
        return kind(registry.model(model), mongo, registry, spool_dir=tmp_path / "spool", **options)

    return make


@pytest.fixture
def products(repository: Callable[..., Repository]) -> Repository:
    return repository("Product")


@pytest.fixture
def events(mongo: Mongo) -> Callable[..., list[dict[str, Any]]]:
    """`events(aggregateId=id)`: the rows of the outbox, by seq."""

    def find(**filter: Any) -> list[dict[str, Any]]:
        return list(mongo.collection(OUTBOX).find(filter).sort([("aggregateId", 1), ("seq", 1)]))

    return find


@pytest.fixture
def blog(mongo: Mongo, tmp_path: Path) -> Blog:
    """The blog whose models refer to each other; its actor is "ann"."""

    def make(model: str) -> Repository:
        return Repository(MODELS[model], mongo, MODELS, actor="ann", spool_dir=tmp_path / "spool")

    return Blog(mongo, make)


def make_indexes(repository: Repository) -> None:
    """The unique indexes of the model."""
    for index in repository.model.unique_keys:
        command = index.as_command()
        repository.collection.create_index(list(command.pop("key").items()), **command)
