"""Cursors: where a page ended, signed so that it can be carried by a stranger and used for the same question only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson

from datactl.errors import UsageError
from datactl.mongo import CODEC

_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Position:
    """The end of one page: the sort values of its last document, its number, and the total counted at the first."""

    values: tuple[Any, ...]
    page: int
    total: int


def write_cursor(key: bytes, question: Mapping[str, Any], position: Position) -> str:
    """The cursor as text for a URL. `question` is what it may be used for: model, filter, sort, search, role."""
    body = bson.encode({"v": list(position.values), "p": position.page, "t": position.total}, codec_options=CODEC)
    return base64.urlsafe_b64encode(_mac(key, question, body) + body).decode().rstrip("=")


def read_cursor(key: bytes, question: Mapping[str, Any], cursor: str) -> Position:
    """The position. UsageError for a cursor that was altered, or made for another question."""
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    mac, body = data[:_MAC_BYTES], data[_MAC_BYTES:]
    if not body or not hmac.compare_digest(mac, _mac(key, question, body)):
        raise UsageError(
            "the cursor does not fit this request",
            why="it was altered, or made for another model, filter, sort order, search or role",
            next="ask for the first page again, and follow its cursor with the same filter and sort",
        )
    read = bson.decode(body, CODEC)
    return Position(tuple(read["v"]), read["p"], read["t"])


def _mac(key: bytes, question: Mapping[str, Any], body: bytes) -> bytes:
    asked = bson.encode({"question": _ordered(question)}, codec_options=CODEC)
    return hmac.new(key, b"cursor\0" + asked + body, hashlib.sha256).digest()[:_MAC_BYTES]


def _ordered(value: Any) -> Any:
    """The same with the keys of every mapping in order: the order in which a filter was written does not matter."""
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    return value
