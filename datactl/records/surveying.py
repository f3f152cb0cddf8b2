"""The survey before a deletion: who would go along, and who stands against it.

Documents that would go are nodes of a graph, kept in a private SQLite file that goes when it is closed: a group may be
larger than memory. A node is blocked where a live document outside the group refers to it by `restrict`, and where a
document that would have to go along with it is blocked. A root that is not blocked may go, and takes along what is
reached from it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from types import TracebackType
from typing import Any, Self

import bson

from datactl.errors import Problem, Restricted
from datactl.events import aggregate_key
from datactl.mongo import CODEC, Mongo
from datactl.records.references import CASCADE, NULLIFY, RESTRICT, References, live_keys
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher

# So many are counted of those that stand against one document.
COUNTED = 1000

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE node (
    n INTEGER PRIMARY KEY, model TEXT NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL, root INTEGER NOT NULL,
    blocked INTEGER NOT NULL DEFAULT 0, inside INTEGER NOT NULL DEFAULT 1,
    edge TEXT, found INTEGER NOT NULL DEFAULT 0, example BLOB, UNIQUE (model, key)
);
CREATE INDEX blocked_nodes ON node (blocked) WHERE blocked;
CREATE TABLE along (parent INTEGER NOT NULL, child INTEGER NOT NULL, PRIMARY KEY (parent, child)) WITHOUT ROWID;
CREATE INDEX along_child ON along (child);
CREATE TABLE held (
    parent INTEGER NOT NULL, child INTEGER NOT NULL, edge TEXT NOT NULL, PRIMARY KEY (parent, child, edge)
) WITHOUT ROWID;
CREATE TABLE emptied (edge TEXT NOT NULL, key BLOB NOT NULL, PRIMARY KEY (edge, key)) WITHOUT ROWID;
"""
_UPWARD = """
WITH RECURSIVE up(n) AS (
    SELECT n FROM node WHERE blocked UNION SELECT parent FROM along JOIN up ON along.child = up.n
) UPDATE node SET blocked = 1 WHERE blocked = 0 AND n IN up
"""
_REACHED = """
WITH RECURSIVE reach(n) AS (
    SELECT n FROM node WHERE root AND NOT blocked UNION SELECT child FROM along JOIN reach ON along.parent = reach.n
) UPDATE node SET inside = n IN reach
"""
_LEFT_OUT = """
UPDATE node SET blocked = 1, edge = h.edge, found = h.found, example = h.example
FROM (
    SELECT parent, min(held.edge) AS edge, count(*) AS found, child.id AS example
    FROM held JOIN node AS child ON child.n = held.child WHERE NOT child.inside GROUP BY parent
) AS h
WHERE node.n = h.parent AND node.inside AND NOT node.blocked
"""
_CAUSE = """
WITH RECURSIVE down(n) AS (
    SELECT ? UNION SELECT child FROM along JOIN down ON along.parent = down.n JOIN node ON node.n = child
    WHERE node.blocked
) SELECT model, id, edge, found, example FROM node WHERE n IN down AND edge IS NOT NULL ORDER BY n LIMIT 1
"""


class Survey:
    """A context manager: `add` the documents that are to be deleted, `look`, then ask."""

    def __init__(self, mongo: Mongo, references: References) -> None:
        self._mongo = mongo
        self._references = references
        self._db = sqlite3.connect("", isolation_level=None)  # a file of its own, without a name
        self._db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def add(self, model: Model, ids: Iterable[Any]) -> None:
        """Documents that are to be deleted. One that is not live has no part in it."""
        for chunk in _chunks(iter(ids), self._mongo.capabilities.in_chunk):
            self._insert(model, live_keys(self._mongo, model, chunk), root=True)

    def look(self, watch: Watcher = UNWATCHED) -> None:
        """Follow the references, pass after pass; then decide who is blocked."""
        for model, nodes in self._batches():
            for edge in self._references.to(model, CASCADE):
                for child, parents in edge.referrers(self._mongo, [each for _, _, each in nodes]):
                    self._along(edge.child, child, parents, {key: n for n, key, _ in nodes})
            watch.progress("survey", nodes[-1][0])
        for model, nodes in self._batches():
            for edge in self._references.to(model, RESTRICT):
                found: dict[int, int] = {}
                numbers = {key: n for n, key, _ in nodes}
                for child, parents in edge.referrers(self._mongo, [each for _, _, each in nodes]):
                    for key in parents:
                        self._restricts(edge.child, child, edge.name, numbers[key], found)
                    if len(found) == len(nodes) and min(found.values()) >= COUNTED:
                        break
        self._decide()

    def _decide(self) -> None:
        while True:
            self._db.execute(_UPWARD)
            self._db.execute(_REACHED)
            if not self._db.execute(_LEFT_OUT).rowcount:
                return

    # -- answers -------------------------------------------------------------------------------------------------------

    def refusal(self, model: Model, id: Any) -> Restricted | None:
        """Why this root must stay, None where it may go."""
        row = self._node(model, aggregate_key(id))
        if row is None or not row[1]:
            return None
        held, held_id, edge, found, example = self._db.execute(_CAUSE, (row[0],)).fetchone()
        return restricted(model, id, self._references.registry[held], _read(held_id), edge, found, _read(example))

    def refusals(self) -> Iterator[Restricted]:
        """Why roots must stay, one after the other."""
        for name, written in self._db.execute(
            "SELECT model, id FROM node WHERE root AND blocked ORDER BY n"
        ).fetchall():
            error = self.refusal(self._references.registry[name], _read(written))
            if error is not None:
                yield error

    def includes(self, model: Model, key: bytes) -> bool:
        """Whether this document is one that goes."""
        row = self._node(model, key)
        return row is not None and bool(row[2])

    def goes_along(self) -> dict[str, int]:
        """How many documents of which models go along with the roots."""
        query = "SELECT model, count(*) FROM node WHERE inside AND NOT root GROUP BY model ORDER BY min(n)"
        return dict(self._db.execute(query).fetchall())

    def blocked(self) -> tuple[int, tuple[str, ...]]:
        """How many roots must stay, and the fields that hold them."""
        (count,) = self._db.execute("SELECT count(*) FROM node WHERE root AND blocked").fetchone()
        edges = self._db.execute("SELECT DISTINCT edge FROM node WHERE edge IS NOT NULL ORDER BY edge")
        return count, tuple(edge for (edge,) in edges) if count else ()

    def emptied(self) -> dict[str, int]:
        """How many documents that stay lose a reference, by the field. Asks the database."""
        for model, nodes in self._batches(inside=True):
            for edge in self._references.to(model, NULLIFY):
                for child, _ in edge.referrers(self._mongo, [each for _, _, each in nodes]):
                    key = aggregate_key(child)
                    if not self.includes(edge.child, key):
                        self._db.execute("INSERT OR IGNORE INTO emptied VALUES (?, ?)", (edge.name, key))
        return dict(self._db.execute("SELECT edge, count(*) FROM emptied GROUP BY edge ORDER BY edge").fetchall())

    # -- the graph -----------------------------------------------------------------------------------------------------

    def _batches(self, *, inside: bool = False) -> Iterator[tuple[Model, list[tuple[int, bytes, Any]]]]:
        """Every node once, those that come meanwhile too: as many of one model as one question takes."""
        last, step = 0, self._mongo.capabilities.in_chunk
        query = "SELECT n, model, key, id FROM node WHERE n > ? AND inside >= ? ORDER BY n LIMIT ?"
        while rows := self._db.execute(query, (last, inside, step)).fetchall():
            last = rows[-1][0]
            for name, group in groupby(sorted(rows, key=lambda row: (row[1], row[0])), key=lambda row: row[1]):
                yield self._references.registry[name], [(n, key, _read(written)) for n, _, key, written in group]

    def _insert(self, model: Model, found: Mapping[bytes, Any], *, root: bool) -> None:
        rows = ((model.name, key, _written(each), root) for key, each in found.items())
        self._db.executemany("INSERT OR IGNORE INTO node (model, key, id, root) VALUES (?, ?, ?, ?)", rows)

    def _along(self, model: Model, id: Any, parents: Sequence[bytes], numbers: Mapping[bytes, int]) -> None:
        key = aggregate_key(id)
        self._insert(model, {key: id}, root=False)
        row = self._node(model, key)
        if row is not None:
            pairs = ((numbers[parent], row[0]) for parent in parents)
            self._db.executemany("INSERT OR IGNORE INTO along VALUES (?, ?)", pairs)

    def _restricts(self, model: Model, id: Any, edge: str, parent: int, found: dict[int, int]) -> None:
        child = self._node(model, aggregate_key(id))
        if child is not None:
            self._db.execute("INSERT OR IGNORE INTO held VALUES (?, ?, ?)", (parent, child[0], edge))
            return
        found[parent] = found.get(parent, 0) + 1
        if found[parent] == 1:
            self._db.execute(
                "UPDATE node SET blocked = 1, edge = ?, example = ? WHERE n = ?", (edge, _written(id), parent)
            )
        if found[parent] <= COUNTED:
            self._db.execute("UPDATE node SET found = found + 1 WHERE n = ?", (parent,))

    def _node(self, model: Model, key: bytes) -> tuple[int, int, int] | None:
        query = "SELECT n, blocked, inside FROM node WHERE model = ? AND key = ?"
        row: tuple[int, int, int] | None = self._db.execute(query, (model.name, key)).fetchone()
        return row


def restricted(model: Model, id: Any, held: Model, held_id: Any, edge: str, found: int, example: Any) -> Restricted:
    """The error of a document that must stay: `found` documents refer to `held` by `edge`, `example` is one of them."""
    many = f"{found:,} or more" if found >= COUNTED else f"{found:,}"
    verb = "document refers" if found == 1 else "documents refer"
    itself = (held.name, aggregate_key(held_id)) == (model.name, aggregate_key(id))
    target = "it" if itself else f"{held.name} {held_id}, which would go along"
    child, _, path = edge.partition(".")
    where = f"one of them is {example}" if found > 1 else f"it is {example}"
    return Restricted(
        f"{model.name} {id} is kept",
        why=f"{many} live {child} {verb} to {target}, by {path} with onDelete: restrict; {where}",
        next=f"delete these first, or let them refer to another: datactl find {child} --filter '{path}={held_id}'",
        problems=[Problem(str(id), f"{many} by {edge}, such as {example}", "restricted")],
        edge=edge,
        found=found,
    )


def _chunks(ids: Iterator[Any], size: int) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for each in ids:
        chunk.append(each)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _written(id: Any) -> bytes:
    return bson.encode({"": id}, codec_options=CODEC)


def _read(written: bytes) -> Any:
    return bson.decode(written, CODEC)[""]
