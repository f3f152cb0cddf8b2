"""What a stream is: a terminal or not, with colour or not, how wide; and text made safe to show there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from typing import TextIO

RED, YELLOW, DIM, BOLD = "1;31", "33", "2", "1"

# Control characters of a document would reach the terminal as commands (ESC sequences, CR overwriting a line).
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Of these, what JSON leaves as it is: DEL, the C1 controls, and what turns the direction of writing round.
HIDDEN = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def is_terminal(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty()


def is_dumb() -> bool:
    return os.environ.get("TERM", "") in ("dumb", "unknown")


def has_colour(stream: TextIO) -> bool:
    """NO_COLOR (no-color.org) wins over FORCE_COLOR, FORCE_COLOR over what the stream is."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return is_terminal(stream) and not is_dumb()


def has_progress(stream: TextIO) -> bool:
    """A progress bar moves the cursor: only where there is one."""
    return is_terminal(stream) and not is_dumb()


def columns() -> int:
    return max(20, shutil.get_terminal_size((80, 24)).columns)


def painted(text: str, colour: str, stream: TextIO) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if has_colour(stream) else text


def json_safe(text: str) -> str:
    """JSON text of the same value, in which nothing is left that a terminal would obey."""
    return HIDDEN.sub(lambda hit: f"\\u{ord(hit[0]):04x}", text)


def word(text: str) -> str:
    """The text as one word of a shell's command line, to be shown and copied; control characters as $'...' has them."""
    if _CONTROL.search(text) is None:
        return shlex.quote(text)
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + _CONTROL.sub(lambda hit: f"\\u{ord(hit[0]):04x}", quoted) + "'"


def safe(text: str) -> str:
    """One line without control characters: each is shown as its escape."""
    return _CONTROL.sub(lambda hit: _SHORT.get(hit[0]) or f"\\x{ord(hit[0]):02x}", text)
