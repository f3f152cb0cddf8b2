"""Documents that refer to each other: none of them can come back first, all together they can."""

from __future__ import annotations

from collections.abc import Iterable

from datactl.errors import DatactlError
from datactl.records.restoring import REFERENCES, Together
from datactl.schema import Model


class EachOther:
    """Which of these documents of one model come back, if a reference among them stands against none of them.

    One against which something else stands stays, and so does what refers to it. `otherwise`: what else comes back.
    """

    def __init__(self, model: Model, keys: Iterable[bytes], otherwise: Together | None) -> None:
        self._model = model
        self._keys = dict.fromkeys(keys)
        self._otherwise = otherwise
        self._wanted_by: dict[bytes, set[bytes]] = {}
        self._staying: list[bytes] = []

    def asked_by(self, key: bytes) -> Together:
        """What to ask of the references of this document; it remembers which of the others it needs."""

        def together(model: Model, wanted: bytes) -> bool:
            if model.name == self._model.name and wanted in self._keys:
                self._wanted_by.setdefault(wanted, set()).add(key)
            return self.together(model, wanted)

        return together

    def stays(self, key: bytes) -> None:
        """Something else stands against this one."""
        self._staying.append(key)

    def coming(self) -> list[bytes]:
        """The keys of those that come back, in their order, when all were looked at."""
        while self._staying:
            key = self._staying.pop()
            if key in self._keys:
                del self._keys[key]
                self._staying += self._wanted_by.get(key, ())
        return list(self._keys)

    def together(self, model: Model, key: bytes) -> bool:
        known = model.name == self._model.name and key in self._keys
        return known or (self._otherwise is not None and self._otherwise(model, key))


def only_references(error: DatactlError) -> bool:
    """Whether nothing but references to what is not live stands against a document."""
    return bool(error.problems) and all(problem.code in REFERENCES for problem in error.problems)
