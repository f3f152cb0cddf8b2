"""Explaining: how the server finds documents, what that costs, and which index would serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datactl.mongo import Mongo, mapping_errors
from datactl.schema import Index, Model

_RANGES = frozenset(("$gt", "$gte", "$lt", "$lte", "$ne", "$nin", "$exists", "$regex", "$type", "$not"))
# Reading this many documents for one that is shown is what an index is for.
_WASTE = 10


@dataclass(frozen=True, slots=True)
class Explanation:
    """The plan's stages from the last to the first (`FETCH < IXSCAN category_1`), its cost, and advice if there is any.

    The counts are the server's, of one real execution.
    """

    plan: str
    index: str | None
    keys_examined: int
    documents_examined: int
    returned: int
    milliseconds: int
    suggestion: str | None


def explain(
    mongo: Mongo, model: Model, filter: Mapping[str, Any], sort: Sequence[tuple[str, int]], limit: int | None
) -> Explanation:
    """Run the query and say how it went."""
    command: dict[str, Any] = {"find": model.collection, "filter": dict(filter)}
    if sort:
        command["sort"] = dict(sort)
    if limit:
        command["limit"] = limit
    with mapping_errors(f"explaining a query of {model.collection}"):
        answer = mongo.database.command({"explain": command, "verbosity": "executionStats"})
    stages = list(_stages(answer["queryPlanner"]["winningPlan"]))
    stats = answer.get("executionStats", {})
    index = next((str(stage["indexName"]) for stage in stages if "indexName" in stage), None)
    examined, returned = int(stats.get("totalDocsExamined", 0)), int(stats.get("nReturned", 0))
    scans = any(stage.get("stage") == "COLLSCAN" for stage in stages)
    sorts = any(stage.get("stage") == "SORT" for stage in stages)
    wasteful = examined > _WASTE * max(returned, 1)
    return Explanation(
        plan=" < ".join(_name(stage) for stage in stages),
        index=index,
        keys_examined=int(stats.get("totalKeysExamined", 0)),
        documents_examined=examined,
        returned=returned,
        milliseconds=int(stats.get("executionTimeMillis", 0)),
        suggestion=_suggestion(mongo, model, filter, sort) if scans or sorts or wasteful else None,
    )


def _stages(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "queryPlan" in plan:  # MongoDB's slot-based engine puts the readable plan one level down
        yield from _stages(plan["queryPlan"])
        return
    yield plan
    if isinstance(plan.get("inputStage"), Mapping):
        yield from _stages(plan["inputStage"])
    for inner in plan.get("inputStages", ()):
        yield from _stages(inner)
    for shard in plan.get("shards", ()):
        yield from _stages(shard["winningPlan"])


def _name(stage: Mapping[str, Any]) -> str:
    return " ".join(str(stage[key]) for key in ("stage", "indexName") if key in stage)


def _suggestion(mongo: Mongo, model: Model, filter: Mapping[str, Any], sort: Sequence[tuple[str, int]]) -> str | None:
    """Equality first, then the sort, then ranges: MongoDB manual, "The ESR Guideline"."""
    own = [(path, value) for path, value in filter.items() if not path.startswith("$") and path != model.marks.deleted]
    equal = [(path, 1) for path, value in own if not _is_range(value)]
    ranges = [(path, 1) for path, value in own if _is_range(value)]
    keys = tuple(dict((*ranges, *sort, *equal)).items())
    wanted = {path: direction for path, direction in (*equal, *sort, *ranges) if path in dict(keys)}
    if not wanted or set(wanted) == {"_id"}:
        return None
    declared = _declared(model, tuple(wanted))
    if declared is not None:
        with mapping_errors(f"reading the indexes of {model.collection}"):
            there = declared.name in mongo.collection(model.collection).index_information()
        if there:
            return f"{declared.name} would serve it and is there: this server chose otherwise"
        return f"{declared.name} is declared, would serve it and is missing: datactl index {model.name} makes it"
    shown = ", ".join(f"{path}: {direction}" for path, direction in wanted.items())
    return f"declare it in models.yaml, then datactl index {model.name}: indexes: [{{fields: {{{shown}}}}}]"


def _is_range(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(_RANGES & value.keys())


def _declared(model: Model, paths: tuple[str, ...]) -> Index | None:
    return next((index for index in model.indexes() if index.paths[: len(paths)] == paths and not index.is_text), None)
