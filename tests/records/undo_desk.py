"""What the tests of undo work with: a shop with a vault, its repositories, and states to compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datactl.archive import Archiver, VaultRemover
from datactl.mongo import Mongo
from datactl.objects import open_store
from datactl.records import Repository
from datactl.records.undoing import Fate, FateKind, Undoer, UndoResult
from datactl.schema import Registry, parse_models
from datactl.steps import Watcher
from datactl.vault import Vault

MODELS = """
models:
  Shelf:
    fields:
      name: {type: string, required: true}
  Item:
    uniqueFields: [sku]
    additionalFields: true
    fields:
      name: string
      sku: string
      price: mixed
      shelf: {type: objectId, ref: Shelf, onDelete: cascade}
      near: [{type: objectId, ref: Shelf, onDelete: nullify}]
      place:
        row: mixed
        box: mixed
      token: {type: string, secret: true}
      people:
        - name: string
          phone: {type: string, secret: true}
  Setting:
    enableSoftDelete: false
    enableTimestamps: false
    additionalFields: true
    fields:
      _id: string
      value: mixed
"""

EVENT_KEY = bytes(range(32))


@dataclass
class Desk:
    """One database and one vault."""

    mongo: Mongo
    directory: Path
    event_key: bytes | None = None
    registry: Registry = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.registry = self.registry or parse_models(MODELS)

    @property
    def uri(self) -> str:
        host, port = self.mongo.client.address or ("127.0.0.1", 0)
        return f"mongodb://{host}:{port}/?directConnection=true&w=majority"

    @property
    def vault(self) -> Vault:
        return Vault(open_store(f"file:{self.directory / 'vault'}"))

    def remover(self) -> VaultRemover:
        """One whose lease outlives a killed process by two seconds only."""
        return VaultRemover(self.mongo, self.vault, self.registry, event_key=self.event_key, lease_ttl_s=2)

    def repository(self, model: str) -> Repository:
        return Repository(
            self.registry.model(model),
            self.mongo,
            self.registry,
            actor="ann",
            event_key=self.event_key,
            spool_dir=self.directory / "spool",
            remover=self.remover,
        )

    @property
    def items(self) -> Repository:
        return self.repository("Item")

    def undoer(self, **given: Any) -> Undoer:
        options = {"actor": "bob", "event_key": self.event_key, "remover": self.remover(), **given}
        return Undoer(self.mongo, self.registry, **options)

    def archive(self, model: str) -> None:
        """Let every marked document leave for the vault, however young its mark."""
        archiver = Archiver(self.mongo, self.vault, self.registry, actor="tester")
        archiver.run(archiver.plan(model, 0))

    def dry(self, op: str) -> list[Fate]:
        """The fates of a dry run, and that it changed nothing."""
        before = self.everything()
        undoer = self.undoer()
        fates = list(undoer.fates(undoer.plan(op)))
        assert self.everything() == before
        return fates

    def undo(self, op: str, **given: Any) -> UndoResult:
        """Undo; a dry run before it says the same."""
        told = [fate.kind for fate in self.dry(op)]
        undoer = self.undoer()
        result = undoer.undo(undoer.plan(op), **given)
        assert dict(result.fates) == {kind.value: told.count(kind) for kind in FateKind if kind in told}
        return result

    def undo_some(self, op: str, watch: Watcher) -> UndoResult:
        """Undo as far as the watcher lets it."""
        undoer = self.undoer()
        return undoer.undo(undoer.plan(op), watch=watch)

    def everything(self) -> dict[str, list[Any]]:
        """Every document of the database, by collection."""
        names = sorted(
            name for name in self.mongo.database.list_collection_names() if not name.startswith("datactl_me")
        )
        return {name: list(self.mongo.collection(name).find().sort("_id", 1)) for name in names}

    def stored(self, model: str, id: Any) -> dict[str, Any] | None:
        return self.mongo.collection(self.registry.model(model).collection).find_one({"_id": id})

    def raw(self, model: str) -> Any:
        return self.mongo.collection(self.registry.model(model).collection)

    def op_of(self, event: str, id: Any) -> str:
        """The operation of the newest event of this type (`ItemCreated`) of a document."""
        row = self.mongo.collection("outboxes").find_one({"eventType": event, "aggregateId": id}, sort=[("seq", -1)])
        return row["op"]


def but_time(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Without `updatedAt`, which is stamped and not put back."""
    return None if document is None else {name: value for name, value in document.items() if name != "updatedAt"}


def kinds(fates: Iterable[Fate]) -> list[str]:
    return [str(fate.kind) for fate in fates]
