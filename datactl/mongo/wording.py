"""The driver's words as people may see them: without its tails for developers, and without credentials."""

from __future__ import annotations

import re

# Credentials of a URI, and what the driver's selection error appends for developers.
_USER_INFO = re.compile(r"//\S*@")
_SELECTION_TAIL = re.compile(r"(?: \(configured timeouts:.*?\))?, Timeout: .*", re.DOTALL)
_DRIVER_TAIL = re.compile(r",? full error: .*", re.DOTALL)


def reason_of(error: Exception) -> str:
    """The driver's own words, without its tails for developers and without credentials."""
    text = _DRIVER_TAIL.sub("", _SELECTION_TAIL.sub("", str(error)))
    return without_credentials(text) or type(error).__name__


def without_credentials(text: str) -> str:
    """`text` with the user information of every URI in it masked."""
    return _USER_INFO.sub("//***@", text)
