"""The formats of exported files, and which one a file that is given has: told by its first bytes, not by its name."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from gzip import BadGzipFile
from pathlib import Path
from typing import IO, cast

from isal import igzip

from datactl.errors import StoreError, UsageError
from datactl.vault.members import IsalError
from datactl.vault.rawbson import LONGEST_DOCUMENT

_GZIP = b"\x1f\x8b"
_ARCHIVE = struct.pack("<I", 0x8199E26D)  # how `mongodump --archive` begins (mongo-tools, archive/archive.go)
_LENGTH = struct.Struct("<i")
_SHORTEST = 5
_OF_BSON = tuple(bytes([kind]) for kind in (*range(0x14), 0x7F, 0xFF))  # where BSON has the type of its first field
_BOM = b"\xef\xbb\xbf"
_HEAD = 4096


class Format(StrEnum):
    """How documents stand in a file."""

    BSON = "bson"
    NDJSON = "ndjson"
    CSV = "csv"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, uncompressed if it is a gzip file. UsageError if it cannot be read, or its gzip is broken."""
    try:
        with path.open("rb") as plain:
            if plain.read(2) != _GZIP:
                plain.seek(0)
                yield plain
                return
        with igzip.open(path, "rb") as packed:  # type: ignore[no-untyped-call]
            yield cast("IO[bytes]", packed)
    except (EOFError, BadGzipFile, IsalError) as error:
        raise UsageError(
            f"{path} is no whole gzip file", why=str(error), next="it was cut or damaged: copy it once more"
        ) from None
    except IsADirectoryError:
        raise UsageError(
            f"{path} is a directory", next="give a file, or a directory that export or mongodump made"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot read {path}", why=error.strerror or str(error)) from None


def _is_utf_16(head: bytes) -> bool:
    """By its byte order mark. A BSON file may begin with the same two bytes, but then its first field has a type."""
    return (head.startswith(b"\xfe\xff") and head[3:4] != b"\0") or (
        head.startswith(b"\xff\xfe") and head[4:5] not in _OF_BSON
    )


def detect(path: Path) -> Format:
    """The format of a file. UsageError for what is none of them. An empty file is NDJSON of no documents."""
    with opened(path) as file:
        head = file.read(_HEAD)
    if head.startswith(_ARCHIVE):
        raise UsageError(
            f"{path} is an archive of mongodump", why="all collections are mixed in it", next="mongodump --out DIR"
        )
    if _is_utf_16(head):
        raise UsageError(
            f"{path} is text in UTF-16",
            why="JSON and CSV are read in UTF-8",
            next=f"iconv -f UTF-16 -t UTF-8 {path} > {path.stem}-utf8{path.suffix}",
        )
    if len(head) >= _SHORTEST and _SHORTEST <= _LENGTH.unpack_from(head)[0] <= LONGEST_DOCUMENT:
        return Format.BSON  # the fourth byte of a text is never zero, so that a text's length would be too large
    text = head.removeprefix(_BOM).lstrip()
    if text.startswith(b"["):
        raise UsageError(
            f"{path} holds a JSON array",
            why="one document a line is read, so that memory holds one",
            next=f"jq -c '.[]' {path} > {path.stem}.ndjson",
        )
    if text.partition(b"\n")[0].strip() == b"{":
        raise UsageError(
            f"{path} holds JSON of several lines a document",
            why="a line is read at a time",
            next=f"jq -c . {path} > {path.stem}.ndjson",
        )
    return Format.NDJSON if not text or text.startswith(b"{") else Format.CSV
