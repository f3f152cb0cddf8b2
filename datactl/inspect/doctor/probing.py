"""The vault: reachable, that of this database, writable, and keeping the rules that the archive rests on.

The probe is an object under `probe/`, put, read and removed (I6 allows doctor to remove its own, and nothing else).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from datactl.archive import check
from datactl.errors import DatactlError, ObjectExists, ShortRead
from datactl.inspect.doctor.lines import Level, Line, fail, looked_at, ok, warn
from datactl.mongo import Mongo
from datactl.objects import ObjectStore
from datactl.vault import Vault

PROBE = "probe"
_SIZE = 64 * 1024
_RANGE = (1000, 500)
_LEFT_BEHIND = timedelta(hours=1)
_SCARCE, _FULL = 0.10, 0.01
_OTHER_STORE = "choose another place for the vault: DATACTL_VAULT"


def vault_lines(vault: Vault, mongo: Mongo | None) -> Iterator[Line]:
    """Every check of the vault. One that is not this database's, or not there, is not written to."""
    line = belonging(vault, mongo)
    yield line
    yield from looked_at("vault_space", lambda: _space(vault))
    if line.level is Level.OK:
        yield from _probe(vault.store)


def belonging(vault: Vault, mongo: Mongo | None) -> Line:
    """Whether the vault is there and is this database's; without a connection, whether it can be read."""
    try:
        if mongo is not None:
            check(mongo, vault)
        identity = vault.identity()
    except DatactlError as error:
        return fail("vault", str(error), error.next)
    if identity is None:
        return ok("vault", f"{vault.store.url}: new, the first archive run makes it this database's")
    return ok("vault", f"{vault.store.url}: the vault of {identity.name}, made {identity.created_at:%Y-%m-%d}")


def _space(vault: Vault) -> Iterator[Line]:
    """Only a disk tells how much room it has."""
    scheme, _, path = vault.store.url.partition(":")
    if scheme != "file":
        return
    place = next(each for each in (Path(path), *Path(path).parents) if each.exists())
    try:
        disk = os.statvfs(place)
    except OSError as error:
        yield warn("vault_space", f"{place}: {error.strerror}", f"df {place}")
        return
    free = disk.f_bavail / disk.f_blocks if disk.f_blocks else 1.0
    said = f"{disk.f_bavail * disk.f_frsize / 1e9:,.1f} GB of the disk are free ({free:.0%})"
    if free > _SCARCE:
        yield ok("vault_space", said)
    elif free > _FULL:
        yield warn("vault_space", said, f"make room: df {place}")
    else:
        yield fail("vault_space", said, f"make room: df {place}")


def _probe(store: ObjectStore) -> Iterator[Line]:
    """Each rule on its own; without a probe object there is nothing to look at."""
    key = f"{PROBE}/{secrets.token_hex(8)}"
    data = secrets.token_bytes(_SIZE)
    try:
        store.put(key, data)
    except DatactlError as error:
        yield fail("vault_write", str(error), error.next)
        return
    try:
        yield ok("vault_write", f"put {key}, {_SIZE // 1024} KiB")
        yield from looked_at("vault_once", lambda: _once(store, key))
        yield from looked_at("vault_checksum", lambda: _checksum(store, key, data))
        yield from looked_at("vault_range", lambda: _range(store, key, data))
        yield from looked_at("vault_list", lambda: _listed(store, key))
        yield from looked_at("vault_remove", lambda: _removed(store, key))
    finally:
        with suppress(DatactlError):
            store.delete(key)


def _once(store: ObjectStore, key: str) -> Iterator[Line]:
    try:
        store.put(key, b"another")
    except ObjectExists:
        yield ok("vault_once", "a second put to its key was refused")
    else:
        yield fail("vault_once", "a second put to its key was taken: archived documents could be lost", _OTHER_STORE)


def _checksum(store: ObjectStore, key: str, data: bytes) -> Iterator[Line]:
    put, found = (hashlib.sha256(each).hexdigest() for each in (data, store.get(key)))
    if found == put:
        yield ok("vault_checksum", f"read back with SHA-256 {put[:12]}...")
    else:
        yield fail("vault_checksum", "it was read back with other bytes than were put", _OTHER_STORE)


def _range(store: ObjectStore, key: str, data: bytes) -> Iterator[Line]:
    start, length = _RANGE
    if store.get_range(key, start, length) != data[start : start + length]:
        yield fail("vault_range", f"bytes {start}-{start + length - 1} are not those that were put", _OTHER_STORE)
        return
    try:
        store.get_range(key, _SIZE - 1, 2)
    except ShortRead:
        yield ok("vault_range", f"{length} bytes were read alone; a range beyond the end is an error")
    else:
        yield fail("vault_range", "a range beyond the object's end was answered", _OTHER_STORE)


def _listed(store: ObjectStore, key: str) -> Iterator[Line]:
    found = {each.key: each for each in store.list(f"{PROBE}/")}
    mine = found.get(key)
    if mine is None or mine.size != _SIZE:
        yield fail("vault_list", "the listing lacks it, or has it with another length", _OTHER_STORE)
        return
    old = [each for each in found.values() if mine.modified - each.modified > _LEFT_BEHIND]
    for each in old:  # of a doctor that was killed
        store.delete(each.key)
    yield ok("vault_list", f"listed{f'; {len(old)} older probes were removed' if old else ''}")


def _removed(store: ObjectStore, key: str) -> Iterator[Line]:
    store.delete(key)
    if store.head(key) is None:
        yield ok("vault_remove", "removed")
    else:
        yield fail("vault_remove", f"{key} is still there after it was removed", _OTHER_STORE)
