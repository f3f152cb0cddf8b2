"""Which documents must not leave with a copy, because a segment of a higher rank has a copy of them as well."""

from __future__ import annotations

from collections.abc import Container, Sequence

from datactl.vault import Manifest, StoredDocument, Unreadable, Vault


def outranked(
    vault: Vault, manifest: Manifest, copies: Sequence[StoredDocument], namespaces: Container[str]
) -> frozenset[int]:
    """Positions of those of which a segment of a higher rank has a copy. They stay, and are copied anew, above it.

    Of the copies of a document the highest rank counts. Whoever took it out with a higher one, and brought it back,
    had put that manifest before. So ask inside the transaction that found the documents: it is listed now.
    """
    later = vault.by_rank(manifest.model, after=manifest.name)
    newer = [
        each
        for each in later
        if each.rank > manifest.rank and (isinstance(each, Unreadable) or each.namespace in namespaces)
    ]
    if not newer:
        return frozenset()
    return frozenset(copy.position for copy in copies if any(vault.locate(manifest.model, copy.id_key, within=newer)))
