"""Groups: what an operation deleted together with some documents, and may come back with them.

The group of a document is what the same operation took along because of it, by `cascade`. A member that would also
refer to a document which that operation deleted and which stays deleted does not belong to it. Kept in a private
SQLite file, parents before their children: a group may be larger than memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cached_property, partial
from itertools import groupby, islice
from types import TracebackType
from typing import Any, Self

import bson

from datactl.events import OUTBOX, aggregate_key, deleted_by
from datactl.mongo import CODEC, Document, Mongo, mapping_errors
from datactl.records.ledger import Ledger
from datactl.records.marks import is_marked
from datactl.records.references import CASCADE, References, by_ids
from datactl.records.remover import Remover
from datactl.records.restoring import Together, values_at
from datactl.schema import Model


class Lies(IntEnum):
    """Where a member is."""

    LIVE = 0
    MARKED = 1
    ABSENT = 2


_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE member (
    n INTEGER PRIMARY KEY, model TEXT NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL, lies INTEGER NOT NULL,
    root INTEGER NOT NULL, out INTEGER NOT NULL DEFAULT 0, UNIQUE (model, key)
);
CREATE TABLE wants (
    child INTEGER NOT NULL, model TEXT NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL, PRIMARY KEY (model, key, child)
);
CREATE INDEX wants_child ON wants (child);
CREATE TABLE apart (n INTEGER PRIMARY KEY, model TEXT NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL);
CREATE TABLE apart_wants (
    child INTEGER NOT NULL, model TEXT NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL, PRIMARY KEY (model, key, child)
);
"""
_OUTWARD = """
WITH RECURSIVE left_out(n) AS (
    SELECT n FROM member WHERE out
    UNION SELECT wants.child FROM left_out JOIN member ON member.n = left_out.n
        JOIN wants ON wants.model = member.model AND wants.key = member.key
) UPDATE member SET out = 1 WHERE NOT root AND n IN left_out
"""
_LEFT_BEHIND = """
UPDATE member SET out = 1 WHERE NOT root AND n IN (SELECT child FROM wants WHERE model = ? AND key = ?)
"""
_STRANGERS = """
SELECT wants.model, wants.key, min(wants.id) FROM wants LEFT JOIN member USING (model, key)
WHERE member.n IS NULL GROUP BY wants.model, wants.key
"""


class Group:
    """A context manager: `look` from its roots on, then ask."""

    def __init__(self, mongo: Mongo, references: References, op: str) -> None:
        self.op = op
        self._mongo = mongo
        self._references = references
        self._db = sqlite3.connect("", isolation_level=None)  # a file of its own, without a name
        self._db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._db.close()

    def is_apart(self, model: Model, document: Mapping[str, Any]) -> None:
        """A document that the operation deleted and that is not in MongoDB: what it held, as its copy has it."""
        key = aggregate_key(document["_id"])
        row = (model.name, key, _written(document["_id"]))
        number = self._db.execute("INSERT INTO apart (model, key, id) VALUES (?, ?, ?)", row).lastrowid
        wants = ((number, *each) for each in self._wants(model, document))
        self._db.executemany("INSERT OR IGNORE INTO apart_wants VALUES (?, ?, ?, ?)", wants)

    def look(self, model: Model, roots: Iterable[Any]) -> None:
        """Find the members, from these documents on."""
        rows = ((model.name, aggregate_key(each), _written(each), Lies.MARKED) for each in roots)
        self._db.executemany("INSERT OR IGNORE INTO member (model, key, id, lies, root) VALUES (?, ?, ?, ?, 1)", rows)
        for parent, nodes in self._batches():
            ids = [each for _, _, each in nodes]
            for edge in self._references.to(parent, CASCADE):
                fields = dict.fromkeys(("_id", *edge.child.marks.names, *self._paths(edge.child)), 1)
                wanted = {edge.path: {"$in": ids}}
                with mapping_errors(f"looking for the group of operation {self.op}"):
                    place = self._mongo.collection(edge.child.collection)
                    found = list[Document]()
                    for row in place.find(wanted, fields):
                        found.append(row)
                        if len(found) == self._mongo.capabilities.in_chunk:
                            self._take(edge.child, found)
                            found = []
                    self._take(edge.child, found)
                self._take_apart(edge.child, parent, [key for _, key, _ in nodes])
        self._leave_out()

    def _take(self, model: Model, rows: Sequence[Document]) -> None:
        """Of these documents those that the operation deleted: marked by it still, or live again."""
        own = [row for row in rows if is_marked(model, row) and row.get(model.marks.deleted_op) == self.op]
        others = [row for row in rows if not is_marked(model, row)]
        were = self._were_deleted(model, [row["_id"] for row in others])
        own += (row for row in others if aggregate_key(row["_id"]) in were)
        for row in own:
            lies = Lies.MARKED if is_marked(model, row) else Lies.LIVE
            number = self._add(model, row["_id"], lies)
            if number is not None:
                wants = ((number, *each) for each in self._wants(model, row))
                self._db.executemany("INSERT OR IGNORE INTO wants VALUES (?, ?, ?, ?)", wants)

    def _take_apart(self, model: Model, parent: Model, keys: Sequence[bytes]) -> None:
        query = """SELECT DISTINCT apart.n, apart.key, apart.id FROM apart JOIN apart_wants ON apart.n = child
                   WHERE apart.model = ? AND apart_wants.model = ? AND apart_wants.key = ?"""
        for key in keys:
            for n, _, written in self._db.execute(query, (model.name, parent.name, key)).fetchall():
                number = self._add(model, _read(written), Lies.ABSENT)
                if number is not None:
                    copied = "INSERT OR IGNORE INTO wants SELECT ?, model, key, id FROM apart_wants WHERE child = ?"
                    self._db.execute(copied, (number, n))

    def _add(self, model: Model, id: Any, lies: Lies) -> int | None:
        """The number of a new member, None of one that is known."""
        row = (model.name, aggregate_key(id), _written(id), lies)
        added = self._db.execute(
            "INSERT OR IGNORE INTO member (model, key, id, lies, root) VALUES (?, ?, ?, ?, 0)", row
        )
        return added.lastrowid if added.rowcount else None

    def _leave_out(self) -> None:
        """Who refers to what the operation deleted, and is no member, stays with that."""
        strangers = self._db.execute(_STRANGERS).fetchall()
        for name, rows in groupby(sorted(strangers), key=lambda row: str(row[0])):
            model = self._references.registry[name]
            for key in self._still_deleted(model, [_read(written) for _, _, written in rows]):
                self._db.execute(_LEFT_BEHIND, (name, key))
        self._db.execute(_OUTWARD)

    def _still_deleted(self, model: Model, ids: Sequence[Any]) -> set[bytes]:
        fields = {"_id": 1, model.marks.deleted: 1, model.marks.deleted_op: 1}
        there: dict[bytes, bool] = {}
        with mapping_errors(f"reading {model.collection}"):
            for query in by_ids(self._mongo, ids):
                for row in self._mongo.collection(model.collection).find(query, fields):
                    own = is_marked(model, row) and row.get(model.marks.deleted_op) == self.op
                    there[aggregate_key(row["_id"])] = own
        absent = [each for each in ids if aggregate_key(each) not in there]
        return {key for key, own in there.items() if own} | self._were_deleted(model, absent)

    def _were_deleted(self, model: Model, ids: Sequence[Any]) -> set[bytes]:
        """Which of these the operation deleted, its events say."""
        found: set[bytes] = set()
        with mapping_errors(f"reading {OUTBOX}"):
            for query in by_ids(self._mongo, ids):
                wanted = {"op": self.op, "eventType": f"{model.name}Deleted", "aggregateId": query["_id"]}
                rows = self._mongo.collection(OUTBOX).find({"aggregate": model.name, **wanted}, {"aggregateId": 1})
                found.update(aggregate_key(row["aggregateId"]) for row in rows)
        return found

    def _paths(self, model: Model) -> list[str]:
        return [edge.path for edge in self._references.of(model, CASCADE)]

    def _wants(self, model: Model, document: Mapping[str, Any]) -> Iterator[tuple[str, bytes, bytes]]:
        for edge in self._references.of(model, CASCADE):
            for value in values_at(document, edge.path):
                yield edge.parent.name, aggregate_key(value), _written(value)

    # -- what is not there any more ------------------------------------------------------------------------------------

    def deleted_last(self, model: Model, offered: Sequence[Document | None]) -> list[Document]:
        """Of copies of absent documents those that this operation was the last to delete.

        A marked one says so itself. Of one that was removed the newest event must be this operation's, or that of an
        undo which took its return back.
        """
        found = [each for each in offered if each is not None]
        marked = [each for each in found if is_marked(model, each)]
        removed = {aggregate_key(each["_id"]): each for each in found if not is_marked(model, each)}
        own = [each for each in marked if each.get(model.marks.deleted_op) == self.op]
        newest: dict[bytes, tuple[int, str]] = {}
        with mapping_errors(f"reading {OUTBOX}"):
            for query in by_ids(self._mongo, [each["_id"] for each in removed.values()]):
                wanted = {"eventType": f"{model.name}Deleted", "aggregateId": query["_id"]}
                fields = {"aggregateId": 1, "seq": 1, "op": 1}
                for row in self._mongo.collection(OUTBOX).find({"aggregate": model.name, **wanted}, fields):
                    key = aggregate_key(row["aggregateId"])
                    newest[key] = max(newest.get(key, (-1, "")), (row.get("seq") or 0, row["op"]))
        return own + [removed[key] for key, (_, op) in newest.items() if key in removed and op in self._same_as_this]

    @cached_property
    def _same_as_this(self) -> frozenset[str]:
        """The operation, and the undos that deleted again what it had deleted."""
        return Ledger(self._mongo).deleting_again(self.op)

    # -- answers -------------------------------------------------------------------------------------------------------

    def has(self, model: Model, key: bytes) -> bool:
        """Whether the document of this key comes back with the group."""
        query = "SELECT 1 FROM member WHERE model = ? AND key = ? AND NOT out"
        return self._db.execute(query, (model.name, key)).fetchone() is not None

    def members(self, *, roots: bool = False) -> Iterator[tuple[Model, list[tuple[Any, Lies]]]]:
        """The members, parents before children, in parts of one model; the roots are left out unless asked for."""
        last, step = 0, self._mongo.capabilities.in_chunk
        query = "SELECT n, model, id, lies FROM member WHERE n > ? AND NOT out AND (NOT root OR ?) ORDER BY n LIMIT ?"
        while rows := self._db.execute(query, (last, roots, step)).fetchall():
            last = rows[-1][0]
            for name, part in groupby(rows, key=lambda row: str(row[1])):
                yield self._references.registry[name], [(_read(written), Lies(lies)) for _, _, written, lies in part]

    def parts(self) -> Iterator[tuple[Model, list[tuple[Any, Lies]], Together]]:
        """The members in parts of one model in which none has its parent, and what comes back with or after each part.

        What came before a part has to be live by then: a member whose parent did not come back stays with it.
        """
        last, step = 0, self._mongo.capabilities.in_chunk
        query = "SELECT n, model, key, id, lies FROM member WHERE n > ? AND NOT out AND NOT root ORDER BY n LIMIT ?"
        while rows := self._db.execute(query, (last, step)).fetchall():
            part: list[tuple[int, str, bytes, bytes, int]] = []
            for row in rows:
                if part and (row[1] != part[0][1] or self._needs_one_of(row[0], part)):
                    break
                part.append(row)
            last = part[-1][0]
            members = [(_read(written), Lies(lies)) for _, _, _, written, lies in part]
            yield self._references.registry[part[0][1]], members, partial(self._comes_from, part[0][0])

    def _needs_one_of(self, child: int, part: Sequence[tuple[int, str, bytes, bytes, int]]) -> bool:
        rows = self._db.execute("SELECT model, key FROM wants WHERE child = ?", (child,)).fetchall()
        return bool(rows) and not {(model, key) for _, model, key, _, _ in part}.isdisjoint(rows)

    def _comes_from(self, first: int, model: Model, key: bytes) -> bool:
        query = "SELECT 1 FROM member WHERE model = ? AND key = ? AND NOT out AND n >= ?"
        return self._db.execute(query, (model.name, key, first)).fetchone() is not None

    def children_of(self, model: Model, key: bytes) -> Iterator[tuple[Model, Any]]:
        """The members that refer to this document, and were not live."""
        query = """SELECT DISTINCT member.model, member.id FROM wants JOIN member ON member.n = wants.child
                   WHERE wants.model = ? AND wants.key = ? AND NOT out AND NOT root AND lies"""
        for name, written in self._db.execute(query, (model.name, key)).fetchall():
            yield self._references.registry[name], _read(written)

    def to_come(self) -> int:
        """How many members, without the roots, are not live."""
        query = "SELECT count(*) FROM member WHERE NOT out AND NOT root AND lies"
        (count,) = self._db.execute(query).fetchone()
        return int(count)

    def _batches(self) -> Iterator[tuple[Model, list[tuple[int, bytes, Any]]]]:
        last, step = 0, self._mongo.capabilities.in_chunk
        query = "SELECT n, model, key, id FROM member WHERE n > ? ORDER BY n LIMIT ?"
        while rows := self._db.execute(query, (last, step)).fetchall():
            last = rows[-1][0]
            for name, part in groupby(sorted(rows, key=lambda row: (row[1], row[0])), key=lambda row: str(row[1])):
                yield self._references.registry[name], [(n, key, _read(written)) for n, _, key, written in part]


def _written(id: Any) -> bytes:
    return bson.encode({"": id}, codec_options=CODEC)


def _read(written: bytes) -> Any:
    return bson.decode(written, CODEC)[""]


def add_absent(
    mongo: Mongo, references: References, group: Group, remover: Callable[[], Remover], models: Iterable[str]
) -> None:
    """Tell the group what the operation deleted below these models and is in the vault by now."""
    below = {child.name for name in models for child in references.reached_from(references.registry[name])}
    children = [name for name in below if references.of(references.registry[name], CASCADE)]
    rows = deleted_by(mongo, group.op, children)
    while part := list(islice(rows, mongo.capabilities.in_chunk)):
        for name in dict.fromkeys(row["aggregate"] for row in part):
            model = references.registry[name]
            ids = [row["aggregateId"] for row in part if row["aggregate"] == name]
            there: set[bytes] = set()
            with mapping_errors(f"reading {model.collection}"):
                for query in by_ids(mongo, ids):
                    found = mongo.collection(model.collection).find(query, {"_id": 1})
                    there.update(aggregate_key(row["_id"]) for row in found)
            absent = {key: each for each in ids if (key := aggregate_key(each)) not in there}
            if absent:
                for document in group.deleted_last(model, remover().offered(model, list(absent.values()))):
                    group.is_apart(model, document)
