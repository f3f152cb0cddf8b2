"""Actions: what is done to one document, decided from what it holds, as values before and after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from pymongo.client_session import ClientSession

from datactl.errors import DatactlError, InvalidDocument
from datactl.events import aggregate_key
from datactl.records.differences import difference, same
from datactl.records.marks import by, is_marked
from datactl.records.operations import Context
from datactl.records.updates import UpdatePlan
from datactl.schema import Model

Values: TypeAlias = dict[str, Any]
Decision: TypeAlias = tuple[Values, Values]  # before, after
Refusals: TypeAlias = Callable[
    [ClientSession | None, Sequence[Mapping[str, Any]]], Sequence[DatactlError | None]
]  # for each document why it must not be changed

UPDATED_AT = "updatedAt"
CREATED_AT = "createdAt"


class Refused(DatactlError):
    """Some of a chunk's documents cannot be changed. The action knows which: tried again, it leaves them out."""


class Action(ABC):
    """One kind of change. Every document of a chunk gets the same `update`; what it meant there, `decide` says."""

    kind: ClassVar[str]
    event: ClassVar[str]
    weight: ClassVar[int] = 1
    """What a document counts in a transaction's size; 3: it may be in its event too, as it was and as it is."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def paths(self) -> tuple[str, ...] | None:
        """The top-level fields it must see to decide; None: the whole document."""
        return None

    @abstractmethod
    def update(self, context: Context) -> Mapping[str, Any]:
        """The update as MongoDB takes it."""

    @abstractmethod
    def decide(self, document: Mapping[str, Any], context: Context) -> Decision | None:
        """(before, after) of the touched paths; None: it is so already."""

    def refusals(
        self,
        session: ClientSession | None,  # noqa: ARG002 - for actions that look at other documents
        documents: Sequence[Mapping[str, Any]],
    ) -> Sequence[DatactlError | None]:
        """For each document why it must not be changed, None where it may be."""
        return [None] * len(documents)

    def stamps(self, context: Context) -> Values:
        """What every change sets beside its own."""
        return {UPDATED_AT: context.at} if self.model.timestamps else {}


class SoftDelete(Action):
    """Mark a document deleted. One that is marked keeps its first marks."""

    kind = "soft_delete"
    event = "Deleted"

    def __init__(self, model: Model, guard: Refusals | None = None) -> None:
        """`guard` is asked in the transaction which documents must stay, for others refer to them."""
        super().__init__(model)
        self._guard = guard
        self._last: tuple[Context, Values] | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.model.marks.names, UPDATED_AT)

    def update(self, context: Context) -> Mapping[str, Any]:
        after = self._after(context)
        gone = [name for name in self.model.marks.names if name not in after]
        return {"$set": after, **({"$unset": dict.fromkeys(gone, "")} if gone else {})}

    def decide(self, document: Mapping[str, Any], context: Context) -> Decision | None:
        if is_marked(self.model, document):
            return None
        after = self._after(context)
        touched = (*self.model.marks.names, *self.stamps(context))
        return {path: document[path] for path in touched if path in document}, after

    def refusals(
        self, session: ClientSession | None, documents: Sequence[Mapping[str, Any]]
    ) -> Sequence[DatactlError | None]:
        return super().refusals(session, documents) if self._guard is None else self._guard(session, documents)

    def _after(self, context: Context) -> Values:
        """The same for every document of an operation."""
        if self._last is not None and self._last[0] is context:
            return self._last[1]
        marks = self.model.marks
        values = {
            marks.deleted: True,
            marks.deleted_at: context.at,
            marks.deleted_by: by(self.model, context.actor),
            marks.delete_reason: context.reason,
            marks.deleted_op: context.op,
        }
        after = {name: value for name, value in values.items() if value is not None} | self.stamps(context)
        self._last = (context, after)
        return after


class Update(Action):
    """Change fields of a document as an update plan says.

    Where whole top-level fields are set or removed, the result is known before; else the server is asked what it made
    of the document (`told`).
    """

    kind = "update"
    event = "Updated"
    weight = 3

    def __init__(self, model: Model, plan: UpdatePlan) -> None:
        super().__init__(model)
        self.plan = plan
        self._refused: dict[bytes, DatactlError] = {}

    @property
    def paths(self) -> tuple[str, ...] | None:
        return (*self.plan.set, *self.plan.unset, UPDATED_AT) if self.plan.plain else None

    def update(self, context: Context) -> Mapping[str, Any]:
        """Without `updatedAt` where the server has to tell first whether anything changes."""
        operators = {name: dict(operands) for name, operands in self.plan.operators.items()}
        if self.plan.plain:
            operators["$set"] = {**operators.get("$set", {}), **self.stamps(context)}
        return {name: operands for name, operands in operators.items() if operands}

    def decide(self, document: Mapping[str, Any], context: Context) -> Decision | None:
        before: Values = {}
        after: Values = {}
        for path, value in self.plan.set.items():
            if path in document:
                if same(document[path], value):
                    continue
                before[path] = document[path]
            after[path] = value
        for path in self.plan.unset:
            if path in document:
                before[path] = document[path]
        return self._stamped(document, before, after, context)

    def refusals(
        self,
        session: ClientSession | None,  # noqa: ARG002 - the server need not be asked
        documents: Sequence[Mapping[str, Any]],
    ) -> Sequence[DatactlError | None]:
        keys = [aggregate_key(document["_id"]) for document in documents]
        self._refused = {key: self._refused[key] for key in keys if key in self._refused}  # a chunk's at most
        return [self._refused.get(key) for key in keys]

    def refuse(self, errors: Mapping[bytes, DatactlError]) -> Refused:
        """Keep in mind why these documents, by their key, cannot be changed; the error to end the transaction with."""
        self._refused.update(errors)
        return Refused(f"{len(errors)} documents cannot be changed")

    def told(self, was: Mapping[str, Any], became: Mapping[str, Any], context: Context) -> Decision | None:
        """What the server made of the document. InvalidDocument if the model does not allow it.

        What was wrong with it before the change does not stand against the change.
        """
        before, after = difference(was, became)
        if before or after:
            old = {problem.where for problem in self.model.check(was)}
            new = [problem for problem in self.model.check(became) if problem.where not in old]
            if new:
                why = f"{new[0].where}: {new[0].what}"
                raise InvalidDocument(f"the update makes no valid {self.model.name}", why=why, problems=new)
        return self._stamped(was, before, after, context)

    def _stamped(self, document: Mapping[str, Any], before: Values, after: Values, context: Context) -> Decision | None:
        if not before and not after:
            return None
        for name, value in self.stamps(context).items():
            if name in document:
                before[name] = document[name]
            after[name] = value
        return before, after
