"""Adoption: a plan (the text of models.yaml, how it differs, what to look at), then the file, written in one step."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datactl.errors import Conflict, NotFound
from datactl.inspect.adopting.guesses import ModelGuess, Notice
from datactl.inspect.adopting.guessing import guess_models
from datactl.inspect.adopting.keeping import read_text, write_text
from datactl.inspect.adopting.merging import Conflicting, merge_models
from datactl.inspect.adopting.writing import write_models
from datactl.mongo import Mongo
from datactl.schema import parse_models
from datactl.steps import UNWATCHED, Watcher

SAMPLE = 1_000
BASE = "adopted.yaml"


@dataclass(frozen=True, slots=True)
class Adoption:
    """What `init --from-db` would write. `before` is the file as it is (None: there is none), `text` as it would be.

    `conflicts` are places where both the file and the database went another way since the last adoption: the file's
    side is kept. `remembered` is what the file would be without its owner's edits: the base of the next merge.
    """

    path: Path
    before: str | None
    text: str
    remembered: str
    models: tuple[ModelGuess, ...]
    left_out: Mapping[str, str]
    conflicts: tuple[Conflicting, ...] = ()

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Of all models, the gravest first."""
        found = (notice for model in self.models for notice in model.notices)
        return tuple(sorted(found, key=lambda notice: notice.rank))

    @property
    def is_changed(self) -> bool:
        return self.before != self.text

    def diff(self) -> str:
        """The change as a unified diff; empty if there is none."""
        old = (self.before or "").splitlines(keepends=True)
        lines = difflib.unified_diff(
            old, self.text.splitlines(keepends=True), self.path.name, f"{self.path.name} (new)"
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _nothing_there(where: str, left_out: Mapping[str, str]) -> NotFound:
    reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
    return NotFound(
        f"{where} has no collection that could be a model",
        why=reasons or "the database is empty, or it is another one",
        next="name the database in DATACTL_URI, or with --database",
    )


class Adopter:
    """Reads a database and writes models.yaml; run again, it merges into the file that stands there."""

    def __init__(self, mongo: Mongo, path: Path, state_dir: Path) -> None:
        self._mongo = mongo
        self._path = path
        self._base = state_dir / BASE

    def plan(self, *, sample: int = SAMPLE, watch: Watcher = UNWATCHED) -> Adoption:
        """Read the database (nothing is changed there).

        ModelsFileError where the file that stands is not valid, NotFound where the database has no collections.
        """
        before = read_text(self._path)
        names: dict[str, str] = {}
        if before is not None:
            registry = parse_models(before, source=self._path.name)
            names = {model.collection: model.name for model in registry.values()}
        models, catalogue = guess_models(self._mongo, names, sample, watch)
        if not models:
            raise _nothing_there(self._mongo.where, catalogue.left_out)
        generated = write_models(models, catalogue.left_out, self._mongo.where)
        parse_models(generated, source=f"{self._path.name} as it was guessed")
        if before is None:
            return Adoption(self._path, None, generated, generated, tuple(models), catalogue.left_out)
        exact = frozenset(model.collection for model in models if model.is_exact)
        base = read_text(self._base) or ""
        merged, conflicts = merge_models(base, before, generated, exact)
        parse_models(merged, source=f"{self._path.name} as it was merged")
        # What the file would be had nobody edited it: a rule that one sample loosened stays loose for the next.
        remembered = merge_models(base, base, generated, exact)[0] if base else generated
        return Adoption(self._path, before, merged, remembered, tuple(models), catalogue.left_out, conflicts)

    def write(self, adoption: Adoption) -> None:
        """Put the file in place, and remember what was guessed. Conflict if somebody wrote the file meanwhile."""
        if read_text(self._path) != adoption.before:
            raise Conflict(
                f"{self._path.name} was changed while the database was read",
                why="nothing was written",
                next="run it again",
            )
        if adoption.is_changed:
            write_text(self._path, adoption.text, mode=0o644)
        write_text(self._base, adoption.remembered, mode=0o600)
