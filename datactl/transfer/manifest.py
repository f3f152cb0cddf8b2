"""The manifest of an export: what was exported, when, and the size, SHA-256 and number of documents of each file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from datactl.errors import VaultDamaged
from datactl.transfer.directory import digest_of, disk_errors
from datactl.transfer.formats import Format
from datactl.vault.sealed import date_text, read_date, seal, unseal

NAME = "manifest.json"
SUMS = "SHA256SUMS"
_KIND = "datactl-export"


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file of documents: its name in the directory, its bytes, their SHA-256, the documents in it."""

    name: str
    bytes: int
    sha256: str
    documents: int


@dataclass(frozen=True, slots=True)
class ExportManifest:
    """What an export is. `withheld` are the secret fields that were left out; `filter` is Extended JSON, as text."""

    model: str
    namespace: str
    format: Format
    documents: int
    files: tuple[ExportedFile, ...]
    started_at: datetime
    ended_at: datetime
    snapshot: bool
    include_deleted: bool
    filter: str | None
    withheld: tuple[str, ...]
    actor: str | None
    datactl: str

    def pack(self) -> bytes:
        """The manifest file: JSON that knows its own digest."""
        fields: Mapping[str, Any] = {
            "format": _KIND,
            "version": 1,
            "model": self.model,
            "namespace": self.namespace,
            "documentFormat": self.format.value,
            "documents": self.documents,
            "files": [
                {"name": each.name, "bytes": each.bytes, "sha256": each.sha256, "documents": each.documents}
                for each in self.files
            ],
            "startedAt": date_text(self.started_at),
            "endedAt": date_text(self.ended_at),
            "snapshot": self.snapshot,
            "includeDeleted": self.include_deleted,
            "filter": self.filter,
            "withheld": list(self.withheld),
            "actor": self.actor,
            "datactl": self.datactl,
        }
        return json.dumps(json.loads(seal(fields)), indent=2).encode() + b"\n"

    @staticmethod
    def is_in(directory: Path) -> bool:
        """Whether the manifest of an export is in a directory, whole or not; other programs have files of its name."""
        try:
            return f'"{_KIND}"'.encode() in (directory / NAME).read_bytes()
        except OSError:
            return False

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The manifest in a directory. VaultDamaged unless every value in it is as it was written."""
        path = directory / NAME
        with disk_errors(f"cannot read {path}"):
            data = path.read_bytes()
        try:
            compact = json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()
        except ValueError as error:
            raise VaultDamaged(f"{path} cannot be read", why=str(error)) from None
        fields = unseal(compact, _KIND, str(path))
        try:
            return cls(
                model=fields["model"],
                namespace=fields["namespace"],
                format=Format(fields["documentFormat"]),
                documents=fields["documents"],
                files=tuple(ExportedFile(**each) for each in fields["files"]),
                started_at=read_date(fields["startedAt"]),
                ended_at=read_date(fields["endedAt"]),
                snapshot=fields["snapshot"],
                include_deleted=fields["includeDeleted"],
                filter=fields["filter"],
                withheld=tuple(fields["withheld"]),
                actor=fields["actor"],
                datactl=fields["datactl"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise VaultDamaged(
                f"{path} is no manifest that export wrote",
                why=f"it is sealed, and yet it is wrong: {error}",
                next="copy the export once more",
            ) from None

    def check(self, directory: Path, file: ExportedFile) -> str:
        """The SHA-256 of a file of this export. VaultDamaged if it has other bytes than it was written with."""
        path = directory / file.name
        if not path.is_file():
            raise VaultDamaged(
                f"{path} is missing", why="the manifest of this export names it", next="copy the export once more"
            )
        size, sha256 = digest_of(path)
        if (size, sha256) != (file.bytes, file.sha256):
            why = "its SHA-256 differs" if size == file.bytes else f"it has {size:,} bytes, {file.bytes:,} were written"
            raise VaultDamaged(
                f"{path} is not what was exported",
                why=why,
                next="copy the export once more; to import the file as it is now, copy it to another directory",
            )
        return sha256
