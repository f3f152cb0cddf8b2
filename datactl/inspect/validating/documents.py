"""The check `documents`: the server finds what its `$jsonSchema` refuses, and the model says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datactl.errors import Problem
from datactl.inspect.findings import Finding
from datactl.inspect.validating.checks import DOCUMENTS, finding
from datactl.inspect.validating.looking import Look
from datactl.schema import Model

# Of one document so many problems are told; a list of a thousand wrong items is one mistake.
PROBLEMS_TOLD = 10


def check_documents(look: Look) -> Iterator[Finding]:
    """One finding per problem of each document that the server refuses, the marks aside. No secret value is told."""
    model = look.model
    for document in look.rows({"$match": {"$nor": [schema_without_marks(model)]}}):
        problems = explained(model, document)
        for problem in problems[:PROBLEMS_TOLD]:
            yield finding(DOCUMENTS, problem.code, model.name, f"{problem.where} {problem.what}", id=document["_id"])
        if len(problems) > PROBLEMS_TOLD:
            more = f"{len(problems) - PROBLEMS_TOLD:,} more values of it are wrong"
            yield finding(DOCUMENTS, problems[PROBLEMS_TOLD].code, model.name, more, id=document["_id"])


def schema_without_marks(model: Model) -> dict[str, Any]:
    """The model's validator, without what it says of a deletion's marks."""
    schema = dict(model.validator()["$jsonSchema"])
    marks = model.marks.names if model.soft_delete else ()
    schema["properties"] = {name: rule for name, rule in schema["properties"].items() if name not in marks}
    return {"$jsonSchema": schema}


def explained(model: Model, document: Mapping[str, Any]) -> list[Problem]:
    """Why the server refuses a document: by the model's own check, which sees what the validator sees."""
    found = [_concealed(model, problem) for problem in check_values(model, document)]
    return found or [Problem("/", "is refused by the rules of the validator", "rejected")]


def check_values(model: Model, document: Mapping[str, Any]) -> tuple[Problem, ...]:
    """What the model finds wrong with a document, its marks aside."""
    marks = model.marks.names if model.soft_delete else ()
    return model.check({name: value for name, value in document.items() if name not in marks})


def _concealed(model: Model, problem: Problem) -> Problem:
    """The problem, without the value where that is inside a secret field."""
    path = ".".join(_unescaped(name) for name in problem.where.split("/")[1:])
    if not model.is_secret(path):
        return problem
    return Problem(problem.where, problem.what.partition(", found ")[0].partition(", has ")[0], problem.code)


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")
