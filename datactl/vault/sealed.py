"""JSON objects that know their own digest, so that a flipped bit anywhere in one is seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from datactl.errors import VaultDamaged

_DIGEST = "digest"


def seal(fields: Mapping[str, Any]) -> bytes:
    """`fields` as canonical JSON (sorted keys, no spaces, ASCII), with `digest`: the SHA-256 of it without itself."""
    bare = _canonical(fields)
    return _canonical({**fields, _DIGEST: f"sha256:{hashlib.sha256(bare).hexdigest()}"})


def unseal(data: bytes, kind: str, key: str) -> dict[str, Any]:
    """The fields of a sealed object. Raises `VaultDamaged` unless every byte is as `seal` made it, and of `kind`."""
    try:
        fields = json.loads(data)
        whole = isinstance(fields, dict) and seal({k: v for k, v in fields.items() if k != _DIGEST}) == data
    except ValueError as error:
        raise VaultDamaged(f"{key} cannot be read", why=str(error), key=key) from error
    if not whole:
        raise VaultDamaged(f"{key} is not what was written", why="its digest differs", key=key)
    if fields.get("format") != kind or fields.get("version") != 1:
        raise VaultDamaged(
            f"{key} has an unknown format",
            why=f"{fields.get('format')!r}, version {fields.get('version')!r}",
            next="A newer datactl may have written it.",
            key=key,
        )
    return dict(fields)


def now() -> datetime:
    """This machine's time: for what a person reads. No rule compares it (ages are by MongoDB's clock)."""
    return datetime.now(UTC)


def date_text(date: datetime) -> str:
    """An aware date as RFC 3339 in UTC, to the millisecond as BSON has it."""
    return date.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_date(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _canonical(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
