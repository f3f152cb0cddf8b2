"""Seeding faults: each writes past datactl, and says what is to be found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.inspect.validating.project import Project, city


@dataclass(frozen=True)
class Expected:
    """A finding: `where` exactly, each of `says` somewhere in what it says."""

    check: str
    code: str
    model: str
    where: str
    says: tuple[str, ...] = ()


Seed = Callable[["Seeder"], Expected]


class Seeder:
    """Writes past datactl, as an application, a script or a broken disk does."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.mongo = project.mongo
        self.now = project.mongo.server_time()
        self._number = count(100_000)
        self._persons = iter(self._untouched("Person"))
        self._segments = iter([manifest.name for manifest in project.vault.manifests("Invoice")][3:])

    def _untouched(self, model: str) -> list[Any]:
        rows = self.rows(model).find({"deleted": {"$in": [False, None]}}, {"_id": 1}).sort("_id", -1)
        return [row["_id"] for row in rows.limit(200)]

    def rows(self, model: str) -> Any:
        return self.project.rows(model)

    def city(self, **fields: Any) -> Any:
        """A further city with these fields; `Ellipsis` leaves one out. Its `_id`."""
        document = city(next(self._number), **fields)
        document = {name: value for name, value in document.items() if value is not ...}
        self.rows("City").insert_one(document)
        return document["_id"]

    def person(self) -> Any:
        """A person that has an event; each one once."""
        return next(self._persons)

    def write(self, model: str, id: Any, update: dict[str, Any]) -> None:
        assert self.rows(model).update_one({"_id": id}, update).modified_count == 1

    def segment(self) -> str:
        """A segment of invoices; each one once."""
        return next(self._segments)

    def file(self, key: str) -> Path:
        path = self.project.directory / key
        path.chmod(0o644)
        return path
