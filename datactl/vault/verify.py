"""Verifying a model's part of the vault: presence, sizes, checksums, counts; deep, every document and index."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager

from datactl.errors import ObjectMissing, VaultDamaged
from datactl.objects import ObjectStore
from datactl.steps import Watcher
from datactl.vault import names, sidecar
from datactl.vault.findings import Finding, finding
from datactl.vault.identity import read_identity
from datactl.vault.listing import names_in, only_left
from datactl.vault.manifest import Aborted, Manifest, Stored, read_register
from datactl.vault.receipts import read_receipt
from datactl.vault.verified import checked_trailer, id_hashes, read_checked


def verify_model(store: ObjectStore, model: str, *, deep: bool, watch: Watcher) -> Iterator[Finding]:
    """Findings of one model. Holds one segment at a time; see `Vault.verify`."""
    registers = list(names_in(store, names.MANIFESTS, model, ".json"))
    for done, name in enumerate(registers):
        if watch.stopping():
            return
        with watch.around("verify", done, len(registers), "segments", model=model, segment=name):
            yield from _verify_register(store, model, name, deep)
    for name in only_left(names_in(store, names.SEGMENTS, model, ".metadata.json.gz", ".bson.gz"), iter(registers)):
        if store.head(names.manifest_key(model, name)) is not None:
            continue  # a run beside this one has committed it since the registers were listed
        key = names.segment_key(model, name)
        yield finding("uncommitted", model, key, f"segment {name} of {model} has no manifest")
    yield from _verify_receipts_alone(store, model, registers)


def verify_identity(store: ObjectStore) -> Iterator[Finding]:
    """The finding of a `vault.json` that is not whole: without it no run can tell that this is its vault."""
    try:
        read_identity(store)
    except VaultDamaged as damage:
        yield finding("identity_damaged", "", names.IDENTITY, str(damage))


def _verify_register(store: ObjectStore, model: str, name: str, deep: bool) -> Iterator[Finding]:
    key = names.manifest_key(model, name)
    try:
        register = read_register(store.get(key), model, name, key)
    except (VaultDamaged, ObjectMissing) as error:
        yield finding("manifest_damaged", model, key, str(error))
        return
    if isinstance(register, Aborted):
        yield finding("aborted", model, key, f"segment {name} of {model} was aborted: {register.reason}")
        return
    yield from _verify_segment(store, register, deep)
    yield from _verify_receipts(store, register)
    for superseded in register.supersedes:
        if store.head(names.manifest_key(model, superseded)) is None:
            yield finding("supersedes_unknown", model, key, f"it supersedes {superseded}, which has no manifest")


class _Problems(list[Finding]):
    """Collects damage as findings."""

    @contextmanager
    def catching(self, code: str, model: str, key: str) -> Iterator[None]:
        try:
            yield
        except VaultDamaged as damage:
            self.append(finding(code, model, key, str(damage)))


def _verify_segment(store: ObjectStore, manifest: Manifest, deep: bool) -> list[Finding]:
    model, name = manifest.model, manifest.name
    problems = _Problems()
    hashes: array[int] | None = None
    with problems.catching("metadata_damaged", model, names.metadata_key(model, name)):
        read_checked(store, names.metadata_key(model, name), manifest.metadata)
    with problems.catching("segment_damaged", model, manifest.segment_key):
        data = read_checked(store, manifest.segment_key, manifest.segment)
        trailer = checked_trailer(data, model, name)
        hashes = id_hashes(data, trailer) if deep else None
        said = (manifest.namespace, manifest.documents, manifest.raw_bytes, manifest.members)
        if said != (trailer.namespace, trailer.documents, trailer.raw_bytes, len(trailer.members)):
            problems.append(
                finding("counts_disagree", model, manifest.segment_key, "its counts are not those of its manifest")
            )
    with problems.catching("index_damaged", model, manifest.index_key):
        index = read_checked(store, manifest.index_key, manifest.index)
        header = sidecar.read_header(index[: manifest.pages_offset], name)
        told = (header.documents, header.pages, Stored(header.segment_bytes, header.segment_sha256))
        if told != (manifest.documents, manifest.pages, manifest.segment):
            problems.append(
                finding("index_disagrees", model, manifest.index_key, "it is not the index that its manifest tells of")
            )
        if hashes is not None:
            built = sidecar.build(name, trailer.members, hashes, manifest.segment.sha256, manifest.segment.size)
            if built != index:
                problems.append(
                    finding("index_disagrees", model, manifest.index_key, "it is not what its documents give")
                )
    return problems


def _verify_receipts(store: ObjectStore, manifest: Manifest) -> Iterator[Finding]:
    model, name = manifest.model, manifest.name
    done = False
    for info in store.list(names.receipts_folder(model, name)):
        done = done or info.key == names.deleted_key(model, name)
        try:
            receipt = read_receipt(store.get(info.key), model, name, info.key)
        except (VaultDamaged, ObjectMissing) as error:
            yield finding("receipt_damaged", model, info.key, str(error))
            continue
        if receipt.positions.size != manifest.documents:
            yield finding("counts_disagree", model, info.key, "it is of another number of documents")
    if not done:
        yield finding(
            "without_receipt", model, names.manifest_key(model, name), f"the run that wrote {name} is not done"
        )


def _verify_receipts_alone(store: ObjectStore, model: str, registers: list[str]) -> Iterator[Finding]:
    """Receipts whose manifest is gone: a manifest is never deleted before them."""
    known = set(registers)
    seen: set[str] = set()
    for info in store.list(names.folder(names.RECEIPTS, model)):
        name = info.key.split("/")[2]
        if name not in known and name not in seen:
            seen.add(name)
            if store.head(names.manifest_key(model, name)) is not None:
                continue
            yield finding("receipt_without_manifest", model, info.key, f"segment {name} of {model} has no manifest")
