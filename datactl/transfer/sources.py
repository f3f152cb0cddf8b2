"""What an import is given: which files a path stands for, their format, and the one SHA-256 of all their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from datactl.errors import NotFound, UsageError
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.transfer.directory import digest_of
from datactl.transfer.formats import Format, detect
from datactl.transfer.manifest import NAME, ExportManifest


@dataclass(frozen=True, slots=True)
class Source:
    """The input of one import. `manifest` is that of an export; `sha256` is of the files' digests, in order."""

    place: Path
    format: Format
    files: tuple[Path, ...]
    sha256: str
    manifest: ExportManifest | None = None

    @property
    def is_stored(self) -> bool:
        """Whether its documents were in a database as they are: they get no defaults and keep what is undeclared."""
        return self.format is Format.BSON or self.manifest is not None


def find_source(model: Model, path: Path, format: Format | None, watch: Watcher) -> Source:
    """The files at a path, each read once for its digest.

    NotFound; UsageError for a directory that holds nothing of the model, or several candidates; VaultDamaged where an
    export is not what its manifest says.
    """
    if not path.exists():
        raise NotFound(f"{path} is not there", next="give a file, or a directory that export or mongodump made")
    if not path.is_dir():
        sha256 = _digest([path], watch)
        return Source(path, format or detect(path), (path,), sha256)
    exported = [place for place in (path, path / model.name) if (place / NAME).is_file()]
    if exported:
        return _export(model, exported[0], watch)
    dumped = list(_dumped(model, path))
    if not dumped:
        raise NotFound(
            f"{path} holds nothing of {model.name}",
            why=f"neither {model.name}/{NAME} of an export nor {model.collection}.bson of a dump is in it",
            next="give the file itself",
        )
    if len(dumped) > 1:
        raise UsageError(
            f"{path} holds several files of {model.name}",
            why=", ".join(str(each.relative_to(path)) for each in dumped[:5]),
            next="give the one that is meant",
        )
    return Source(path, Format.BSON, tuple(dumped), _digest(dumped, watch))


def _export(model: Model, place: Path, watch: Watcher) -> Source:
    manifest = ExportManifest.read(place)
    if manifest.model != model.name:
        raise UsageError(
            f"{place} is an export of {manifest.model}, not of {model.name}",
            next=f"datactl import {manifest.model} {place}",
        )
    total = hashlib.sha256()
    for done, file in enumerate(manifest.files):
        with watch.around("check", done, len(manifest.files), "files"):
            total.update(manifest.check(place, file).encode())
    files = tuple(place / each.name for each in manifest.files)
    return Source(place, manifest.format, files, total.hexdigest(), manifest)


def _dumped(model: Model, path: Path) -> Iterator[Path]:
    """A collection's file in a dump, in a database's folder or beside the others."""
    names = dict.fromkeys(f"{name}.bson{suffix}" for name in _names(model.collection) for suffix in ("", ".gz"))
    for folder in (path, *sorted(each for each in path.iterdir() if each.is_dir())):
        yield from (folder / name for name in names if (folder / name).is_file())


def _names(collection: str) -> tuple[str, str]:
    return collection, quote(collection, safe="")


def _digest(files: list[Path], watch: Watcher) -> str:
    total = hashlib.sha256()
    for done, file in enumerate(files):
        with watch.around("check", done, len(files), "files"):
            total.update(digest_of(file)[1].encode())
    return total.hexdigest()
