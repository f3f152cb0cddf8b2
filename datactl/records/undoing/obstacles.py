"""Obstacles: what stands against taking a change back: a unique value that is taken, a reference that would dangle."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymongo.client_session import ClientSession

from datactl.events import aggregate_key
from datactl.mongo import Document, Mongo
from datactl.records.marks import is_marked
from datactl.records.placing import with_values
from datactl.records.references import CASCADE, Edge, References, live_keys
from datactl.records.restoring import Preflight, values_at
from datactl.records.undoing.companions import Companions
from datactl.records.undoing.fates import Fate, FateKind
from datactl.records.undoing.former import was_dead
from datactl.records.undoing.past import Past, Way, touches
from datactl.schema import Model, Registry

if TYPE_CHECKING:
    from datactl.records.undoing.looking import Look

TAKEN = "unique_taken"
NOT_LIVE = "reference_deleted"
RESTRICTED = "restricted"
PARENT_STAYS = "parent_stays"


class Obstacles:
    """Finds them for documents of one model at a time, in the session that will write."""

    def __init__(self, mongo: Mongo, registry: Registry, companions: Companions) -> None:
        self._mongo = mongo
        self._registry = registry
        self._references = References(registry)
        self._companions = companions
        self._excused: set[tuple[str, bytes]] = set()

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
            against = self.against_leaving([each.past for each in leaving], documents, session)
            for each in leaving:
                if each.past.key in against:
                    _refuse(each, *against[each.past.key])

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
        self._living_again(coming, documents, (TAKEN,), session)

    def bringing_back(
        self, looks: Sequence[Look], offered: Mapping[bytes, Document], session: ClientSession | None
    ) -> None:
        """Give those that something stands against, of what the vault offers, the fate that follows.

        It asks what the restore asks that brings them back; `comes_too` answers it about their references.
        """
        coming = {each.past.key: each for each in looks if each.goes and each.past.key in offered}
        if not coming:
            return
        model = looks[0].past.known_model
        if looks[0].past.way is Way.BRING_BACK:  # one that was marked stays so, and nothing can stand against it
            coming = {key: each for key, each in coming.items() if not is_marked(model, offered[key])}
        mark = {model.marks.deleted: True} if model.soft_delete else {}
        self._excused.clear()
        self._living_again(coming, {key: {**offered[key], **mark} for key in coming}, None, session)
        self._excused.update((model.name, key) for key in coming)

    def comes_too(self, model: Model, key: bytes) -> bool:
        """Whether a document does not stand against those that were last looked at, although it is not live."""
        return (model.name, key) in self._excused

    def _living_again(
        self,
        coming: dict[bytes, Look],
        documents: Mapping[bytes, Document],
        codes: Collection[str] | None,
        session: ClientSession | None,
    ) -> None:
        """Refuse those that cannot be live again, by problems of these codes (None: any) and by their references."""
        if not coming:
            return
        model = next(iter(coming.values())).past.known_model
        asked = [documents[key] for key in coming]
        look = Preflight(model, self._mongo, self._registry, _no_matter)
        for each, refusal in zip(list(coming.values()), look.refusals(session, asked), strict=True):
            problems = [
                problem for problem in (refusal.problems if refusal else ()) if codes is None or problem.code in codes
            ]
            if problems:
                why = "; ".join(problem.what for problem in (problems if codes is None else problems[:1]))
                _refuse(each, why, problems[0].code)
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
                    if at in live:
                        continue
                    if self._is_no_obstacle(target, value, each.past, session, coming):
                        self._excused.add((target.name, at))
                        continue
                    shown = "" if each.past.known_model.is_secret(reference.path) else f" {value}"
                    same = at if target is each.past.model else b""
                    found.append((each, same, f"{reference.path}: {target.name}{shown} is not live"))
        return found

    def _is_no_obstacle(
        self,
        target: Model,
        value: Any,
        past: Past,
        session: ClientSession | None,
        here: Mapping[bytes, Look],
    ) -> bool:
        """Whether a document that is not live comes later, or was not live before the operation either."""
        key = aggregate_key(value)
        if key in here and here[key].past.model is target:
            return False  # it is among those that come now: whether it does is seen when all are known
        if key in self._companions.coming(target, [value], past.row, session):
            return True
        return was_dead(self._mongo, target, value, past, session)

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

    def against_leaving(
        self, going: Sequence[Past], documents: Mapping[bytes, Document], session: ClientSession | None
    ) -> dict[bytes, tuple[str, str]]:
        """Of documents that are about to go those that must stay: why, and its code."""
        against = {key: (why, RESTRICTED) for key, why in self._referrers(going, session).items()}
        waiting = self._below_what_stays(going, documents, against, session)
        held = True
        while held:  # one that stays keeps what went along with it
            held = False
            for child, parent, why in waiting:
                if child not in against and parent in against:
                    against[child] = (why, PARENT_STAYS)
                    held = True
        return against

    def _below_what_stays(
        self,
        going: Sequence[Past],
        documents: Mapping[bytes, Document],
        against: dict[bytes, tuple[str, str]],
        session: ClientSession | None,
    ) -> list[tuple[bytes, bytes, str]]:
        """Add those whose parent had its turn in the same operation and is live still.

        Which refer to one that goes now: the keys of both, and what to say if that stays.
        """
        found: list[tuple[bytes, bytes, str]] = []
        here = {past.key for past in going}
        for edge in self._references.of(going[0].known_model, CASCADE) if going else ():
            wanted = {past.key: edge.values_of(documents[past.key]) for past in going if past.key in documents}
            ids = {aggregate_key(value): value for values in wanted.values() for value in values}
            live = live_keys(self._mongo, edge.parent, list(ids.values()), session)
            for past in going:
                keys = {aggregate_key(value): value for value in wanted.get(past.key, ())}
                own = past.key if edge.parent.name == past.aggregate else None
                parents = {key: value for key, value in keys.items() if key in live and key != own}
                staying = self._companions.stayed(edge.parent, list(parents.values()), past.row, session)
                for key, value in parents.items():
                    why = f"{edge.parent.name} {value} stays, with which it came ({edge.name})"
                    if edge.parent.name == past.aggregate and key in here:
                        found.append((past.key, key, why))
                    elif key in staying:
                        against.setdefault(past.key, (why, PARENT_STAYS))
        return found

    def _referrers(self, going: Sequence[Past], session: ClientSession | None) -> dict[bytes, str]:
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


def _no_matter(model: Model, key: bytes) -> bool:  # noqa: ARG001 - references are looked at elsewhere
    return True


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
