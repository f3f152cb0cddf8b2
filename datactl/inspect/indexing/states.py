"""How the database stands to one index: what a plan of the indexes is made of, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    PRESENT = "present"
    MISSING = "missing"
    DIFFERENT = "different"  # its keys or its name are there, with other options or keys
    UNKNOWN = "unknown"  # in the database, and no model asks for it
    UNSUPPORTED = "unsupported"  # this server, or this kind of collection, cannot have it
    CREATED = "created"
    REBUILT = "rebuilt"
    DROPPED = "dropped"
    FAILED = "failed"


DRIFT = (State.MISSING, State.DIFFERENT, State.UNKNOWN)
"""Where the database is not what the models say."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """One index that a model asks for or the database has. `reason` says why where it is not simply present.

    `have` is the existing index's name, where that is another than the one asked for. `made_by_datactl`: the record
    of what datactl made has exactly this index. `unused_since`: no operation used it since then, on the server that
    was asked. `prefix_of` names an index that answers whatever this one does.
    """

    model: str
    collection: str
    name: str
    keys: tuple[tuple[str, int | str], ...]
    unique: bool
    origin: str
    state: State
    reason: str | None = None
    have: str | None = None
    made_by_datactl: bool = False
    unused_since: datetime | None = None
    prefix_of: str | None = None
    definition: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """The existing index as listIndexes has it: what is dropped, and put back where its successor cannot be built."""
    lost: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """An index that a rebuild dropped before it was cut off: put back where this one cannot be built."""

    @property
    def existing(self) -> str:
        """The name under which the database has it, or would."""
        return self.have or self.name
