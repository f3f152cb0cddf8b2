"""The spool: the ids a bulk operation froze, and what it is to do with them, on disk until it is done.

`ids.bson` is a row of BSON documents `{_id: ...}`, each of which begins with its length; `order.bson` says what to do.
Both may hold what documents hold, so only their owner may read them.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import bson

from datactl.durable import sync_directory
from datactl.errors import NotFound
from datactl.mongo import CODEC, mapping_errors

_LENGTH = struct.Struct("<i")
_READ_BYTES = 1 << 20


class Spool:
    """The frozen ids of one operation, in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def write(cls, directory: Path, batches: Iterable[bytes], order: Mapping[str, Any]) -> tuple[Self, int]:
        """Write and fsync; the spool and how many ids it holds. `batches` are concatenated documents `{_id: ...}`.

        Nothing is left of it if that fails. DocumentRejected for an order that BSON cannot hold.
        """
        with mapping_errors("encoding what the operation is to do"):
            encoded = bson.encode(order, codec_options=CODEC)
        directory.mkdir(parents=True, mode=0o700)
        spool = cls(directory)
        with ExitStack() as unless_it_is_whole:
            unless_it_is_whole.callback(spool.remove)
            count = spool._write(batches, encoded)
            unless_it_is_whole.pop_all()
        return spool, count

    def _write(self, batches: Iterable[bytes], order: bytes) -> int:
        directory, count = self.directory, 0
        with _private(directory / "ids.bson") as file:
            for batch in batches:
                count += sum(1 for _ in _documents(batch))
                file.write(batch)
            file.flush()
            os.fsync(file.fileno())
        with _private(directory / "order.bson") as file:
            file.write(order)
            file.flush()
            os.fsync(file.fileno())
        for parent in (directory, directory.parent):
            sync_directory(parent)
        return count

    @classmethod
    def open(cls, directory: str | None, op: str) -> Self:
        """The spool of an operation begun before. NotFound if it is not on this machine any more."""
        if directory is None or not (Path(directory) / "ids.bson").exists():
            raise NotFound(
                f"the ids that operation {op} froze are not here",
                why=f"there is no {directory}" if directory else "it spooled none",
                next=f"carry it on where it was begun: datactl ops resume {op}",
            )
        return cls(Path(directory))

    @classmethod
    def of_decided(cls, directory: str | None) -> Spool:
        """That of an operation whose every id is decided: what is left of it needs none of them, and it may be gone."""
        there = directory is not None and (Path(directory) / "ids.bson").exists()
        return cls(Path(directory)) if directory is not None and there else _Gone(Path(directory or os.devnull))

    @property
    def order(self) -> dict[str, Any]:
        return bson.decode((self.directory / "order.bson").read_bytes(), CODEC)

    def ids(self, start: int = 0) -> Iterator[Any]:
        """The frozen ids, from number `start` on."""
        rest, number = b"", 0
        with (self.directory / "ids.bson").open("rb") as file:
            while block := file.read(_READ_BYTES):
                data = rest + block
                used = sum(map(len, _documents(data)))
                for document in bson.decode_all(data[:used], CODEC):
                    if number >= start:
                        yield document["_id"]
                    number += 1
                rest = data[used:]

    def remove(self) -> None:
        """Take it away, once its operation is closed. That it is gone already is no error."""
        shutil.rmtree(self.directory, ignore_errors=True)


class _Gone(Spool):
    """One that is not there any more, of which nothing is needed."""

    @property
    def order(self) -> dict[str, Any]:
        return {"selection": None}

    def ids(self, start: int = 0) -> Iterator[Any]:  # noqa: ARG002 - there are none left
        return iter(())

    def remove(self) -> None:
        """There is nothing to take away."""


def _documents(data: bytes) -> Iterator[bytes]:
    """The whole documents at the beginning of `data`."""
    offset = 0
    while offset + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, offset)
        if offset + length > len(data):
            return
        yield data[offset : offset + length]
        offset += length


def _private(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
