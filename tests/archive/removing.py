"""What tests of removals work with: a model without soft delete, its repository, and an account of its documents."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bson import ObjectId

from datactl.archive import VaultRemover
from datactl.mongo import Mongo
from datactl.objects import open_store
from datactl.records import Repository
from datactl.schema import Model, Registry, define_model
from tests.archive.desk import SEGMENT_BYTES, Desk

LOG = define_model(
    "Log",
    {"line": {"type": "string"}, "number": {"type": "number"}, "key": {"type": "string", "secret": True}},
    enable_soft_delete=False,
    additional_fields=True,
)
LOGS = Registry([LOG])


@dataclass
class RemovalDesk(Desk):
    """As the archive's desk, over `Log`, which has no soft delete."""

    registry: Registry = field(default_factory=lambda: LOGS)
    lease_ttl_s: float = 30

    @property
    def model(self) -> Model:
        return self.registry.model("Log")

    @property
    def logs(self) -> Any:
        return self.posts

    def remover(self) -> VaultRemover:
        return VaultRemover(
            self.mongo, self.vault, self.registry, segment_bytes=SEGMENT_BYTES, lease_ttl_s=self.lease_ttl_s
        )

    def repository(self) -> Repository:
        spool = self.directory.parent / "spool"
        return Repository(self.model, self.mongo, self.registry, actor="tester", spool_dir=spool, remover=self.remover)

    def lines(self, count: int) -> dict[bytes, bytes]:
        """Insert so many documents: id key -> bytes."""
        return self.insert(
            {"_id": ObjectId(), "line": f"line {number}", "number": number, "noise": os.urandom(120)}
            for number in range(count)
        )

    def left_behind(self, at: str, documents: int) -> dict[bytes, bytes]:
        """So many documents, and a removal of them that failed before it could put an object under `at`."""
        before = self.lines(documents)
        with self.refusing(at):
            self.repository().delete_many(filter={})
        return before

    def events(self, kind: str = "LogDeleted") -> list[dict[str, Any]]:
        return list(self.mongo.collection("outboxes").find({"eventType": kind}))


def removal_desk_at(mongo: Mongo, directory: Path) -> RemovalDesk:
    return RemovalDesk(mongo, open_store(f"file:{directory}"), directory)
