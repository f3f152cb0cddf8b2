"""Adopting a database in a test: the registry and the text that come out, and what is worth a look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson import encode

from datactl.inspect.adopting import Adopter, Adoption
from datactl.inspect.adopting.catalogue import Held
from datactl.inspect.adopting.guesses import ModelGuess
from datactl.inspect.adopting.inference import FieldInference
from datactl.inspect.adopting.sampling import sample_of
from datactl.inspect.adopting.writing import write_models
from datactl.mongo import CODEC, Mongo
from datactl.schema import Model, Registry, parse_models


@dataclass(frozen=True)
class Taken:
    """One reading: `notices` are the codes by `Model.path`, `evidence` the comment behind a field's line."""

    adoption: Adoption

    @property
    def registry(self) -> Registry:
        return parse_models(self.adoption.text)

    @property
    def notices(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for notice in self.adoption.notices:
            found.setdefault(f"{notice.model}.{notice.where}", set()).add(notice.code)
        return found

    def said(self, code: str) -> list[str]:
        return [notice.what for notice in self.adoption.notices if notice.code == code]

    def evidence(self, field: str) -> str:
        return comment_behind(self.adoption.text, field)


def comment_behind(text: str, name: str) -> str:
    """The comment on the one line that declares `name`."""
    lines = [line for line in text.splitlines() if line.strip().removeprefix("- ").startswith(f"{name}:")]
    assert len(lines) == 1, lines
    return lines[0].partition(" # ")[2]


def take_over(mongo: Mongo, directory: Path, *, sample: int = 1000, write: bool = True) -> Taken:
    adopter = Adopter(mongo, directory / "models.yaml", directory / ".datactl")
    adoption = adopter.plan(sample=sample)
    if write:
        adopter.write(adoption)
    return Taken(adoption)


def guessed(documents: Iterable[Mapping[str, Any]]) -> tuple[Model, ModelGuess, str]:
    """The model that documents alone give, without a database: its guess and the text as well."""
    held = list(documents)
    guess = ModelGuess("Thing", "things", documents=len(held), read=len(held))
    guess.options["enableSoftDelete"] = (False, "")
    guess.options["enableTimestamps"] = (False, "")
    batches = (encode(each, codec_options=CODEC) for each in held)
    sample = sample_of(Held("things", documents=len(held)), batches)
    guess.fields = FieldInference(sample, guess).fields(["__v", "__t"])
    text = write_models([guess], {}, "nowhere/test")
    return parse_models(text)["Thing"], guess, text
