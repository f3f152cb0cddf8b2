"""What tests of the checks work with: models of their own, a database, a vault, and what works on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from datactl.archive import Archiver, Restorer
from datactl.inspect.findings import Finding
from datactl.inspect.validating import Validator
from datactl.mongo import Mongo
from datactl.objects import ObjectStore, open_store
from datactl.records import Repository
from datactl.schema import Registry, parse_models
from datactl.vault import Vault

KEY = bytes(range(32))


@dataclass
class Shop:
    """Models of the test's own, and what works on them. `key` is that of the events' secrets.

    `vault` is opened anew each time, and knows nothing from before.
    """

    mongo: Mongo
    registry: Registry
    spool: Path
    key: bytes | None = KEY
    store: ObjectStore = field(default_factory=lambda: open_store("memory:"))

    @property
    def vault(self) -> Vault:
        return Vault(self.store)

    def rows(self, model: str) -> Any:
        return self.mongo.collection(self.registry.model(model).collection)

    @property
    def outbox(self) -> Any:
        return self.mongo.collection("outboxes")

    def repository(self, model: str) -> Repository:
        known = self.registry.model(model)
        return Repository(known, self.mongo, self.registry, actor="ann", event_key=self.key, spool_dir=self.spool)

    def archive(self, model: str) -> None:
        archiver = Archiver(self.mongo, self.vault, self.registry, actor="ann")
        archiver.run(archiver.plan(model, days=0))

    def restorer(self) -> Restorer:
        return Restorer(self.mongo, self.vault, self.registry, actor="ann", event_key=self.key)

    def validator(self) -> Validator:
        return Validator(self.mongo, self.vault, self.registry, event_key=self.key)

    def findings(
        self, only: str | None = None, *, model: str | None = None, sample: int | None = None
    ) -> list[Finding]:
        validator = self.validator()
        return list(validator.run(validator.plan(model, only=only, sample=sample)))

    def found(self, only: str, **options: Any) -> list[tuple[str, str]]:
        """Code and place of each finding, sorted."""
        return sorted((each.code, each.where) for each in self.findings(only, **options))


@pytest.fixture
def shop(mongo: Mongo, tmp_path: Path) -> Callable[[str], Shop]:
    """`shop(models)`: the models as models.yaml has them, without the first line."""

    def make(models: str) -> Shop:
        return Shop(mongo, parse_models(f"models:\n{models}"), tmp_path / "spool")

    return make
