"""What plugins keep in every document: mongoose-delete's marks, timestamps, Mongoose's version and discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datactl.inspect.adopting.catalogue import Held
from datactl.inspect.adopting.evidence import evidence_of
from datactl.inspect.adopting.guesses import ModelGuess, counted, of, share
from datactl.inspect.adopting.observing import Seen
from datactl.inspect.adopting.sampling import DISCRIMINATOR, Sample
from datactl.mongo import Mongo, mapping_errors
from datactl.schema.options import MONGOOSE_FIELDS
from datactl.schema.policies import Marks

COUNTED = 200_000  # of collections up to this size the marks are counted in full, by one scan on the server
_SPELLINGS: tuple[Mapping[str, str], ...] = (
    {},
    {"deleted": "isDeleted"},
    {"deleted": "is_deleted", "deletedAt": "deleted_at", "deletedBy": "deleted_by"},
)
_MARKS = {"deleted": "deleted", "deletedAt": "deleted_at", "deletedBy": "deleted_by"}  # as models.yaml says them
_STAMPS = ("createdAt", "updatedAt")
_OTHER_STAMPS = ("created_at", "updated_at", "createdOn", "updatedOn", "dateCreated", "dateUpdated", "modifiedAt")
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Kept:
    """The names that are not fields of the application."""

    marks: Marks | None
    names: frozenset[str] = field(default_factory=frozenset)


def find_housekeeping(mongo: Mongo, held: Held, sample: Sample, guess: ModelGuess) -> Kept:
    """Decide on soft delete and timestamps, with evidence in the model's options and notices."""
    names = set(MONGOOSE_FIELDS)
    marks = _marks(mongo, held, sample, guess)
    if marks is not None:
        names |= set(marks.names)
    if _timestamps(sample, guess):
        names |= set(_STAMPS)
    _mongoose(sample, guess)
    return Kept(marks, frozenset(names))


def _marks(mongo: Mongo, held: Held, sample: Sample, guess: ModelGuess) -> Marks | None:
    seen = sample.root.children
    for spelling in _SPELLINGS:
        marks = Marks(spelling.get("deleted", "deleted"))
        own = seen.get(marks.deleted)
        indexed = any(marks.deleted in index["key"] for index in held.indexes)
        is_mark = own is not None and own.given and own.kinds["bool"] == own.given
        if not is_mark and not (indexed and own is None):
            continue
        if spelling:
            renamed = {word: name for word, name in spelling.items() if word == "deleted" or name in seen}
            marks = Marks(**{_MARKS[word]: name for word, name in renamed.items()})
            guess.options["marks"] = (renamed, "the application's names of mongoose-delete's marks")
        counts = _count(mongo, held, marks) if held.documents <= COUNTED else _sampled(own, sample)
        guess.options = {"enableSoftDelete": (True, counts.evidence(marks)), **guess.options}
        _tell(guess, counts, marks)
        by = seen.get(marks.deleted_by)
        if by is not None and by.given:
            kinds = [kind for kind in by.kinds if kind != "null"]
            guess.deleters = kinds[0] if len(kinds) == 1 else "mixed"
            if len(kinds) > 1:
                told = f"{marks.deleted_by} is {evidence_of(by, by.count, 'mixed')}"
                guess.notice("mixed_types", marks.deleted_by, told)
        return marks
    guess.options["enableSoftDelete"] = (False, "no marks of deletion; with true, the application would still see them")
    lone = next((name for name in ("deletedAt", "deleted_at", "removedAt") if name in seen), None)
    if lone:
        guess.notice(
            "other_soft_delete",
            lone,
            f"{lone} without a true or false mark: another way of soft deletion, which datactl does not write",
            "have the application set `deleted` as well, then enableSoftDelete: true",
        )
    return None


@dataclass(slots=True)
class _Counts:
    """How many documents have which mark. `undated`: deleted, without a date; None where only a sample was read."""

    live: int = 0
    deleted: int = 0
    missing: int = 0
    null: int = 0
    other: int = 0
    undated: int | None = None

    @property
    def total(self) -> int:
        return self.live + self.deleted + self.missing + self.null + self.other

    def evidence(self, marks: Marks) -> str:
        parts = [
            f"{word} {share(number, self.total)}"
            for word, number in (
                ("false", self.live),
                ("true", self.deleted),
                ("missing", self.missing),
                ("null", self.null),
                ("neither true nor false", self.other),
            )
            if number
        ]
        return f"{marks.deleted}: {', '.join(parts)} {of(self.total)}" if parts else f"an index on {marks.deleted}"


def _count(mongo: Mongo, held: Held, marks: Marks) -> _Counts:
    """Every document's marks, in one scan by the server."""
    mark, at = f"${marks.deleted}", f"${marks.deleted_at}"
    is_bool = {"$eq": [{"$type": mark}, "bool"]}
    group: dict[str, Any] = {
        "_id": {"kind": {"$type": mark}, "value": {"$cond": [is_bool, mark, None]}, "at": {"$type": at}},
        "number": {"$sum": 1},
    }
    counts, undated = _Counts(), 0
    with (
        mapping_errors(f"count the marks of {held.name}"),
        mongo.collection(held.name).aggregate([{"$group": group}], allowDiskUse=True) as rows,
    ):
        for row in rows:
            key, number = row["_id"], int(row["number"])
            if key["kind"] == "bool" and key["value"]:
                counts.deleted += number
                undated += number if key.get("at") != "date" else 0
            elif key["kind"] == "bool":
                counts.live += number
            elif key["kind"] == "missing":
                counts.missing += number
            elif key["kind"] == "null":
                counts.null += number
            else:
                counts.other += number
    counts.undated = undated
    return counts


def _sampled(own: Seen | None, sample: Sample) -> _Counts:
    if own is None:
        return _Counts(missing=sample.read)
    return _Counts(
        live=own.kinds["bool"] - own.trues,
        deleted=own.trues,
        missing=sample.read - own.count,
        null=own.kinds["null"],
        other=own.given - own.kinds["bool"],
    )


def _tell(guess: ModelGuess, counts: _Counts, marks: Marks) -> None:
    if counts.undated:
        guess.notice(
            "undated_marks",
            marks.deleted_at,
            f"{counts.undated:,} of {counts.deleted:,} deleted documents have no {marks.deleted_at}: they never come "
            "due for the archive",
            f"datactl validate {guess.name} --fix-marks",
        )
    if counts.missing or counts.null:
        number = counts.missing + counts.null
        guess.notice(
            "unmarked",
            marks.deleted,
            f"{counted(number, 'document')}{'' if counts.undated is not None else ' of those read'} "
            f"({share(number, counts.total)}) without a mark: live, but a query or a partial index that says "
            f"{{{marks.deleted}: false}} passes them by",
        )
    if counts.other:
        guess.notice(
            "odd_marks",
            marks.deleted,
            f"{counts.other:,} documents have a {marks.deleted} that is neither true nor false",
        )


def _timestamps(sample: Sample, guess: ModelGuess) -> bool:
    seen = sample.root.children
    stamps = [seen.get(name) for name in _STAMPS]
    dated = all(each is not None and sample.read and each.kinds["date"] >= _MOSTLY * sample.read for each in stamps)
    if not dated:
        others = [name for name in _OTHER_STAMPS if name in seen]
        why = f"{' and '.join(others)}: the application's own" if others else _stamps_evidence(sample, stamps)
        guess.options["enableTimestamps"] = (False, why)
        return False
    guess.options["enableTimestamps"] = (True, _stamps_evidence(sample, stamps))
    for name, each in zip(_STAMPS, stamps, strict=True):
        if each is not None and each.kinds["date"] < sample.read:
            guess.notice("stamps", name, f"{name} is {evidence_of(each, sample.read, 'date').partition(';')[0]}")
    return True


def _stamps_evidence(sample: Sample, stamps: list[Seen | None]) -> str:
    parts = [
        f"{name} {share(each.kinds['date'], sample.read) if each is not None else '0 %'}"
        for name, each in zip(_STAMPS, stamps, strict=True)
    ]
    if not any(each is not None and each.kinds["date"] for each in stamps):
        return f"no {' and no '.join(_STAMPS)}" if sample.read else "no document was there to tell"
    return f"dates in {', '.join(parts)} {of(sample.read)}"


def _mongoose(sample: Sample, guess: ModelGuess) -> None:
    seen = sample.root.children
    if DISCRIMINATOR in seen and sample.varieties:
        kinds = ", ".join(f"{name} {share(count, sample.read)}" for name, count in sample.varieties.most_common(8))
        guess.about.append(f"several kinds share it ({DISCRIMINATOR}): {kinds}")
    if "__v" in seen:
        guess.about.append(f"written by Mongoose: __v in {share(seen['__v'].count, sample.read)}")
