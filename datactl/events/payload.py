"""Payloads: the values before and after a change, with secret fields encrypted or left out.

A payload is `{before, after}`: maps from a dotted path to the value there, null where the document itself was not
there. A path absent from `before` did not exist; one absent from `after` was removed. With secret fields (and values
that stand, against the model, in the place of what a secret is inside of) it also has
`encrypted: {alg, key, paths, data}`, or `withheld: [paths]` where no key is configured: those values are in no event.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import bson
from bson.binary import Binary
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from datactl.errors import DatabaseError
from datactl.mongo import CODEC

Values: TypeAlias = Mapping[str, Any]

ALGORITHM = "AES-256-GCM"
_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: 96 random bits
_Segments: TypeAlias = tuple[str, ...]
_HIDDEN = object()


def make_payload(
    before: Values | None,
    after: Values | None,
    *,
    secret_paths: Iterable[str] = (),
    event_key: bytes | None = None,
    event_id: Any = None,
) -> dict[str, Any]:
    """The payload of one event. `event_key` is 32 bytes; `event_id` binds what is encrypted to its event."""
    patterns = _patterns(frozenset(secret_paths))
    if not patterns:
        return {"before": before, "after": after}
    public_before, secret_before = _split(before, patterns)
    public_after, secret_after = _split(after, patterns)
    payload: dict[str, Any] = {"before": public_before, "after": public_after}
    paths = list(dict.fromkeys((*secret_before, *secret_after)))
    if not paths:
        return payload
    if event_key is None:
        payload["withheld"] = paths
        return payload
    nonce = os.urandom(_NONCE_BYTES)
    secret = bson.encode({"before": secret_before, "after": secret_after}, codec_options=CODEC)
    sealed = _cipher(event_key).encrypt(nonce, secret, _bound_to(event_id))
    payload["encrypted"] = {
        "alg": ALGORITHM,
        "key": key_name(event_key),
        "paths": paths,
        "data": Binary(nonce + sealed),
    }
    return payload


def open_payload(payload: Mapping[str, Any], event_key: bytes, event_id: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The secret values of a payload, `(before, after)` by path. DatabaseError if the key or the bytes are wrong."""
    encrypted = payload.get("encrypted")
    if encrypted is None:
        return {}, {}
    data = bytes(encrypted["data"])
    try:
        secret = _cipher(event_key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound_to(event_id))
    except InvalidTag:
        raise DatabaseError(
            "the secret values of an event cannot be decrypted",
            why=f"they were encrypted with key {encrypted['key']}, this key is {key_name(event_key)}"
            if encrypted["key"] != key_name(event_key)
            else "the event was altered",
        ) from None
    values = bson.decode(secret, CODEC)
    return values["before"], values["after"]


def key_name(event_key: bytes) -> str:
    """A short name of a key that gives nothing of it away: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(event_key).hexdigest()[:8]


def without_secrets(document: Mapping[str, Any], secret_paths: frozenset[str]) -> dict[str, Any]:
    """The document without its secret fields at whatever depth, and without what stands in the place of their parents.

    The document given is not changed.
    """
    public, _ = _split(document, _patterns(secret_paths))
    return dict(public or {})


def _bound_to(event_id: Any) -> bytes:
    return bson.encode({"_id": event_id}, codec_options=CODEC)


@lru_cache(maxsize=8)
def _cipher(event_key: bytes) -> AESGCM:
    return AESGCM(event_key)


@lru_cache(maxsize=256)
def _patterns(secret_paths: frozenset[str]) -> tuple[_Segments, ...]:
    return tuple(sorted(tuple(path.split(".")) for path in secret_paths))


class _Inside(NamedTuple):
    """What is left of the patterns inside of a value; `()` where a whole pattern led there.

    `every`: by any reading of its path. `surely`: by the likely one; what these lead through is a document or a list.
    """

    every: tuple[_Segments, ...]
    surely: tuple[_Segments, ...]


def _split(values: Values | None, patterns: tuple[_Segments, ...]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """(what may be shown, secret values by their concrete path). A map's values are the segment `$*` of a pattern."""
    if values is None:
        return None, {}
    secrets: dict[str, Any] = {}
    public: dict[str, Any] = {}
    for path, value in values.items():
        first, *names = path.split(".")
        found = _led_to(patterns, first)
        inside = _Inside(found, found)
        for name in names:
            if () in inside.every:
                break
            inside = _below(inside, name)
        shown = _strip(value, inside, path, secrets)
        if shown is not _HIDDEN:
            public[path] = shown
    return public, secrets


def _led_to(patterns: Iterable[_Segments], name: str) -> tuple[_Segments, ...]:
    """What is left of the patterns inside the field `name`."""
    return tuple(pattern[1:] for pattern in patterns if pattern[0] in (name, "$*"))


def _below(inside: _Inside, name: str) -> _Inside:
    """The same for a name that may be a position in a list, which patterns do not name: either reading hides.

    It is likely one where no such names are declared.
    """
    every, surely = _led_to(inside.every, name), _led_to(inside.surely, name)
    if not name.isdecimal():
        return _Inside(every, surely)
    named = any(pattern[0] == "$*" or pattern[0].isdecimal() for pattern in inside.surely)
    return _Inside((*every, *inside.every), surely if named else (*surely, *inside.surely))


def _strip(value: Any, inside: _Inside, path: str, secrets: dict[str, Any]) -> Any:
    """What may be shown of a value; `_HIDDEN` for none of it, which is in `secrets` then.

    A value that is no document where a secret is declared inside of one is not what the model says, and may be the
    secret itself: it is hidden. In a list its place is kept by a null.
    """
    if not inside.every:
        return value
    if () in inside.every:
        secrets[path] = value
        return _HIDDEN
    if isinstance(value, list | tuple):
        items = [_strip(item, inside, f"{path}.{index}", secrets) for index, item in enumerate(value)]
        return [None if item is _HIDDEN else item for item in items]
    if isinstance(value, Mapping):
        members = (
            (name, _strip(item, _below(inside, name), f"{path}.{name}", secrets)) for name, item in value.items()
        )
        return {name: item for name, item in members if item is not _HIDDEN}
    if value is None or not inside.surely:
        return value
    secrets[path] = value
    return _HIDDEN
