"""Names in the vault: segments, their ranks, and the key of every object."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import NamedTuple, Self
from urllib.parse import quote, unquote

from datactl.errors import UsageError

SEGMENTS = "segments"
INDEXES = "indexes"
MANIFESTS = "manifests"
RECEIPTS = "receipts"
EPOCHS = "epochs"
IDENTITY = "vault.json"

_NAME = re.compile(r"(\d{8})-(\d{6})-([0-9a-f]{16})\Z")
_EPOCH = re.compile(r"/(\d{10})\Z")
_OP = re.compile(r"[A-Za-z0-9_]{1,64}\Z")


class Rank(NamedTuple):
    """Which copy of a document counts: that of the later run, never of the later clock. Compared as a tuple."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """`{epoch:08d}-{number:06d}-{nonce}`: the run's epoch, the segment's number in it, and the attempt's nonce.

    The nonce makes every attempt's keys its own, so that two attempts at one segment never meet in a key.
    """

    epoch: int
    number: int
    nonce: str

    @classmethod
    def new(cls, epoch: int, number: int) -> Self:
        """A name for a fresh attempt, with a random nonce of 8 bytes."""
        return cls(epoch, number, secrets.token_hex(8))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name back. Raises `UsageError`."""
        found = _NAME.match(text)
        if not found:
            raise UsageError(f"{text!r} is not a segment's name", why="it should look like 00000012-000003-<16 hex>")
        return cls(int(found[1]), int(found[2]), found[3])

    @property
    def rank(self) -> Rank:
        return Rank(self.epoch, self.number)

    def __post_init__(self) -> None:
        if not _NAME.match(str(self)):
            raise UsageError(f"{self} is not a segment's name", why="epoch, number or nonce is out of range")

    def __str__(self) -> str:
        return f"{self.epoch:08d}-{self.number:06d}-{self.nonce}"


def folder(kind: str, model: str) -> str:
    """The prefix of one model's objects of a kind, ending with "/"."""
    return f"{kind}/{_quoted(model)}/"


def segment_key(model: str, name: str) -> str:
    return f"{folder(SEGMENTS, model)}{name}.bson.gz"


def metadata_key(model: str, name: str) -> str:
    return f"{folder(SEGMENTS, model)}{name}.metadata.json.gz"


def index_key(model: str, name: str) -> str:
    return f"{folder(INDEXES, model)}{name}.idx"


def manifest_key(model: str, name: str) -> str:
    return f"{folder(MANIFESTS, model)}{name}.json"


def receipts_folder(model: str, name: str) -> str:
    return f"{folder(RECEIPTS, model)}{name}/"


def deleted_key(model: str, name: str) -> str:
    return f"{receipts_folder(model, name)}deleted.json"


def restored_key(model: str, name: str, op: str, part: int = 1) -> str:
    """`restored-OP.json`; a later part (from 2) for documents that the same operation restored after a crash."""
    if not _OP.match(op):
        raise UsageError(f"{op!r} cannot name a receipt", why="an operation's id has letters, digits and _ only")
    return f"{receipts_folder(model, name)}restored-{op}{'' if part == 1 else f'-{part}'}.json"


def epoch_key(model: str, epoch: int) -> str:
    return f"{folder(EPOCHS, model)}{epoch:010d}"


def epoch_in(key: str) -> int | None:
    """The epoch that is claimed by `key`, None if it is something else."""
    found = _EPOCH.search(key)
    return int(found[1]) if found else None


def name_in(key: str, suffix: str) -> str | None:
    """The segment's name in the last part of `key` if it ends with `suffix` and is one, else None."""
    last = key.rsplit("/", 1)[-1]
    stem = last.removesuffix(suffix)
    return stem if stem != last and _NAME.match(stem) else None


def model_in(key: str) -> str:
    """The model's name in the second part of `key`."""
    return unquote(key.split("/")[1])


def _quoted(model: str) -> str:
    """A model's name as one part of a key: anything but letters, digits, `_` and `-` as %XX."""
    quoted = quote(model, safe="").replace(".", "%2E").replace("~", "%7E")
    if not quoted or len(quoted) > 150:
        raise UsageError(f"{model!r} cannot name a part of the vault", why="it is empty or too long")
    return quoted
