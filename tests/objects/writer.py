"""A process that puts one object into a file store and prints the error it gets: for tests of real conditions.

Arguments: root, key, bytes, and what to do to itself first: `as-nobody`, `limit=BYTES`, or nothing; `delete` for a
process that deletes the object instead.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path

from datactl.errors import DatactlError
from datactl.objects.files import FileStore


def main(root: str, key: str, size: str, condition: str = "") -> None:
    if condition == "as-nobody" and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    if condition.startswith("limit="):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(condition.removeprefix("limit=")),) * 2)
    os.umask(0o022)
    try:
        if condition == "delete":
            FileStore(Path(root)).delete(key)
            return
        FileStore(Path(root)).put(key, [b"\x5a" * (int(size) // 2), b"\xa5" * (int(size) - int(size) // 2)])
    except DatactlError as error:
        sys.stdout.write(json.dumps(error.as_dict()))


main(*sys.argv[1:])
