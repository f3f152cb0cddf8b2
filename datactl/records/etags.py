"""ETags: a short name of a document's exact state, which tells nothing about it."""

from __future__ import annotations

import hashlib
import hmac

_HEX_DIGITS = 32


def etag(key: bytes, stored: bytes, representation: str = "") -> str:
    """A strong validator (RFC 9110, section 8.8.1), quoted: HMAC of the stored BSON, then the representation's name."""
    suffix = f".{representation}" if representation else ""
    return f'"{_digest(key, stored)}{suffix}"'


def matches(if_match: str, key: bytes, stored: bytes) -> bool:
    """Whether an If-Match header (RFC 9110, section 13.1.1) names the stored state: `*`, or a list of ETags.

    Whichever representation an ETag was made for, it names the state. A weak one (`W/`) never matches.
    """
    if if_match.strip() == "*":
        return True
    digest = _digest(key, stored)
    given = (part.strip() for part in if_match.split(","))
    return any(
        hmac.compare_digest(part.strip('"').partition(".")[0].encode(), digest.encode())
        for part in given
        if part.startswith('"')
    )


def _digest(key: bytes, stored: bytes) -> str:
    return hmac.new(key, b"etag\0" + stored, hashlib.sha256).hexdigest()[:_HEX_DIGITS]
