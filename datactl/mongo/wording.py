"""The driver's words as people may see them: without its tails for developers, and without credentials."""

from __future__ import annotations

import re

from datactl.settings.masking import mask_uri

# A connection string as it stands in a sentence or in quotes; credentials of any URI; and what the driver's selection
# error appends for developers.
_URI = re.compile(r"mongodb(?:\+srv)?://[^\s'\"]\S*")
_PUNCTUATION = ".,:;!?'\")]}>"
_USER_INFO = re.compile(r"//\S*@")
_SELECTION_TAIL = re.compile(r"(?: \(configured timeouts:.*?\))?, Timeout: .*", re.DOTALL)
_DRIVER_TAIL = re.compile(r",? full error: .*", re.DOTALL)


def reason_of(error: Exception) -> str:
    """The driver's own words, without its tails for developers and without credentials."""
    text = _DRIVER_TAIL.sub("", _SELECTION_TAIL.sub("", str(error)))
    return without_credentials(text) or type(error).__name__


def without_credentials(text: str) -> str:
    """`text` with the user information and the secret options of every URI in it masked, as settings show a URI."""
    return _USER_INFO.sub("//***@", _URI.sub(_masked, text))


def _masked(found: re.Match[str]) -> str:
    uri = found[0].rstrip(_PUNCTUATION)
    return mask_uri(uri) + found[0][len(uri) :]
