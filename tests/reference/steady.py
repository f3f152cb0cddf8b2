"""What a run says, with all that differs from run to run replaced by what is always the same."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable
from pathlib import Path

_ALWAYS = (
    (re.compile(r"\bt_[0-9a-f]{24}\b"), "shop"),
    (re.compile(r"\b(?=\d)[0-9A-HJKMNP-TV-Z]{26}\b"), "01K6ZR3Q7M2W5X8Y9ZABCDEFGH"),
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{16}\b"), "00000001-000001-825c805dd4fc1be2"),
    (re.compile(r"\b[0-9a-f]{24}\b"), "60f1b2c3d4e5f6789abcdef0"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "5d2f0f4e-8f0c-4f0e-9b1a-6c1f0e9d7a31"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "2026-11-24T08:08:31Z"),
    (re.compile(r"\b(127\.0\.0\.1|localhost):\d+"), "db.example:27017"),
    (re.compile(r"\bpid \d+"), "pid 4121"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b(?!Z)"), "00:03:12"),
    (re.compile(r"\bsince \d+ s\b"), "since 192 s"),
    (re.compile(r"\bis \d+ s old\b"), "is 4 s old"),
    (re.compile(r"\b\d+ days? ago"), "100 days ago"),
)


def steady(text: str, *, directory: Path, also: Iterable[tuple[str, str]] = ()) -> str:
    """The text as it would be in /srv/shop on the host db-admin-2, with steady ids, times and ports."""
    for real, shown in (
        *also,
        (str(directory.resolve()), "/srv/shop"),
        (str(directory), "/srv/shop"),
        (socket.gethostname(), "db-admin-2"),
        (os.environ.get("DATACTL_URI") or "-no-uri-", "mongodb://db.example:27017/"),
    ):
        text = text.replace(real, shown)
    for pattern, shown in _ALWAYS:
        text = pattern.sub(shown, text)
    return text.strip("\n")
