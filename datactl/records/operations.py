"""Operations: their ids, and who does them, when and why."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime

# Crockford's base 32, as ULIDs are written: https://github.com/ulid/spec
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHARACTERS = 26
_RANDOM_BYTES = 10


def new_op() -> str:
    """The id of a new operation: a ULID, 26 characters that sort by time."""
    milliseconds = time.time_ns() // 1_000_000
    number = milliseconds << (8 * _RANDOM_BYTES) | int.from_bytes(os.urandom(_RANDOM_BYTES), "big")
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in reversed(range(_CHARACTERS)))


@dataclass(frozen=True, slots=True)
class Context:
    """One operation: its id, its actor and reason, and its time by the server's clock."""

    op: str
    actor: str | None
    reason: str | None
    at: datetime
