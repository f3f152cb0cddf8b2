"""A process that holds a lease and writes when it is told to: started by test_lease_processes.

Arguments: uri, database, ttl in seconds. Prints one line per event; each line on stdin asks for one write that only
its fence guards.
"""

from __future__ import annotations

import sys
from typing import Any

from datactl.errors import DatactlError
from datactl.mongo import Fence, Lease, open_mongo


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
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
