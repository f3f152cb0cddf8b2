"""A process that holds a lease and writes when it is told to: started by test_lease_processes.

Arguments: uri, database, ttl in seconds, and `stop` for a process that stops itself (SIGSTOP) when the server has
answered that the lease is its own. Prints one line per event; each line on stdin asks for one write that only its fence
guards.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from pymongo import monitoring

from datactl.errors import DatactlError
from datactl.mongo import Fence, Lease, open_mongo
from datactl.mongo.leases import LEASES


class StopAtTheAnswer(monitoring.CommandListener):
    """Stops the process between the server's answer to the first write to the lease's row, and the next statement."""

    def __init__(self) -> None:
        self._asked: int | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self._asked is None and event.command.get(event.command_name) == LEASES and event.command_name != "find":
            self._asked = event.request_id

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.request_id == self._asked:
            os.kill(os.getpid(), signal.SIGSTOP)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(uri: str, database: str, ttl_s: float) -> int:
    with open_mongo(uri, database) as mongo:
        try:
            with Lease.acquire(mongo, "archive:Post", ttl_s=ttl_s) as lease:
                fence = Fence.create(lease, f"attempt-{lease.epoch}")
                say(f"held {lease.epoch}")
                for line in sys.stdin:

                    def work(session: Any, line: str = line) -> None:
                        mongo.collection("written").insert_one({"by": lease.epoch, "line": line}, session=session)
                        fence.touch(session)

                    mongo.transaction(work)
                    say("written")
        except DatactlError as error:
            say(error.code)
            return error.exit_code
    return 0


if __name__ == "__main__":
    if sys.argv[4:] == ["stop"]:
        monitoring.register(StopAtTheAnswer())
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
