"""A process that makes an output directory with two files: `TARGET BYTES [LIMIT]`; prints the error it gets.

LIMIT is the largest file that the process may write.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from pathlib import Path

from datactl.errors import DatactlError
from datactl.transfer.directory import OutputDirectory


def main(target: str, size: str, limit: str = "") -> None:
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    try:
        with OutputDirectory(Path(target)) as output:
            for name in ("one", "two"):
                file = output.create(name)
                file.write(b"\x5a" * int(size))
                file.finish()
            output.commit()
    except DatactlError as error:
        print(json.dumps(error.as_dict()))


main(*sys.argv[1:])
