"""What an import is given: which files a path stands for, their format, and the one SHA-256 of all their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from datactl.errors import Conflict, NotFound, StoreError, UsageError
from datactl.schema import Model
from datactl.steps import Watcher
from datactl.transfer.directory import digest_of
from datactl.transfer.formats import Format, detect
from datactl.transfer.manifest import NAME, ExportManifest
from datactl.transfer.segments import require_whole_segment


@dataclass(frozen=True, slots=True)
class Source:
    """The input of one import. `manifest` is that of an export; `sha256` is of the files' digests, in order.

    `states` are what the file system said of the files before they were read for it.
    """

    place: Path
    format: Format
    files: tuple[Path, ...]
    sha256: str
    states: tuple[tuple[int, ...], ...]
    manifest: ExportManifest | None = None

    @property
    def is_stored(self) -> bool:
        """Whether its documents were in a database as they are: they get no defaults and keep what is undeclared."""
        return self.format is Format.BSON or self.manifest is not None

    def require_unchanged(self) -> None:
        """Conflict if a file is no longer what `sha256` was taken of: longer, written to, or another one."""
        for path, state in zip(self.files, self.states, strict=True):
            if _state(path) != state:
                raise Conflict(
                    f"{path} changed while it was read",
                    why="what has changed was not imported, what was read before is",
                    next="let nothing write to it; put it back as it was to go on, or begin anew with --again",
                )


def find_source(model: Model, path: Path, format: Format | None, watch: Watcher) -> Source:
    """The files at a path, each read once for its digest.

    NotFound; UsageError for a directory that holds nothing of the model, or several candidates; VaultDamaged where an
    export is not what its manifest says, or a segment not what its trailer says.
    """
    if not path.exists():
        raise NotFound(f"{path} is not there", next="give a file, or a directory that export or mongodump made")
    if not path.is_dir():
        if not path.is_file():
            raise UsageError(
                f"{path} is a pipe or a device, not a file",
                why="an import reads its input more than once: for its SHA-256, and when it is carried on",
                next="write it to a file first, and import that",
            )
        if (beside := _beside(path)) is not None:
            return _files(beside, path, watch, path.parent)
        state = _state(path)
        require_whole_segment(path)
        sha256 = _digest([path], watch)
        return Source(path, format or detect(path), (path,), sha256, (state,))
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
    states = tuple(_state(each) for each in dumped)
    for each in dumped:
        require_whole_segment(each)
    return Source(path, Format.BSON, tuple(dumped), _digest(dumped, watch), states)


def _export(model: Model, place: Path, watch: Watcher) -> Source:
    manifest = ExportManifest.read(place)
    if manifest.model != model.name:
        raise UsageError(
            f"{place} is an export of {manifest.model}, not of {model.name}",
            next=f"datactl import {manifest.model} {place}",
        )
    return _files(manifest, place, watch, place)


def _beside(path: Path) -> ExportManifest | None:
    """What the manifest beside a file says of it, if it is a file of an export."""
    if not ExportManifest.is_in(path.parent):
        return None
    manifest = ExportManifest.read(path.parent)
    files = tuple(each for each in manifest.files if each.name == path.name)
    return replace(manifest, files=files, documents=files[0].documents) if files else None


def _files(manifest: ExportManifest, place: Path, watch: Watcher, directory: Path) -> Source:
    total = hashlib.sha256()
    states = []
    for done, file in enumerate(manifest.files):
        path = directory / file.name
        with watch.around("check", done, len(manifest.files), "files"):
            states.append(_state(path) if path.is_file() else ())
            total.update(manifest.check(directory, file).encode())
    files = tuple(directory / each.name for each in manifest.files)
    return Source(place, manifest.format, files, total.hexdigest(), tuple(states), manifest)


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise StoreError(f"cannot read {path}", why=error.strerror or str(error)) from None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


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
