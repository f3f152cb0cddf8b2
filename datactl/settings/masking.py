"""Secrets: texts that show themselves masked, and connection strings without what must not be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

_SECRET_OPTION = re.compile("password|authMechanismProperties|token|secret", re.IGNORECASE)


def _parts(uri: str) -> tuple[str, str, str, str]:
    """Scheme with its `://`, user and password, what follows them up to the `?`, and the options.

    A password that holds `@`, `/` or `?` unescaped still ends before the last `@`.
    """
    scheme, separator, rest = uri.partition("://")
    address, _, options = rest.partition("?")
    if "@" in options:  # the `?` belongs to a password
        address, options = rest, ""
    user_info, _, host = address.rpartition("@")
    return scheme + separator, user_info, host, options


def mask_uri(uri: str) -> str:
    """A connection string without its password and without the options that hold one, however badly it is written."""
    scheme, user_info, host, query = _parts(uri)
    user, colon, _ = user_info.partition(":")
    options = [
        f"{name}=***" if _SECRET_OPTION.search(name) else option
        for option in query.split("&")
        for name in [option.partition("=")[0]]
    ]
    shown = f"{scheme}{user}{colon}{'***' if colon else ''}{'@' if user_info else ''}{host}"
    return f"{shown}?{'&'.join(options)}" if query else shown


def hosts_of(uri: str) -> str:
    """`host:port[,host:port...]`, without credentials, database and options."""
    return _parts(uri)[2].partition("/")[0]


def database_of(uri: str) -> str | None:
    """The database that a connection string names."""
    return unquote(_parts(uri)[2].partition("/")[2]) or None


class Secret:
    """A text that prints itself masked; `reveal()` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return mask_uri(self._text) if "://" in self._text else "***"

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"
