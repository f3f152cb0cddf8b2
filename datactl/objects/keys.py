"""Which keys an object store takes: the same ones on every backend, so that a vault can move between them."""

from __future__ import annotations

import re

from datactl.errors import StoreError

KEY_BYTES = 900
"""Longest key. S3 allows 1024 bytes; the rest is left for a bucket's own prefix."""
COMPONENT_BYTES = 200
"""Longest part between slashes. File systems allow 255 bytes."""

_COMPONENT = re.compile(r"[A-Za-z0-9_%@=+,~!()'-][A-Za-z0-9._%@=+,~!()'-]*\Z")


def check_key(key: str) -> str:
    """Return `key` if it may be used. Raises `StoreError` otherwise.

    Parts of printable ASCII without space, joined by "/"; no part is empty or starts with a dot. That leaves no
    room for `..`, absolute paths, or names that a file store uses for its temporary files.
    """
    wrong = _wrong_with(key)
    if wrong:
        raise StoreError(f"{key!r} cannot be an object's key", why=wrong, next="Choose a plain name.", key=key)
    return key


def check_prefix(prefix: str) -> str:
    """Return `prefix` if it may be listed: "" or a valid key and one "/". Raises `StoreError` otherwise."""
    if prefix:
        if not prefix.endswith("/"):
            raise StoreError(f"{prefix!r} cannot be listed", why='a prefix ends with "/"', key=prefix)
        check_key(prefix[:-1])
    return prefix


def _wrong_with(key: str) -> str | None:
    if len(key) > KEY_BYTES:
        return f"it is longer than {KEY_BYTES} characters"
    for component in key.split("/"):
        if not component:
            return "it is empty, absolute, or has an empty part"
        if len(component) > COMPONENT_BYTES:
            return f"a part of it is longer than {COMPONENT_BYTES} characters"
        if not _COMPONENT.match(component):
            return f"the part {component!r} starts with a dot or has a character that not every store takes"
    return None
