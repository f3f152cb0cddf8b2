"""Leases: one holder at a time, by the server's clock, with a heartbeat and an epoch that only grows.

A row of `datactl_leases` is `{_id: name, epoch, token, holder {host, pid, actor, op}, since, beat, expires, released,
fenced}`; every date in it is the server's. The lease tells runs apart; what keeps a run that lost it from writing is
its fence. `fenced` has the token of the last holder whose first fence stands.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from bson import ObjectId
from bson.int64 import Int64
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, OperationFailure

from datactl.errors import AccessError, DatabaseError, LeaseLost, Locked, WriteConflict
from datactl.mongo.connection import Document, Mongo
from datactl.mongo.driver_errors import is_server_code, mapping_errors
from datactl.mongo.fences import Fence, clear_fences, open_first_fence, raise_fences

LEASES = "datactl_leases"
DEFAULT_TTL_S = 30.0
_BEATS_PER_TTL = 3
_LONGEST_POLL_S = 1.0
_WRITE_CONFLICT = 112


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, as others are told."""

    host: str
    pid: int
    actor: str | None = None
    op: str | None = None

    @classmethod
    def here(cls, actor: str | None = None, op: str | None = None) -> Holder:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), actor, op)


class Lease:
    """A held lease: made by `Lease.acquire`, kept by a thread until `release()`, as leaving `with` does."""

    _fence: Fence  # its own row, made once the fences of earlier holders are raised

    def __init__(
        self,
        mongo: Mongo,
        name: str,
        epoch: int,
        token: ObjectId,
        ttl_s: float,
        asked_at: float,
        *,
        forget: bool = False,
    ) -> None:
        self.mongo = mongo
        self.name = name
        self.epoch = epoch
        self._forget = forget
        self._token = token
        self._ttl_s = ttl_s
        self._beaten_at = asked_at  # before the server was asked: when its answer came tells nothing
        self._lost = False
        self._ending = threading.Event()
        self._heart = threading.Thread(target=self._keep, name=f"lease {name}", daemon=True)
        self._heart.start()

    @classmethod
    def acquire(
        cls,
        mongo: Mongo,
        name: str,
        *,
        epoch: int | None = None,
        ttl_s: float = DEFAULT_TTL_S,
        holder: Holder | None = None,
        wait_s: float = 0,
        forget: bool = False,
    ) -> Lease:
        """Take the lease if it is free, given back, or expired by the server's clock.

        `epoch` None counts on from the row's; a given one must be greater than the row's. Waits up to `wait_s` seconds.
        `forget`: its row goes when it is given back; for names that are used once, and epochs that are given.
        Raises Locked naming the holder; LeaseLost when a run of a later epoch was here.
        """
        give_up = time.monotonic() + wait_s
        pause = min(_LONGEST_POLL_S, ttl_s / 10)
        while True:
            asked_at = time.monotonic()
            try:
                won, token = _take(mongo, name, epoch, ttl_s, holder or Holder.here())
                break
            except Locked:
                if time.monotonic() + pause > give_up:
                    raise
            time.sleep(pause)
        lease = cls(mongo, name, won, token, ttl_s, asked_at, forget=forget)
        with ExitStack() as unless_it_is_held:
            unless_it_is_held.callback(lease._abandon)
            raise_fences(mongo, name, won)
            lease._fence = open_first_fence(mongo, str(token), name, won, lease._claim)
            unless_it_is_held.pop_all()
        return lease

    @classmethod
    def wait_until_free(cls, mongo: Mongo, name: str, *, wait_s: float = 0) -> None:
        """Return when the lease could be taken, at once if it is free. Takes nothing.

        Raises Locked naming the holder after `wait_s` seconds.
        """
        give_up = time.monotonic() + wait_s
        while True:
            now = mongo.server_time()
            with mapping_errors(f"reading the lease {name}"):
                row = _rows(mongo).find_one({"_id": name})
            if row is None or _is_free(row, now):
                return
            pause = min(_LONGEST_POLL_S, row["ttl"] / 10)
            if time.monotonic() + pause > give_up:
                raise _locked(name, row, now)
            time.sleep(pause)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abandon()

    def touch(self, session: ClientSession) -> None:
        """Make the session's transaction depend on this lease. Raises LeaseLost when it was taken over."""
        self._fence.touch(session)

    def check(self) -> None:
        """Between batches: raises LeaseLost when the lease was taken over, CannotConnect when nobody can tell.

        What may be written is decided by `touch` and the fences; this only ends a lost run early.
        """
        if not self._lost and time.monotonic() - self._beaten_at > self._ttl_s:
            self._beat()
        if self._lost:
            raise LeaseLost(
                f"the lease {self.name} was taken over by another run",
                why=f"no heartbeat of epoch {self.epoch} reached the server for {self._ttl_s:g} s",
                next="run it again: what was committed stays, the rest is found again",
                lease=self.name,
                epoch=self.epoch,
            )

    def release(self) -> None:
        """Give the lease back and clear its fences. A lease that was lost is left to its new holder."""
        self._end()
        mine = {"_id": self.name, "token": self._token}
        with mapping_errors(f"releasing the lease {self.name}"):
            if self._forget:
                was_mine = self._row().delete_one(mine).deleted_count
            else:
                was_mine = self._row().update_one(mine, {"$set": {"released": True}}).matched_count
        if was_mine:
            clear_fences(self.mongo, self.name, self.epoch)

    def _abandon(self) -> None:
        try:
            self.release()
        except (AccessError, DatabaseError):
            # The server is away: the lease runs out by itself, and what the caller has to report matters more.
            self._end()

    def _end(self) -> None:
        self._ending.set()
        if self._heart is not threading.current_thread():
            self._heart.join(timeout=self._ttl_s)

    def _keep(self) -> None:
        pause = self._ttl_s / _BEATS_PER_TTL
        while not self._ending.wait(pause):
            try:
                self._beat()
                pause = self._ttl_s / _BEATS_PER_TTL
            except (AccessError, DatabaseError):
                pause = min(1.0, self._ttl_s / 10)  # away for now: until the lease has run out there is hope
            except WriteConflict:
                pause = min(1.0, self._ttl_s / 10)  # the first fence is being opened, or somebody takes over
            if self._lost:
                return

    def _beat(self) -> None:
        asked_at = time.monotonic()
        now = self.mongo.server_time()
        with mapping_errors(f"renewing the lease {self.name}"):
            renewed = self._row().update_one(
                {"_id": self.name, "token": self._token},
                {"$set": {"beat": now, "expires": now + timedelta(seconds=self._ttl_s)}},
            )
        if renewed.matched_count:
            self._beaten_at = asked_at
        else:
            self._lost = True

    def _claim(self, session: ClientSession) -> None:
        """Make the transaction depend on the row itself: it writes where the token is ours still. Raises LeaseLost."""
        with mapping_errors(f"claiming the lease {self.name}"):
            mine = self.mongo.collection(LEASES).update_one(
                {"_id": self.name, "token": self._token}, {"$set": {"fenced": self._token}}, session=session
            )
        if not mine.matched_count:
            raise LeaseLost(
                f"the lease {self.name} was taken over by another run",
                why=f"it ran out before the run of epoch {self.epoch} had begun",
                next="run it again: nothing was written",
                lease=self.name,
                epoch=self.epoch,
            )

    def _row(self) -> Collection[Document]:
        return _rows(self.mongo)


def held(mongo: Mongo, beginning: str) -> dict[str, int]:
    """The leases whose names begin so and that somebody holds now, with their epochs."""
    return {row["_id"]: int(row["epoch"]) for row, free in _beginning(mongo, beginning) if not free}


def not_held(mongo: Mongo, beginning: str) -> list[str]:
    """The leases whose names begin so and that nobody holds: given back, or run out."""
    return [row["_id"] for row, free in _beginning(mongo, beginning) if free]


def _beginning(mongo: Mongo, beginning: str) -> list[tuple[Document, bool]]:
    now = mongo.server_time()
    with mapping_errors("reading which leases are held"):
        rows = list(_rows(mongo).find({"_id": {"$regex": f"^{re.escape(beginning)}"}}))
    return [(row, _is_free(row, now)) for row in rows]


def _rows(mongo: Mongo) -> Collection[Document]:
    return mongo.collection(LEASES).with_options(write_concern=mongo.write_concern)


def _take(mongo: Mongo, name: str, epoch: int | None, ttl_s: float, holder: Holder) -> tuple[int, ObjectId]:
    """One try: the epoch and token of a lease that is now ours. Raises Locked, LeaseLost."""
    rows = _rows(mongo)
    token = ObjectId()
    while True:
        now = mongo.server_time()
        with mapping_errors(f"taking the lease {name}"):
            row = rows.find_one({"_id": name})
            if row is not None and not _is_free(row, now):
                raise _locked(name, row, now)
            won = _next_epoch(name, epoch, row)
            fresh: Document = {
                "epoch": Int64(won),
                "token": token,
                "holder": asdict(holder),
                "ttl": ttl_s,
                "since": now,
                "beat": now,
                "expires": now + timedelta(seconds=ttl_s),
                "released": False,
            }
            if row is None:
                try:
                    rows.insert_one({"_id": name, **fresh})
                except DuplicateKeyError:
                    continue
                return won, token
            # Compare and set: a holder that woke up and renewed, or another taker, changed one of these.
            seen = {key: row[key] for key in ("token", "expires", "released")}
            try:
                taken = rows.update_one({"_id": name, **seen}, {"$set": fresh}).matched_count
            except OperationFailure as error:
                if not is_server_code(error, _WRITE_CONFLICT):
                    raise
                # A holder whose lease ran out is just opening its first fence, or stopped in the middle of that.
                raise _locked(name, row, now) from error
            if taken:
                return won, token


def _is_free(row: Mapping[str, Any], now: datetime) -> bool:
    if row["released"] or row["expires"] <= now:
        return True
    # A heartbeat from the future: the server's clock was set back, and a live holder would have beaten again since.
    beat: datetime = row["beat"]
    return beat > now + timedelta(seconds=row["ttl"])


def _next_epoch(name: str, wanted: int | None, row: Mapping[str, Any] | None) -> int:
    newest = 0 if row is None else int(row["epoch"])
    if wanted is None:
        return newest + 1
    if wanted <= newest:
        raise LeaseLost(
            f"a later run has held the lease {name} already",
            why=f"its epoch was {newest}, this run's is {wanted}",
            next="run it again: it takes a new epoch",
            lease=name,
            epoch=wanted,
        )
    return wanted


def _locked(name: str, row: Mapping[str, Any], now: datetime) -> Locked:
    holder = row["holder"]
    age_s = max(0.0, (now - row["beat"]).total_seconds())
    held_s = max(0.0, (now - row["since"]).total_seconds())
    who = f"{holder['actor']} on {holder['host']}" if holder.get("actor") else str(holder["host"])
    return Locked(
        f"{name} is locked by another run",
        why=f"{who}, pid {holder['pid']}, holds it since {held_s:.0f} s; its last heartbeat is {age_s:.0f} s old",
        next=f"wait for it to end; if it crashed, its lease runs out {row['ttl']:g} s after its last heartbeat",
        lease=name,
        holder=dict(holder),
        since=row["since"].isoformat(),
        heartbeatAgeSeconds=round(age_s, 1),
        heldSeconds=round(held_s, 1),
    )
