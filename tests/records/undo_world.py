"""A world for the undo property: random changes of every BSON type, other programs' edits, and the oracle that judges.

The oracle knows no events. It keeps the documents before and after each operation, and looks at each part of them
when the operation is undone: what still is as the operation left it must be as it was before (same fields, values and
BSON types; the order of fields and `updatedAt` aside), everything else must be left alone, and be reported.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import bson
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import strategies as st

from datactl.errors import DatactlError
from datactl.mongo import CODEC
from datactl.records.undoing import Fate
from tests.records.undo_desk import Desk, but_time

MARKS = ("deleted", "deletedAt", "deletedBy", "deleteReason", "deletedOp")
MODELS = ("Item", "Setting")
REPORTED = {"partly", "changed since"}

scalars = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, 0, 1, 1.0, -0.0, Int64(1), Decimal128("1"), Decimal128("1.0"), float("nan")),
            *("", "1", "é", b"1", Binary(b"1", 128), ObjectId(b"a" * 12), uuid.UUID(int=7), Timestamp(1, 2)),
            *(
                datetime(2020, 1, 1, tzinfo=UTC),
                Regex("a", "i"),
                Code("f()"),
                Code("f()", {"a": 1}),
                MinKey(),
                MaxKey(),
            ),
            DBRef("items", 1),
        ]
    ),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(width=32),
    st.text(max_size=4),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=5,
)


class Do(NamedTuple):
    """One thing to do, to the document of this number (counted round)."""

    what: str
    number: int
    value: Any


WHATS = {
    "create": 2,
    "create_many": 1,
    "set": 3,
    "set_whole": 2,
    "set_nested": 3,
    "unset": 2,
    "unset_nested": 2,
    "inc": 2,
    "push": 2,
    "pop": 1,
    "rename": 1,
    "update_many": 2,
    "delete": 3,
    "delete_many": 1,
    "restore": 3,
    "restore_many": 1,
    "setting": 2,
    "remove": 2,
    "outside_set": 3,
    "outside_nested": 2,
    "outside_unset": 2,
    "outside_order": 1,
    "outside_delete": 1,
    "outside_restore": 1,
    "undo": 12,
}
things = st.builds(
    Do,
    st.sampled_from([what for what, weight in WHATS.items() for _ in range(weight)]),
    st.integers(0, 1000),
    values,
)


def exact(value: Any) -> Any:
    """Something that is equal where the values are, to the BSON type, the order of fields aside."""
    if isinstance(value, Mapping):
        return ("document", tuple((name, exact(value[name])) for name in sorted(value)))
    if isinstance(value, list):
        return ("list", tuple(exact(item) for item in value))
    return bson.encode({"v": value}, codec_options=CODEC)


def parts(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a document, its marks as one."""
    bare = but_time(document) or {}
    marks = {name: bare.pop(name) for name in MARKS if name in bare}
    return {**bare, "(marks)": marks}


class Done(NamedTuple):
    """An operation, and the documents it touched: as they were, and as it left them."""

    op: str
    before: Mapping[Any, Any]
    after: Mapping[Any, Any]


class World:
    """Some documents and what was done to them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.ids: list[tuple[str, Any]] = []
        self.done: list[Done] = []
        self.settings = 0

    def state(self) -> dict[tuple[str, Any], Any]:
        found: dict[tuple[str, Any], Any] = dict.fromkeys(self.ids)
        for model in MODELS:
            ids = [known for name, known in self.ids if name == model]
            for document in self.desk.raw(model).find({"_id": {"$in": ids}}):
                found[model, document["_id"]] = document
        return found

    def do(self, thing: Do) -> None:
        if thing.what == "undo":
            if self.done:
                self.undo(self.done[thing.number % len(self.done)])
            return
        before = self.state()
        last = self._last_event()
        with suppress(DatactlError):  # what cannot be done is not: a document that is gone, an operator on a wrong type
            getattr(self, thing.what)(thing.number, thing.value)
        new = self._last_event()
        if new is not None and (last is None or new["_id"] != last["_id"]):
            self._log(new["op"], before)
        elif not thing.what.startswith("outside"):
            assert exact_state(self.state()) == exact_state(before)

    def _last_event(self) -> Any:
        return self.desk.mongo.collection("outboxes").find_one({}, sort=[("_id", -1)])

    def _log(self, op: str, before: Mapping[Any, Any]) -> None:
        now = self.state()
        touched = {key for key in now if exact(now[key]) != exact(before.get(key))}
        known = {key: before.get(key) for key in touched}
        self.done.append(Done(op, known, {key: now[key] for key in touched}))

    # -- the property --------------------------------------------------------------------------------------------------

    def undo(self, done: Done) -> None:
        before = self.state()
        undoer = self.desk.undoer()
        fates = {(fate.model, fate.id): fate for fate in undoer.fates(undoer.plan(done.op))}
        assert exact_state(self.state()) == exact_state(before)  # a dry run changes nothing
        last = self._last_event()
        result = undoer.undo(undoer.plan(done.op))
        counted: dict[str, int] = {}
        for fate in fates.values():
            counted[str(fate.kind)] = counted.get(str(fate.kind), 0) + 1
        assert dict(result.fates) == counted
        now = self.state()
        for key in now:
            if key in done.after:
                self._judge(fates[key], done.before[key], done.after[key], before[key], now[key])
            else:
                assert exact(now[key]) == exact(before[key])
        if self._last_event()["_id"] != last["_id"]:
            self._log(result.op, before)

    def _judge(self, fate: Fate, was: Any, became: Any, stood: Any, now: Any) -> None:
        """One document: before the operation, after it, before its undo and after that."""
        kind = str(fate.kind)
        lost = stood is None and became is not None  # another program deleted it, and no vault has it
        assert kind != "not possible" or lost, fate
        if was is None or became is None or stood is None:
            if same(stood, became):
                assert same(now, was) or kind in REPORTED, fate
            else:
                assert exact(now) == exact(stood), fate
                assert lost or kind in REPORTED or (kind == "already so" and (same(stood, was) or was is None)), fate
            return
        old, new, before, after = parts(was), parts(became), parts(stood), parts(now)
        left = 0
        put = 0
        for name in old.keys() | new.keys() | before.keys() | after.keys():
            wished, guard, here, there = (each.get(name, ABSENT) for each in (old, new, before, after))
            if exact_or_absent(wished) == exact_or_absent(guard):
                assert exact_or_absent(there) == exact_or_absent(here), (name, fate)
            elif exact_or_absent(here) == exact_or_absent(guard):
                put += 1
                assert exact_or_absent(there) == exact_or_absent(wished), (name, fate)
            elif exact_or_absent(here) == exact_or_absent(wished):
                assert exact_or_absent(there) == exact_or_absent(here), (name, fate)
            elif exact_or_absent(there) != exact_or_absent(here):  # a part of it was as it was left
                put += 1
                assert exact(there) == exact(merged(wished, guard, here)), (name, fate)
            else:
                left += 1
        live_again = name_of_marks_live(before) and not name_of_marks_live(new)
        if left and not live_again:
            assert kind in REPORTED, fate
        elif not left:
            assert kind in ({"undone", "partly"} if put else {"already so", "changed since"}), fate

    # -- what is done --------------------------------------------------------------------------------------------------

    def _item(self, number: int) -> Any:
        ids = [known for name, known in self.ids if name == "Item"]
        return ids[number % len(ids)] if ids else ObjectId()

    def create(self, number: int, value: Any) -> None:
        self._add("Item", ObjectId(), {"price": value, "place": {"row": value, "box": number}, "count": number})

    def _add(self, model: str, known: Any, fields: Mapping[str, Any]) -> None:
        self.ids.append((model, known))
        self.desk.repository(model).create({"_id": known, **fields})

    def create_many(self, number: int, value: Any) -> None:
        made = [{"_id": ObjectId(), "price": value, "count": n} for n in range(3)]
        self.ids += [("Item", each["_id"]) for each in made]
        self.desk.items.create_many(made)

    def setting(self, number: int, value: Any) -> None:
        self.settings += 1
        self._add("Setting", f"{ObjectId()}", {"value": value})

    def remove(self, number: int, value: Any) -> None:
        ids = [known for name, known in self.ids if name == "Setting"]
        if ids:
            self.desk.repository("Setting").remove(ids[number % len(ids)])

    def _update(self, number: int, update: Mapping[str, Any]) -> None:
        self.desk.items.update_by_id(self._item(number), update)

    def set(self, number: int, value: Any) -> None:
        self._update(number, {"$set": {("price", "extra")[number % 2]: value}})

    def set_whole(self, number: int, value: Any) -> None:
        self._update(number, {"$set": {"place": {"box": value}, "price": number}})

    def set_nested(self, number: int, value: Any) -> None:
        self._update(number, {"$set": {"place.row": value, "extra": number}})

    def unset(self, number: int, value: Any) -> None:
        self._update(number, {"$unset": {("price", "place", "extra")[number % 3]: ""}})

    def unset_nested(self, number: int, value: Any) -> None:
        self._update(number, {"$unset": {"place.row": ""}})

    def inc(self, number: int, value: Any) -> None:
        self._update(number, {"$inc": {"count": Int64(number)}})

    def push(self, number: int, value: Any) -> None:
        self._update(number, {"$push": {"tags": value}})

    def pop(self, number: int, value: Any) -> None:
        self._update(number, {"$pop": {"tags": 1}})

    def rename(self, number: int, value: Any) -> None:
        self._update(number, {"$rename": {"extra": "other"}})

    def update_many(self, number: int, value: Any) -> None:
        self.desk.items.update_many(self._mine(), {"$set": {"place.box": value}, "$inc": {"count": 1}})

    def _mine(self) -> dict[str, Any]:
        return {"_id": {"$in": [known for name, known in self.ids if name == "Item"]}}

    def delete(self, number: int, value: Any) -> None:
        self.desk.items.soft_delete(self._item(number), reason="r")

    def delete_many(self, number: int, value: Any) -> None:
        self.desk.items.soft_delete_many(filter=self._mine())

    def restore(self, number: int, value: Any) -> None:
        self.desk.items.restore(self._item(number), set={"price": value} if number % 2 else None)

    def restore_many(self, number: int, value: Any) -> None:
        self.desk.items.restore_many(filter=self._mine())

    def outside_set(self, number: int, value: Any) -> None:
        self._outside(number, {"$set": {("price", "extra", "count")[number % 3]: value}})

    def outside_nested(self, number: int, value: Any) -> None:
        self._outside(number, {"$set": {"place": {"row": value, "c": 1}}})

    def outside_unset(self, number: int, value: Any) -> None:
        self._outside(number, {"$unset": {("price", "place", "deletedBy")[number % 3]: ""}})

    def outside_restore(self, number: int, value: Any) -> None:
        self._outside(number, {"$set": {"deleted": False}})

    def outside_order(self, number: int, value: Any) -> None:
        document = self.desk.stored("Item", self._item(number))
        if document is not None:
            self.desk.raw("Item").replace_one({"_id": document["_id"]}, dict(reversed(document.items())))

    def outside_delete(self, number: int, value: Any) -> None:
        self.desk.raw("Item").delete_one({"_id": self._item(number)})

    def _outside(self, number: int, update: Mapping[str, Any]) -> None:
        self.desk.raw("Item").update_one({"_id": self._item(number)}, update)


ABSENT = object()


def exact_or_absent(value: Any) -> Any:
    return "absent" if value is ABSENT else exact(value)


def exact_state(state: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: exact(document) for key, document in state.items() if document is not None}


def same(one: Any, other: Any) -> bool:
    return exact(but_time(one)) == exact(but_time(other))


def name_of_marks_live(found: Mapping[str, Any]) -> bool:
    return found["(marks)"].get("deleted") is not True


def merged(wished: Any, guard: Any, here: Any) -> Any:
    """What a nested document becomes of which some members are as they were left."""
    became: dict[str, Any] = {}
    for name in {**here, **guard, **wished}:
        was, left, now = (each.get(name, ABSENT) for each in (wished, guard, here))
        if exact_or_absent(was) != exact_or_absent(left) and exact_or_absent(now) == exact_or_absent(left):
            now = was
        elif all(isinstance(each, Mapping) for each in (was, left, now)):
            now = merged(was, left, now)
        if now is not ABSENT:
            became[name] = now
    return became
