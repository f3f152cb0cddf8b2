"""Looking: the fate of documents when a change is taken back, decided from what they are now. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.client_session import ClientSession

from datactl.events import aggregate_key
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.references import by_ids
from datactl.records.remover import Remover
from datactl.records.undoing.companions import Companions
from datactl.records.undoing.fates import Fate, FateKind, LaterChange
from datactl.records.undoing.guards import Reversal, differing, reverse
from datactl.records.undoing.later import last_operation, later_changes
from datactl.records.undoing.obstacles import Obstacles
from datactl.records.undoing.past import Past, Way
from datactl.records.writing import CHUNK_BYTES
from datactl.schema import Model, Registry

# So many differing paths are named of a document that is left whole.
_NAMED = 20


@dataclass(slots=True)
class Look:
    """One document: its change, its fate, and what is to be written; `goes`: it is for the vault to take or to give."""

    past: Past
    fate: Fate
    reversal: Reversal | None = None
    goes: bool = False


class Looker:
    """Looks at documents of one operation, in a transaction that will write or outside of any."""

    def __init__(self, mongo: Mongo, registry: Registry, remover: Remover | None, companions: Companions) -> None:
        self._mongo = mongo
        self._remover = remover
        self.obstacles = Obstacles(mongo, registry, companions)

    def read(self, model: Model, pasts: Sequence[Past], session: ClientSession | None) -> dict[bytes, Document]:
        """The documents as they are, by their keys."""
        place = self._mongo.collection(model.collection)
        with mapping_errors(f"reading {model.collection}"):
            return {
                aggregate_key(document["_id"]): document
                for query in by_ids(self._mongo, [past.id for past in pasts])
                for document in place.find(query, session=session).batch_size(len(pasts) + 1)
            }

    def fitting(self, pasts: Sequence[Past], session: ClientSession | None) -> list[Past]:
        """As many of the first as one transaction takes, by the size of their documents; at least one."""
        model = pasts[0].model
        if model is None or len(pasts) == 1:
            return list(pasts)
        sizes = {
            row["_id"]: row["size"] for row in self._rows(model, pasts, {"size": {"$bsonSize": "$$ROOT"}}, session)
        }
        total = 0
        for number, past in enumerate(pasts):
            total += sizes.get(past.key, 0) + past.size
            if total > CHUNK_BYTES and number:
                return list(pasts[:number])
        return list(pasts)

    def alike_in_place(self, pasts: Sequence[Past]) -> tuple[list[Past], bool]:
        """As many of the first as are all in MongoDB, or all not; and which."""
        there = {row["_id"] for row in self._rows(pasts[0].known_model, pasts, {}, None)}
        first = pasts[0].key in there
        number = next((n for n, past in enumerate(pasts) if (past.key in there) != first), len(pasts))
        return list(pasts[:number]), first

    def _rows(
        self, model: Model, pasts: Sequence[Past], fields: Mapping[str, Any], session: ClientSession | None
    ) -> Iterator[Document]:
        """These fields of the documents that are there; their `_id` is their key."""
        place = self._mongo.collection(model.collection)
        with mapping_errors(f"reading {model.collection}"):
            for query in by_ids(self._mongo, [past.id for past in pasts]):
                found = place.find(query, {"_id": 1, **fields}, session=session).batch_size(len(pasts) + 1)
                yield from ({**row, "_id": aggregate_key(row["_id"])} for row in found)

    def look(
        self, pasts: Sequence[Past], documents: Mapping[bytes, Document], session: ClientSession | None
    ) -> list[Look]:
        """Changes of one model that are taken back in one way."""
        way = pasts[0].way
        if way is Way.NONE:
            return [impossible(past, past.trouble or "", "not_undone") for past in pasts]
        if way is Way.REMOVE:
            looks = [self.removal(past, documents.get(past.key), session) for past in pasts]
        else:
            looks = [self._one(past, documents.get(past.key), session) for past in pasts]
        self.obstacles.stand_against(looks, documents, session)
        self._settle(looks, session)
        if way is not Way.REMOVE:
            self._look_into_vault([each for each in looks if each.goes], session)
        self.obstacles.staying(looks)
        return looks

    def removal(self, past: Past, document: Document | None, session: ClientSession | None) -> Look:
        """A document that appeared: it goes if it is as it came, `updatedAt` aside."""
        if document is None:
            return Look(past, _fate(past, FateKind.ALREADY, "it is gone already"))
        if past.unknown:
            return impossible(past, secret_values(past.unknown), "secret_unknown")
        paths = differing(past.known_model, past.after or {}, document)
        if paths:
            return self._changed(past, paths[:_NAMED], session)
        return Look(past, _fate(past, FateKind.UNDONE), goes=True)

    def _one(self, past: Past, document: Document | None, session: ClientSession | None) -> Look:
        if past.way is Way.BRING_BACK and document is not None:
            paths = differing(past.known_model, past.before or {}, document, past.unknown)
            if paths:
                return self._changed(past, paths[:_NAMED], session)
            return Look(past, _fate(past, FateKind.ALREADY, "it is there already"))
        if document is None:
            return self._absent(past, session)
        return Look(past, _fate(past, FateKind.UNDONE), reverse(past, document))

    def _absent(self, past: Past, session: ClientSession | None) -> Look:
        """It was removed, or archived meanwhile. Whatever was done to it since is not taken back with it."""
        since = last_operation(self._mongo, past, session)
        if past.way in (Way.BRING_BACK, Way.UNMARK) and since is None:
            if self._remover is None:
                return impossible(past, "it is not in MongoDB, and there is no vault at hand", "not_found")
            return Look(past, _fate(past, FateKind.UNDONE), goes=True)
        why = "it is not in MongoDB any more" + (f": op {since}" if since else "")
        return Look(past, _fate(past, FateKind.CHANGED, why, changed=(LaterChange("", since),)))

    def _changed(self, past: Past, paths: Sequence[str], session: ClientSession | None) -> Look:
        since = later_changes(self._mongo, past, paths, session)
        return Look(past, _fate(past, FateKind.CHANGED, changed_by(since), changed=since))

    def _settle(self, looks: Sequence[Look], session: ClientSession | None) -> None:
        """The fate that follows from what is written and what is not."""
        for each in looks:
            found = each.reversal
            if found is None or each.fate.kind is not FateKind.UNDONE:
                continue
            since = later_changes(self._mongo, each.past, found.changed, session) if found.changed else ()
            whys = [changed_by(since)] if since else []
            whys += [secret_values(found.unknown)] if found.unknown else []
            whys += [f"{path}: {why}" for path, why in found.refused.items()]
            kind = FateKind.UNDONE
            if whys:
                kind = FateKind.PARTLY if found.writes else FateKind.CHANGED if since else FateKind.IMPOSSIBLE
            elif not found.writes:
                kind = FateKind.ALREADY
            code = None if since or not whys else "secret_unknown" if found.unknown else "reference_deleted"
            each.fate = _fate(each.past, kind, "; ".join(whys) or None, code, since)

    def _look_into_vault(self, looks: Sequence[Look], session: ClientSession | None) -> None:
        """Whether the vault offers what would come back, whether it is what this operation took away, and may come."""
        if not looks or self._remover is None:
            return
        model = looks[0].past.known_model
        found: dict[bytes, Document] = {}
        for each, offered in zip(looks, self._remover.offered(model, [look.past.id for look in looks]), strict=True):
            if offered is None:
                each.fate = _fate(each.past, FateKind.IMPOSSIBLE, "neither MongoDB nor the vault has it", "not_found")
            elif each.past.way is Way.UNMARK and not reverse(each.past, offered).writes:
                each.fate = _fate(each.past, FateKind.CHANGED, "what the vault has of it was deleted by another")
            else:
                found[each.past.key] = offered
                continue
            each.goes = False
        self.obstacles.bringing_back(looks, found, session)


def _fate(
    past: Past,
    kind: FateKind,
    why: str | None = None,
    code: str | None = None,
    changed: tuple[LaterChange, ...] = (),
) -> Fate:
    return Fate(past.aggregate, past.id, past.event, kind, why, code, changed)


def impossible(past: Past, why: str, code: str) -> Look:
    """A document that cannot be as it was."""
    return Look(past, _fate(past, FateKind.IMPOSSIBLE, why, code))


def already(past: Past, why: str) -> Look:
    return Look(past, _fate(past, FateKind.ALREADY, why))


def changed_meanwhile(past: Past) -> Look:
    """One that was as it came when it was looked at, and was not any more when its turn came."""
    return Look(past, _fate(past, FateKind.CHANGED, "it was changed at this moment"))


def undone(past: Past) -> Look:
    return Look(past, _fate(past, FateKind.UNDONE))


def changed_by(since: Iterable[LaterChange]) -> str:
    """`price, stock changed since by op 01K...; tags changed since by another program`."""
    by: dict[str | None, list[str]] = {}
    for each in since:
        by.setdefault(each.op, []).append(each.path)
    return "; ".join(
        f"{', '.join(paths)} changed since by {f'op {op}' if op else 'another program'}" for op, paths in by.items()
    )


def secret_values(paths: Iterable[str]) -> str:
    return f"no event tells the secret values of {', '.join(dict.fromkeys(paths))}"
