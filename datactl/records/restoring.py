"""Restoring a marked document: what stands against it, and what is changed if nothing does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pymongo.client_session import ClientSession

from datactl.errors import DatactlError, Problem, RestoreConflict
from datactl.events import aggregate_key
from datactl.mongo import Mongo
from datactl.records.actions import Action, Decision
from datactl.records.differences import difference
from datactl.records.marks import both, is_marked, live
from datactl.records.operations import Context
from datactl.records.placing import with_values
from datactl.schema import Field, Index, Model, Registry

REFERENCES = ("reference_missing", "reference_deleted")
"""The codes of problems that end when another document is live."""

Together: TypeAlias = Callable[[Model, bytes], bool]
"""Whether the document of this model and key comes back with the one that is looked at: no conflict with that."""


class Restore(Action):
    """Take the mark away, as mongoose-delete's `restore()` does: `deleted: false`, the other marks removed."""

    kind = "restore"
    event = "Restored"

    def __init__(
        self,
        model: Model,
        mongo: Mongo,
        registry: Registry,
        values: Mapping[str, Any] | None = None,
        together: Together | None = None,
    ) -> None:
        """`values` are set on the way; `together` tells which documents come back with it."""
        super().__init__(model)
        self._together = together
        self._mongo = mongo
        self._registry = registry
        self._values = values or {}

    def update(self, context: Context) -> Mapping[str, Any]:
        marks = self.model.marks
        others = [name for name in marks.names if name != marks.deleted]
        after = {marks.deleted: False, **self._values, **self.stamps(context)}
        return {"$set": after, "$unset": dict.fromkeys(others, "")}

    def decide(self, document: Mapping[str, Any], context: Context) -> Decision | None:
        if not is_marked(self.model, document):
            return None
        touched = (*self.model.marks.names, *self.stamps(context))
        before = {path: document[path] for path in touched if path in document}
        were, are = difference(document, with_values(document, self._values)) if self._values else ({}, {})
        return before | were, are | {self.model.marks.deleted: False, **self.stamps(context)}

    def refusals(
        self, session: ClientSession | None, documents: Sequence[Mapping[str, Any]]
    ) -> Sequence[DatactlError | None]:
        return self.preflight().refusals(session, [with_values(document, self._values) for document in documents])

    @property
    def may_refer_to_each_other(self) -> bool:
        """Whether documents of this model can refer to others of it."""
        return any(reference.ref == self.model.name for reference in self.model.references)

    def comes_with(self, together: Together) -> None:
        """Tell it what comes back with each of the documents."""
        self._together = together

    def preflight(self) -> Preflight:
        """A look at one selection, chunk after chunk."""
        return Preflight(self.model, self._mongo, self._registry, self._together)


@dataclass(slots=True)
class Preflight:
    """Whether marked documents may be live again: by today's schema, their references, and the unique keys.

    One value looks at one selection: documents of it that want the same key are conflicts as well.
    """

    model: Model
    mongo: Mongo
    registry: Registry
    together: Together | None = None
    _claimed: dict[tuple[str, bytes], Any] = field(default_factory=dict)
    _refused: list[Problem] = field(default_factory=list)
    _ways: str = ""

    def look_at(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Look at a part of the selection outside a transaction; `require_none` says what was found."""
        for document, refusal in zip(documents, self.refusals(None, documents), strict=True):
            if refusal is not None:
                self._ways = self._ways or str(refusal.next)
                self._refused += (
                    Problem(f"{document['_id']}{problem.where}", problem.what, problem.code)
                    for problem in refusal.problems
                )

    def require_none(self, total: int) -> None:
        """RestoreConflict with every problem of every document that was looked at."""
        if self._refused:
            raise RestoreConflict(
                f"{self.model.name}: {conflicts(len(self._refused))} against restoring {documents_of(total)}",
                why=f"{self._refused[0].where}: {self._refused[0].what}",
                next=f"nothing was changed; leave these documents out, or first {self._ways}",
                problems=self._refused,
                model=self.model.name,
            )

    def refusals(
        self, session: ClientSession | None, documents: Sequence[Mapping[str, Any]]
    ) -> list[RestoreConflict | None]:
        """A RestoreConflict with every problem of it for each document that cannot come back."""
        found: list[list[Problem]] = [[] for _ in documents]
        # Of a model without soft delete whatever comes back was absent.
        asked = [n for n, each in enumerate(documents) if not self.model.soft_delete or is_marked(self.model, each)]
        for n in asked:
            # An `_id` cannot be changed: one of another type than is declared today has to come back as it is.
            problems = self.model.check(self._unmarked(documents[n]))
            found[n] += (problem for problem in problems if problem.where.split("/")[1:2] != ["_id"])
        for reference in self.model.references:
            self._check_reference(session, reference, documents, asked, found)
        for index in self.model.unique_keys:
            self._check_unique(session, index, documents, asked, found)
        return [
            RestoreConflict(
                f"{self.model.name} {document['_id']} cannot be restored",
                why=f"{len(problems)} conflicts" if len(problems) > 1 else f"{problems[0].where}: {problems[0].what}",
                next=ways_back(self.model, document, problems),
                problems=problems,
                model=self.model.name,
            )
            if problems
            else None
            for document, problems in zip(documents, found, strict=True)
        ]

    def _unmarked(self, document: Mapping[str, Any]) -> dict[str, Any]:
        names = self.model.marks.names if self.model.soft_delete else ()
        return {name: value for name, value in document.items() if name not in names}

    def _check_reference(
        self,
        session: ClientSession | None,
        reference: Field,
        documents: Sequence[Mapping[str, Any]],
        asked: Sequence[int],
        found: list[list[Problem]],
    ) -> None:
        target = self.registry.model(str(reference.ref))
        wanted = {n: list(values_at(documents[n], reference.path)) for n in asked}
        ids = {aggregate_key(each): each for values in wanted.values() for each in values}
        marks: dict[bytes, bool] = {}
        for chunk in _chunks(list(ids.values()), self.mongo.capabilities.in_chunk):
            fields = {"_id": 1, target.marks.deleted: 1} if target.soft_delete else {"_id": 1}
            rows = self.mongo.collection(target.collection).find({"_id": {"$in": chunk}}, fields, session=session)
            marks.update((aggregate_key(row["_id"]), is_marked(target, row)) for row in rows)
        secret = self.model.is_secret(reference.path)
        for n, values in wanted.items():
            for value in values:
                key = aggregate_key(value)
                if target.name == self.model.name and key == aggregate_key(documents[n]["_id"]):
                    continue  # itself: it is live as soon as it is back
                if self.together is not None and self.together(target, key):
                    continue
                gone = marks.get(key)
                named = f"the {target.name} it refers to" if secret else f"{target.name} {value}"
                if gone is None:
                    what = f"{named} is not there"
                    found[n].append(_problem(reference.path, what, "reference_missing"))
                elif gone:
                    what = f"{named} is deleted: restore it first"
                    found[n].append(_problem(reference.path, what, "reference_deleted"))

    def _check_unique(
        self,
        session: ClientSession | None,
        index: Index,
        documents: Sequence[Mapping[str, Any]],
        asked: Sequence[int],
        found: list[list[Problem]],
    ) -> None:
        condition = {path: value for path, value in (index.partial or {}).items() if path != self.model.marks.deleted}
        present = [path for path, value in condition.items() if value == {"$exists": True}]
        others = {path: value for path, value in condition.items() if path not in present}
        covered = self._covered(session, others, [documents[n]["_id"] for n in asked]) if others else None
        for n in asked:
            document = documents[n]
            key = aggregate_key(document["_id"])
            values = {path: list(values_at(document, path)) or [None] for path in index.paths}
            if (covered is not None and key not in covered) or not all(_present(document, path) for path in present):
                continue
            if index.sparse and _all_missing(values):
                continue
            if holder := self._holder(session, values, condition, document["_id"]):
                what = f"{_shown(self.model, values)} is taken by {self.model.name} {holder[0]}"
                found[n].append(_problem(index.paths[0], what, "unique_taken"))
            claim = (index.name, aggregate_key({"values": [values[path] for path in index.paths]}))
            other = self._claimed.setdefault(claim, document["_id"])
            if aggregate_key(other) != key:
                what = f"{_shown(self.model, values)} is wanted by {self.model.name} {other} too, restored with it"
                found[n].append(_problem(index.paths[0], what, "unique_taken"))

    def _covered(self, session: ClientSession | None, condition: Mapping[str, Any], ids: list[Any]) -> set[bytes]:
        """Which of them the partial index takes in: the server says."""
        found: set[bytes] = set()
        for chunk in _chunks(ids, self.mongo.capabilities.in_chunk):
            query = both({"_id": {"$in": chunk}}, condition)
            rows = self.mongo.collection(self.model.collection).find(query, {"_id": 1}, session=session)
            found.update(aggregate_key(row["_id"]) for row in rows)
        return found

    def _holder(
        self,
        session: ClientSession | None,
        values: Mapping[str, list[Any]],
        condition: Mapping[str, Any],
        own_id: Any,
    ) -> tuple[Any] | None:
        """The live document that has these values now, if there is one."""
        wanted = {path: each[0] if _single(each) else {"$in": each} for path, each in values.items()}
        query = both(both(wanted, live(self.model)), condition)
        for row in self.mongo.collection(self.model.collection).find(query, {"_id": 1}, session=session).limit(2):
            if aggregate_key(row["_id"]) != aggregate_key(own_id):
                return (row["_id"],)
        return None


def values_at(document: Any, path: str) -> Iterator[Any]:
    """Every value at a dotted path, through lists; `$*` is every value of a map. Nothing for what is not there."""
    name, _, rest = path.partition(".")
    if isinstance(document, list):
        for item in document:
            yield from values_at(item, path)
        return
    if not isinstance(document, Mapping):
        return
    found = list(document.values()) if name == "$*" else [document[name]] if name in document else []
    for value in found:
        if rest:
            yield from values_at(value, rest)
        elif isinstance(value, list):
            yield from (item for item in value if item is not None)
        elif value is not None:
            yield value


def ways_back(model: Model, document: Mapping[str, Any], problems: Sequence[Problem]) -> str:
    """What brings a document back although these conflicts stand against it, as commands.

    Another value for the first field that it is about; or an undo of the deletion, which takes a reference that was
    dead before for what it was.
    """
    path = next((problem.where.strip("/").replace("/", ".") for problem in problems if problem.where.strip("/")), None)
    field_of = "FIELD" if path is None or "$*" in path else path
    ways = [f"datactl restore {model.name} {document['_id']} --set {field_of}=VALUE"]
    op = document.get(model.marks.deleted_op) if model.soft_delete else None
    if op is not None and all(problem.code in REFERENCES for problem in problems):
        ways.append(f"datactl undo {op} (all that was deleted with it)")
    return ", or ".join(ways)


def conflicts(number: int) -> str:
    """`1 conflict stands`, `2 conflicts stand`."""
    return f"{number:,} conflicts stand" if number != 1 else "1 conflict stands"


def documents_of(number: int) -> str:
    return f"{number:,} documents" if number != 1 else "1 document"


def _present(document: Any, path: str) -> bool:
    """Whether there is anything at the path, null included, as `$exists` has it."""
    name, _, rest = path.partition(".")
    if isinstance(document, list):
        return any(_present(item, path) for item in document)
    if not isinstance(document, Mapping) or name not in document:
        return False
    return _present(document[name], rest) if rest else True


def _problem(path: str, what: str, code: str) -> Problem:
    return Problem("/" + path.replace(".", "/"), what, code)


def _single(values: list[Any]) -> bool:
    return len(values) == 1 and not isinstance(values[0], Mapping)


def _all_missing(values: Mapping[str, list[Any]]) -> bool:
    return all(each == [None] for each in values.values())


def _shown(model: Model, values: Mapping[str, list[Any]]) -> str:
    """`sku = "A1"`; a secret field's value is not told."""
    return ", ".join(path if model.touches_secret(path) else f"{path} = {each[0]!r}" for path, each in values.items())


def _chunks(values: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
