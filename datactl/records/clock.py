"""The server's clock, asked once and then carried on by this machine's steady clock."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from datactl.mongo import Mongo

# A machine's steady clock gains or loses well under a millisecond in this time.
_ASK_AGAIN_S = 60.0


class ServerClock:
    """`now()` is the server's time to about a round trip; setting this machine's clock does not change it."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._asked: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """UTC, whole milliseconds, as BSON keeps dates."""
        if self._asked is None or time.monotonic() - self._asked[1] > _ASK_AGAIN_S:
            self._asked = (self._mongo.server_time(), time.monotonic())
        then, mark = self._asked
        return then + timedelta(milliseconds=int((time.monotonic() - mark) * 1000))
