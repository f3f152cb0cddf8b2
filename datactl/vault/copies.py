"""Copies of a document in the vault, and which of them is the archived one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from datactl.vault.manifest import Manifest
from datactl.vault.members import Member
from datactl.vault.names import Rank


@dataclass(frozen=True, slots=True)
class Candidate:
    """A copy of a document, by the hash of its `_id`: `fetch` proves that it is that document.

    `position` counts in the segment, `place` in the member. `receipt`: True if the document left MongoDB with this
    copy, False if it stayed, None if the run is not done (see `archived_copy`). `restored`: it was brought back
    from this copy. `closes_rank`: no other copy of this rank comes after it.
    """

    manifest: Manifest
    member: Member
    position: int
    place: int
    normal_id: bytes
    receipt: bool | None
    restored: bool
    closes_rank: bool = False

    @property
    def rank(self) -> Rank:
        return self.manifest.rank


class Retrieved(NamedTuple):
    """The archived copy of a document and its BSON."""

    copy: Candidate
    document: bytes


def archived_copy(candidates: Iterable[Candidate], *, absent: bool) -> Candidate | None:
    """The archived copy: the highest-ranked one with a `deleted` receipt, unless one as high or higher was restored.

    `candidates` come with the highest rank first (as `Vault.locate` yields them) and are taken only as far as the
    answer needs. `absent`: the document is not in MongoDB, and no run holds the model's lease; then a copy without
    receipt counts as deleted. Copies of one rank are one copy (compaction): a receipt of any of them counts.
    """
    restored = False
    for copies in _by_rank(candidates):
        restored = restored or any(copy.restored for copy in copies)
        if any(_left(copy, absent) for copy in copies):
            return None if restored else _current(copies, absent)
    return None


def _by_rank(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Copies of one rank together, without asking for a further one where it is known that none comes."""
    copies: list[Candidate] = []
    for candidate in candidates:
        if copies and candidate.rank != copies[0].rank:
            yield copies
            copies = []
        copies.append(candidate)
        if candidate.closes_rank:
            yield copies
            copies = []
    if copies:
        yield copies


def _left(copy: Candidate, absent: bool) -> bool:
    return absent if copy.receipt is None else copy.receipt


def _current(copies: list[Candidate], absent: bool) -> Candidate:
    """Of copies of one rank, the one that no other supersedes; of several in that segment, the last that left."""
    superseded = {name for copy in copies for name in copy.manifest.supersedes}
    names = [copy.manifest.name for copy in copies]
    name = next((name for name in names if name not in superseded), names[0])
    there = [copy for copy in copies if copy.manifest.name == name]
    return max(there, key=lambda copy: (_left(copy, absent), copy.position))
