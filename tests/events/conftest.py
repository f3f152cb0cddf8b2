"""Fixtures of the outbox's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from datactl.mongo import Mongo


@pytest.fixture
def explained(mongo: Mongo) -> Callable[..., str]:
    """`explained(collection, filter, sort)`: the winning plan as text."""

    def explain(collection: str, filter: dict[str, Any], sort: dict[str, int]) -> str:
        command = {"find": collection, "filter": filter, "sort": sort, "limit": 1}
        answer = mongo.database.command({"explain": command, "verbosity": "queryPlanner"})
        return str(answer["queryPlanner"]["winningPlan"])

    return explain
