"""Names in the vault as listings give them: sorted streams, compared without holding them."""

from __future__ import annotations

from collections.abc import Iterator

from datactl.objects import ObjectStore
from datactl.vault import names


def names_in(store: ObjectStore, kind: str, model: str, *suffixes: str, after: str | None = None) -> Iterator[str]:
    """Segment names, sorted and each once, that have an object of this kind with one of the suffixes.

    `after`: only names that come after this one; the store skips the others.
    """
    last = None
    folder = names.folder(kind, model)
    for info in store.list(folder, start_after=None if after is None else f"{folder}{after}{suffixes[-1]}"):
        for suffix in suffixes:
            name = names.name_in(info.key, suffix)
            if name is not None and name != last:
                last = name
                yield name


def names_with_deleted_receipt(store: ObjectStore, model: str) -> Iterator[str]:
    """Segment names, sorted, that have a `deleted` receipt."""
    for info in store.list(names.folder(names.RECEIPTS, model)):
        *_, name, last = info.key.split("/")
        if last == "deleted.json":
            yield name


def only_left(left: Iterator[str], right: Iterator[str]) -> Iterator[str]:
    """What is in `left` and not in `right`, both sorted."""
    other = next(right, None)
    for name in left:
        while other is not None and other < name:
            other = next(right, None)
        if name != other:
            yield name


def models_of(store: ObjectStore) -> list[str]:
    """Models that have any object, sorted: from each model's first key, then past its folder."""
    found: set[str] = set()
    for kind in (names.SEGMENTS, names.INDEXES, names.MANIFESTS, names.RECEIPTS, names.EPOCHS):
        after: str | None = None
        while (info := next(iter(store.list(f"{kind}/", start_after=after)), None)) is not None:
            parts = info.key.split("/")
            if len(parts) > 2:
                found.add(names.model_in(info.key))
            after = "/".join(parts[:2]) + "0"  # the character after "/": past every key of that folder
    return sorted(found)
