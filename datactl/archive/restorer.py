"""Bringing documents back from wherever they are: marked in MongoDB, or in the vault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from datactl.archive.binding import check
from datactl.archive.holds import ensure_holds_index
from datactl.archive.insertion import Insertion
from datactl.archive.remover import VaultRemover
from datactl.archive.restored import RestoreReport
from datactl.archive.restoring import RestoreJob
from datactl.archive.whereabouts import Whereabouts, find_document, how_to_reach, id_key
from datactl.errors import BadId, NotFound, Problem, RestoreConflict, UsageError
from datactl.events import ensure_outbox_indexes
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.records.operations import Context, new_op
from datactl.records.references import CASCADE, NULLIFY, References
from datactl.records.regrouping import Regrouping
from datactl.records.remover import Remover
from datactl.records.restoring import Together
from datactl.records.updates import read_update
from datactl.schema import Model, Registry
from datactl.steps import UNWATCHED, Watcher
from datactl.vault import Manifest, SegmentName, Vault


class Restorer:
    """Finds documents, and brings them back. Never overwrites one."""

    def __init__(
        self,
        mongo: Mongo,
        vault: Vault,
        registry: Registry,
        *,
        actor: str | None = None,
        event_key: bytes | None = None,
    ) -> None:
        self._mongo = mongo
        self._vault = vault
        self._registry = registry
        self._actor = actor
        self._event_key = event_key

    def find(self, model: str, id: Any) -> Whereabouts:
        """Where the document is; changes nothing.

        UsageError, BadId; VaultMismatch; VaultDamaged where a segment cannot be read.
        """
        known = self._registry.model(model)
        namespaces = check(self._mongo, self._vault).namespaces(known)
        return find_document(self._mongo, self._vault, known, _read_id(known, id), namespaces)

    def restore(
        self,
        model: str,
        ids: Sequence[Any],
        *,
        as_archived: bool = False,
        set: Mapping[str, Any] | None = None,
        from_segment: str | None = None,
        only: bool = False,
        actor: str | None = None,
        reason: str | None = None,
        watch: Watcher = UNWATCHED,
    ) -> RestoreReport:
        """Bring the documents back, each on its own: what stands against one keeps no other.

        A marked one loses its mark; an archived one is inserted, checked against today's schema, references and
        unique keys. `set` gives fields (dotted paths) new values on the way. `as_archived` inserts the archived bytes
        with their marks, held for 30 days; one that is only marked is held as it is, and unchanged. `from_segment`
        names the segment whose copy comes back, even one that was brought back before (a database restored from a
        backup has lost it since).

        What was deleted along with a document comes back too (also what is left of it, where the document is live
        already), unless `only` those named are asked for. Of one document everything that stands against it and them is
        found before anything is changed; of several they come back first, and then the group of each.

        Failures are in the report: NotFound, RestoreConflict, VaultDamaged ... BadId, UsageError, VaultMismatch, an
        unknown segment (NotFound) and a failing database are raised.
        """
        if as_archived and set:
            raise UsageError("as it was archived, or with other values: not both", next="leave one of them out")
        known = self._registry.model(model)
        wanted = _parsed(known, ids)
        values = read_update(known, {"$set": dict(set)}).operators["$set"] if set else {}
        self._mongo.require_transactions()
        namespaces = check(self._mongo, self._vault).namespaces(known)
        named = None if from_segment is None else self._segment(known, from_segment, namespaces)
        ensure_outbox_indexes(self._mongo)
        if as_archived or known.archive.select is not None:
            ensure_holds_index(self._mongo)
        context = Context(new_op(), actor or self._actor, reason, self._mongo.server_time())

        def job(context: Context, together: Together | None = None) -> RestoreJob:
            return RestoreJob(
                self._mongo,
                self._vault,
                known,
                context,
                Insertion(self._mongo, self._registry, known, context, values, as_archived, self._event_key, together),
                Repository(known, self._mongo, self._registry, actor=context.actor, event_key=self._event_key),
                watch,
                namespaces=namespaces,
                named=named,
            )

        references = References(self._registry)
        if only or as_archived or named is not None or not references.to(known, CASCADE, NULLIFY):
            return job(context).run(wanted)
        regrouping = Regrouping(known, self._mongo, references, self._event_key, self._remover)
        if len(wanted) == 1:
            return _with_group(regrouping, wanted[0], job, context, values, watch)
        return _with_groups(regrouping, job(context).run(wanted), context, watch)

    def _remover(self) -> Remover:
        return VaultRemover(self._mongo, self._vault, self._registry, event_key=self._event_key)

    def _segment(self, model: Model, name: str, namespaces: Container[str]) -> Manifest:
        """The committed segment of this name, if its documents are this model's. UsageError, NotFound."""
        manifest = self._vault.manifest(model.name, str(SegmentName.parse(name)))
        if not isinstance(manifest, Manifest):
            raise NotFound(
                f"the vault has no segment {name} of {model.name}",
                why=None if manifest is None else "it was aborted",
                next=f"datactl archive list {model.name}",
            )
        if manifest.namespace not in namespaces:
            why, following = how_to_reach(model, self._mongo.namespace(model.collection), [manifest.namespace])
            raise NotFound(f"segment {name} is of another namespace", why=why, next=following)
        return manifest


def _read_id(model: Model, id: Any) -> Any:
    """Text and JSON are read by the model; any other value is an `_id` as it is, be it NaN, null or code."""
    return model.parse_id(id) if type(id) is str or isinstance(id, Mapping) else id


def _parsed(model: Model, ids: Sequence[Any]) -> list[Any]:
    """Every id read and each once, in the order given. BadId for the first that is none, before anything is changed."""
    found = {id_key(value): value for value in (_read_id(model, each) for each in ids)}
    if not found:
        raise BadId(f"no {model.name} is named", next=f"datactl restore {model.name} ID")
    return list(found.values())


def _with_group(
    regrouping: Regrouping,
    id: Any,
    job: Callable[[Context, Together | None], RestoreJob],
    context: Context,
    values: Mapping[str, Any],
    watch: Watcher,
) -> RestoreReport:
    """One document, and what was deleted with it. RestoreConflict with all that stands against any of them."""
    deleted_by = regrouping.deleted_by(id)
    with regrouping.group_of(id) as group:
        if group is None:
            report = job(context, None).run([id])
            return replace(report, deleted_by=deleted_by, emptied=regrouping.emptied_by(deleted_by))
        context = regrouping.begun(id, group, context)

        def bring_back() -> RestoreReport:
            report = job(context, group.has).run([id])
            report.raise_failures()
            return report

        report, came = regrouping.restore(id, group, context, bring_back, set=values, watch=watch)
    return replace(
        report,
        along=came.along,
        left_along=came.failed,
        deleted_by=came.deleted_by,
        emptied=came.emptied,
        stopped=came.stopped,
    )


def _with_groups(regrouping: Regrouping, report: RestoreReport, context: Context, watch: Watcher) -> RestoreReport:
    """The groups of several documents that are back by now, one after the other, each under an operation of its own."""
    along: dict[str, Counter[str]] = {}
    left: list[Problem] = []
    stopped = report.stopped
    for each in (*(restored.id for restored in report.restored), *report.unchanged):
        with regrouping.group_of(each) as group:
            if group is None or stopped:
                continue
            own = regrouping.begun(each, group, replace(context, op=new_op()))
            try:
                _, came = regrouping.restore(each, group, own, lambda: None, watch=watch)
            except RestoreConflict as error:
                left += error.problems
                continue
            left += came.failed
            stopped = came.stopped
            for name, counts in came.along.items():
                along.setdefault(name, Counter()).update(counts)
    return replace(report, along=along, left_along=tuple(left), stopped=stopped)
