"""The check `documents`: the server finds what its `$jsonSchema` refuses, and the model says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from math import isnan
from typing import Any

from bson.decimal128 import Decimal128

from datactl.errors import DatabaseError, DatabaseTimeout, Problem
from datactl.inspect.findings import Finding
from datactl.inspect.validating.checks import DOCUMENTS, finding
from datactl.inspect.validating.looking import Look
from datactl.schema import Model
from datactl.schema.reading import pointer

# Of one document so many problems are told; a list of a thousand wrong items is one mistake.
PROBLEMS_TOLD = 10


def check_documents(look: Look) -> Iterator[Finding]:
    """One finding per problem of each document that the server refuses, the marks aside. No secret value is told."""
    model = look.model
    for document, problems in _refused(look):
        for problem in problems[:PROBLEMS_TOLD]:
            yield finding(DOCUMENTS, problem.code, model.name, f"{problem.where} {problem.what}", id=document["_id"])
        if len(problems) > PROBLEMS_TOLD:
            more = f"{len(problems) - PROBLEMS_TOLD:,} more values of it are wrong"
            yield finding(DOCUMENTS, problems[PROBLEMS_TOLD].code, model.name, more, id=document["_id"])


def _refused(look: Look) -> Iterator[tuple[Mapping[str, Any], list[Problem]]]:
    """The documents that break the model's rules, and how: found by the server, or here where it cannot apply them."""
    found = 0
    try:
        for document in look.rows({"$match": {"$nor": [schema_without_marks(look.model)]}}):
            found += 1
            yield document, explained(look.model, document)
    except DatabaseError as error:
        if found or isinstance(error, DatabaseTimeout):
            raise
    else:
        return
    for document in look.rows():  # a server that cannot compare NaN refuses the question, not the document
        if problems := _broken_rules(look.model, document):
            yield document, problems


def schema_without_marks(model: Model) -> dict[str, Any]:
    """The model's validator, without what it says of a deletion's marks."""
    schema = dict(model.validator()["$jsonSchema"])
    marks = model.marks.names if model.soft_delete else ()
    schema["properties"] = {name: rule for name, rule in schema["properties"].items() if name not in marks}
    return {"$jsonSchema": schema}


def explained(model: Model, document: Mapping[str, Any]) -> list[Problem]:
    """Why the server refuses a document: by the model's own check, which sees what the validator sees."""
    return _broken_rules(model, document) or [Problem("/", "is refused by the rules of the validator", "rejected")]


def _broken_rules(model: Model, document: Mapping[str, Any]) -> list[Problem]:
    """What the model finds wrong; and the NaN that no limit lets through."""
    found = list(check_values(model, document))
    told = {problem.where for problem in found}
    for path in _nans(document, ()):
        field = model.field(".".join(path))
        where = reduce(pointer, path, "")
        if field is not None and where not in told and (field.min is not None or field.max is not None):
            found.append(Problem(where, "is NaN, which its min or max does not let through", "rejected"))
    return found


def _nans(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths of the values that are not a number."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _nans(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _nans(inner, (*path, str(place)))
    elif (isinstance(value, float) and isnan(value)) or (isinstance(value, Decimal128) and value.to_decimal().is_nan()):
        yield path


def check_values(model: Model, document: Mapping[str, Any]) -> tuple[Problem, ...]:
    """What the model finds wrong with a document, its marks aside."""
    marks = model.marks.names if model.soft_delete else ()
    return model.check({name: value for name, value in document.items() if name not in marks})
