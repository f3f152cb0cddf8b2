"""A deletion of documents to which others refer: who must stay is found before, who goes along follows after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo.client_session import ClientSession

from datactl.errors import (
    DatabaseError,
    DatactlError,
    DocumentRejected,
    Interrupted,
    NotFound,
    PartlyDone,
    PreconditionFailed,
    Restricted,
)
from datactl.events import aggregate_key, operation_rows, read_payload
from datactl.mongo import Mongo
from datactl.records.cascading import Cascade
from datactl.records.clock import ServerClock
from datactl.records.ledger import Ledger, State
from datactl.records.operations import Context
from datactl.records.references import RESTRICT, References
from datactl.records.remover import Remover
from datactl.records.removing import Removing
from datactl.records.results import BulkResult, Change
from datactl.records.spool import Spool
from datactl.records.surveying import Survey, restricted
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher

# What the ledger's `detail` says of an operation that has to follow references.
DETAIL = {"references": True}


class Deletion(AbstractContextManager["Deletion"]):
    """One operation's: `before` it deletes, `guard` in each transaction, `after` the last one. A context manager."""

    def __init__(
        self,
        model: Model,
        mongo: Mongo,
        references: References,
        context: Context,
        event_key: bytes | None,
        remover: Callable[[], Remover] | None,
        *,
        single: bool = False,
    ) -> None:
        """`single`: it is about one document, and what stands against that is raised."""
        self._single = single
        self.model = model
        self._mongo = mongo
        self._references = references
        self._survey = Survey(mongo, references)
        self._cascade = Cascade(mongo, references, context, event_key, remover)
        self._ledger = Ledger(mongo)
        self._op = context.op

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._survey.close()
        self._cascade.__exit__(kind, error, at)

    @property
    def survey(self) -> Survey:
        """What was found `before`."""
        return self._survey

    def before(
        self, ids: Iterable[Any], watch: Watcher, *, resumed: bool = False, removing: Removing | None = None
    ) -> None:
        """Look who refers to these documents, and to what goes along with them.

        What a killed run has deleted goes on first: what goes along with that is no obstacle to the rest.
        """
        if removing is not None:
            self._cascade.use(removing, self.model)
        if resumed:
            self._cascade.follow(watch)
        with watch.around("survey", op=self._op):
            self._survey.add(self.model, ids)
            self._survey.look(watch)
        if self._single:
            for refusal in self._survey.refusals():
                raise refusal

    def guard(
        self, session: ClientSession | None, documents: Sequence[Mapping[str, Any]]
    ) -> Sequence[DatactlError | None]:
        """For each document why it must stay: by what was found before, and by who refers to it directly now."""
        found: list[DatactlError | None] = [self._survey.refusal(self.model, each["_id"]) for each in documents]
        places = {aggregate_key(each["_id"]): n for n, each in enumerate(documents)}
        ids = [each["_id"] for each in documents]
        for edge in self._references.to(self.model, RESTRICT):
            for chunk in _chunks(ids, self._mongo.capabilities.in_chunk):
                for child, parents in edge.referrers(self._mongo, chunk, session):
                    if self._survey.includes(edge.child, aggregate_key(child)):
                        continue
                    for n in (places[key] for key in parents):
                        if found[n] is None:
                            found[n] = restricted(self.model, ids[n], self.model, ids[n], edge.name, 1, child)
        return found

    def after(self, watch: Watcher, removing: Removing | None = None) -> bool:
        """Take along what goes along; False if it was stopped before the end. `removing`: by which it was deleted."""
        if removing is not None:
            self._cascade.use(removing, self.model)
        if not self._cascade.finish(watch):
            return False
        self._ledger.kept(self._op, self._cascade.failed)
        return True


_ERRORS: Mapping[str, type[DatactlError]] = {
    each.code: each for each in (Restricted, NotFound, DocumentRejected, PreconditionFailed)
}


def only_change(mongo: Mongo, model: Model, id: Any, result: BulkResult, kind: str) -> Change:
    """What became of the one document that an operation was about. Its error, or PartlyDone for what went along."""
    if not result.changed and result.failed:
        failure = result.failed[0]
        error = _ERRORS.get(failure.code, DatabaseError)
        raise error(failure.what, problems=[failure], op=result.op)
    if result.stopped:
        raise Interrupted(
            f"{model.name} {id}: stopped before all that goes along with it was deleted",
            next=f"datactl ops resume {result.op}",
            op=result.op,
        )
    if result.failures:
        raise PartlyDone(
            f"{model.name} {id} is deleted; {result.failures:,} documents could not go along",
            why=result.failed[0].what if result.failed else None,
            next=f"look at what stands against them, then delete them: datactl ops show {result.op}",
            problems=result.failed,
            op=result.op,
        )
    if not result.changed:
        return Change(model.name, id, kind, changed=False, op=result.op)
    row = next(operation_rows(mongo, result.op, aggregate=model.name, event_types=[f"{model.name}Deleted"]))
    payload = read_payload(mongo, row)
    before, after = payload.get("before"), payload.get("after")
    return Change(model.name, id, kind, True, result.op, before, after, row["seq"], result.along)  # noqa: FBT003


def finish_earlier(
    model: Model,
    mongo: Mongo,
    references: References,
    event_key: bytes | None,
    remover: Callable[[], Remover] | None,
    watch: Watcher = UNWATCHED,
) -> None:
    """What killed or stopped deletions of this model still have to take along goes along now.

    Which other documents they were to delete only the machine knows that they were begun on: `resume_bulk`.
    """
    ledger = Ledger(mongo)
    for row in ledger.unfinished(model.name, **{f"detail.{name}": value for name, value in DETAIL.items()}):
        context = Context(row["_id"], row["actor"], row["reason"], row["startedAt"])
        with Cascade(mongo, references, context, event_key, remover) as cascade:
            if row["position"] < row["counts"]["matched"]:
                cascade.follow(watch)
            elif cascade.finish(watch):
                ledger.kept(row["_id"], cascade.failed)
                ledger.close(row["_id"], State.DONE, ServerClock(mongo).now(), position=row["position"])
                if row["spool"] is not None:
                    Spool(Path(row["spool"])).remove()


def _chunks(ids: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
