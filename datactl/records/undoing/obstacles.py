"""Obstacles: what stands against taking a change back: a unique value that is taken, a reference that would dangle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from datactl.events import aggregate_key
from datactl.mongo import Document, Mongo
from datactl.records.placing import with_values
from datactl.records.references import Edge, References, live_keys
from datactl.records.restoring import Preflight, values_at
from datactl.records.undoing.companions import Companions
from datactl.records.undoing.fates import Fate, FateKind
from datactl.records.undoing.past import Past, Way, touches
from datactl.schema import Model, Registry

if TYPE_CHECKING:
    from datactl.records.undoing.looking import Look

TAKEN = "unique_taken"
NOT_LIVE = "reference_deleted"
RESTRICTED = "restricted"


class Obstacles:
    """Finds them for documents of one model at a time, in the session that will write."""

    def __init__(self, mongo: Mongo, registry: Registry, companions: Companions) -> None:
        self._mongo = mongo
        self._registry = registry
        self._references = References(registry)
        self._companions = companions

    def stand_against(
        self, looks: Sequence[Look], documents: Mapping[bytes, Document], session: ClientSession | None
    ) -> None:
        """Give those that something stands against the fate that follows."""
        way = looks[0].past.way
        if way is Way.UNMARK:
            self._unmarking(looks, documents, session)
        elif way is Way.PATHS:
            self._putting_back(looks, session)
        elif way in (Way.MARK, Way.REMOVE):
            leaving = [each for each in looks if each.goes or (each.reversal is not None and each.reversal.writes)]
            against = self.referrers([each.past for each in leaving], session)
            for each in leaving:
                if each.past.key in against:
                    _refuse(each, against[each.past.key], RESTRICTED)

    def staying(self, looks: Sequence[Look]) -> None:
        """Keep in mind which documents stay as they are, for what refers to them."""
        for each in looks:
            if each.past.way is not Way.PATHS and each.past.model is not None and each.fate.is_left:
                self._companions.stays(each.past.model, each.past.key)

    # -- what would live again -----------------------------------------------------------------------------------------

    def _unmarking(
        self, looks: Sequence[Look], documents: Mapping[bytes, Document], session: ClientSession | None
    ) -> None:
        coming = {each.past.key: each for each in looks if each.reversal is not None and each.reversal.writes}
        if not coming:
            return
        model = looks[0].past.known_model
        asked = [documents[key] for key in coming]
        refusals = Preflight(model, self._mongo, self._registry).refusals(session, asked)
        for each, refusal in zip(list(coming.values()), refusals, strict=True):
            taken = (
                next((problem.what for problem in refusal.problems if problem.code == TAKEN), None) if refusal else None
            )
            if taken is not None:
                _refuse(each, taken, TAKEN)
                del coming[each.past.key]
        waiting = self._without_target(coming, documents, session)
        refused = True
        while refused:  # one that cannot come takes along those that refer to it
            refused = False
            for each, target, why in waiting:
                if each.past.key in coming and target not in coming:
                    _refuse(each, why, NOT_LIVE)
                    del coming[each.past.key]
                    refused = True

    def _without_target(
        self, coming: Mapping[bytes, Look], documents: Mapping[bytes, Document], session: ClientSession | None
    ) -> list[tuple[Look, bytes, str]]:
        """References to what is not live and will not be before: who has one, to what, and what to say of it.

        One to a document that comes in this very transaction is listed too, by that document's key.
        """
        found: list[tuple[Look, bytes, str]] = []
        for reference in next(iter(coming.values())).past.known_model.references if coming else ():
            target = self._registry.model(str(reference.ref))
            wanted = {
                key: {aggregate_key(value): value for value in values_at(documents[key], reference.path)}
                for key in coming
            }
            live = live_keys(self._mongo, target, _once(wanted.values()), session)
            for key, values in wanted.items():
                each = coming[key]
                for at, value in values.items():
                    if at in live or self._comes_later(target, value, each.past.row, session, coming):
                        continue
                    shown = "" if each.past.known_model.is_secret(reference.path) else f" {value}"
                    same = at if target is each.past.model else b""
                    found.append((each, same, f"{reference.path}: {target.name}{shown} is not live"))
        return found

    def _comes_later(
        self,
        target: Model,
        value: Any,
        row: ObjectId,
        session: ClientSession | None,
        here: Mapping[bytes, Look],
    ) -> bool:
        key = aggregate_key(value)
        if key in here and here[key].past.model is target:
            return False  # it is among those that come now: whether it does is seen when all are known
        return key in self._companions.coming(target, [value], row, session)

    # -- what would be referred to -------------------------------------------------------------------------------------

    def _putting_back(self, looks: Sequence[Look], session: ClientSession | None) -> None:
        """A reference for which `onDelete` is declared is put back only to a document that is live."""
        for edge in self._references.of(looks[0].past.known_model):
            wanted: dict[int, tuple[str, dict[bytes, Any]]] = {}
            for number, each in enumerate(looks):
                after = each.reversal.after if each.reversal is not None else {}
                path = next((path for path in after if touches([path], edge.path)), None)
                if path is not None:
                    before = each.reversal.before if each.reversal is not None else {}
                    there = {aggregate_key(value) for value in _values(before, path, edge.path)}
                    values = {aggregate_key(value): value for value in _values(after, path, edge.path)}
                    wanted[number] = (path, {key: value for key, value in values.items() if key not in there})
            live = live_keys(self._mongo, edge.parent, _once(values for _, values in wanted.values()), session)
            for number, (path, referred) in wanted.items():
                past, reversal = looks[number].past, looks[number].reversal
                gone = {key: value for key, value in referred.items() if key not in live}
                later = self._companions.coming(edge.parent, list(gone.values()), past.row, session) if gone else ()
                shown = next((value for key, value in gone.items() if key not in later), None)
                if shown is not None and reversal is not None:
                    named = "" if past.known_model.is_secret(edge.path) else f" {shown}"
                    reversal.refuse(path, f"{edge.parent.name}{named} is not live")

    # -- what would go -------------------------------------------------------------------------------------------------

    def referrers(self, going: Sequence[Past], session: ClientSession | None) -> dict[bytes, str]:
        """Of documents that are about to go: which of them a live document refers to that does not go with them."""
        against: dict[bytes, str] = {}
        edges = self._references.to(going[0].known_model) if going else []
        keys = {past.key: past for past in going}
        step = self._mongo.capabilities.in_chunk
        for edge in edges:
            for start in range(0, len(going), step):
                ids = [past.id for past in going[start : start + step]]
                for child, parents in edge.referrers(self._mongo, ids, session):
                    for parent in parents:
                        if parent not in against and not self._goes_too(edge, child, keys[parent], keys, session):
                            against[parent] = f"{edge.child.name} {child} refers to it ({edge.name})"
        return against

    def _goes_too(
        self, edge: Edge, child: Any, parent: Past, going: Mapping[bytes, Past], session: ClientSession | None
    ) -> bool:
        key = aggregate_key(child)
        if edge.child is parent.model and key in going:
            return True
        return key in self._companions.coming(edge.child, [child], parent.row, session)


def _refuse(look: Look, why: str, code: str) -> None:
    look.reversal = None
    look.goes = False
    past = look.past
    look.fate = Fate(past.aggregate, past.id, past.event, FateKind.IMPOSSIBLE, why, code)


def _values(values: Mapping[str, Any], path: str, reference: str) -> list[Any]:
    """What a document with this value at the path refers to by `reference`."""
    return list(values_at(with_values({}, {path: values[path]}), reference)) if path in values else []


def _once(values: Any) -> list[Any]:
    """Each value once, by its key."""
    return list({key: value for each in values for key, value in each.items()}.values())
