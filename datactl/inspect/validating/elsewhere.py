"""Whether another check of this run finds what was written outside: a broken value is found once, as what it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from datactl.inspect.validating.checks import DOCUMENTS, MARKS, REFERENCES
from datactl.inspect.validating.documents import check_values
from datactl.inspect.validating.looking import Look
from datactl.inspect.validating.marks import TOLERANCE, judged
from datactl.inspect.validating.references import lost_values
from datactl.records.marks import is_marked
from datactl.records.restoring import values_at


def found_elsewhere(look: Look, document: Mapping[str, Any], paths: Sequence[str]) -> bool:
    """Whether the checks of the document's values, marks or references find fault with any of these paths."""
    return (
        (DOCUMENTS in look.checks and _of_values(look, document, paths))
        or (MARKS in look.checks and _of_marks(look, document, paths))
        or (REFERENCES in look.checks and _of_references(look, document, paths))
    )


def _of_values(look: Look, document: Mapping[str, Any], paths: Sequence[str]) -> bool:
    wrong = [problem.where.removeprefix("/").replace("/", ".") for problem in check_values(look.model, document)]
    return any(_meet(path, each) for path in paths for each in wrong)


def _of_marks(look: Look, document: Mapping[str, Any], paths: Sequence[str]) -> bool:
    marks = look.model.marks
    if not look.model.soft_delete or not any(path in marks.names for path in paths):
        return False
    return judged(marks, document, look.now + TOLERANCE) is not None


def _of_references(look: Look, document: Mapping[str, Any], paths: Sequence[str]) -> bool:
    if is_marked(look.model, document):
        return False
    for reference in look.model.references:
        if not any(_meet(path, reference.path) for path in paths):
            continue
        parent = look.registry.model(str(reference.ref))
        values: Iterator[Any] = iter(values_at(document, reference.path))
        while chunk := list(islice(values, look.mongo.capabilities.in_chunk)):
            if lost_values(look, reference, parent, chunk):
                return True
    return False


def _meet(one: str, other: str) -> bool:
    """Whether a path is the other, or leads to it or from it; positions in lists and keys of maps aside."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
