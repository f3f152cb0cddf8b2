"""Verifying: what is found, by which code, and that what is no damage is not called so."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace

import pytest

from datactl.objects import ObjectStore
from datactl.steps import Step, Watcher
from datactl.vault import Manifest, Severity, Vault, sidecar
from datactl.vault.findings import CODES
from datactl.vault.names import deleted_key, manifest_key, metadata_key
from datactl.vault.trailer import read_trailer
from datactl.vault.verified import id_hashes, stored
from tests.vault.desk import commit, overwrite, posts, seal


def codes(vault: Vault, *, deep: bool = False, damage_only: bool = False) -> list[str]:
    found = list(vault.verify(deep=deep))
    for one in found:
        assert one.next
        assert one.what
        assert (one.severity, one.next) == CODES[one.code]
    return [one.code for one in found if not damage_only or one.severity is Severity.DAMAGE]


def test_a_whole_vault_has_no_findings(vault: Vault) -> None:
    for number in range(3):
        manifest = commit(vault, posts(50, seed=number), number=number, deleted=range(50))
        vault.put_restored_receipt(manifest, [number], op="OP2")
    commit(vault, posts(5), model="Comment", deleted=range(5))
    vault.claim_epoch("Post")
    assert codes(vault) == codes(vault, deep=True) == []


def test_an_empty_vault_has_no_findings(vault: Vault) -> None:
    assert codes(vault) == []
    assert list(vault.verify("Post", deep=True)) == []


def test_what_is_no_damage(vault: Vault) -> None:
    commit(vault, posts(5), number=0)
    left = seal(posts(5), number=1)
    vault.put_segment(left)
    closed = seal(posts(5), number=2)
    vault.put_segment(closed)
    vault.abort("Post", closed.name, op="OP2", reason="its run is gone")
    found = list(vault.verify(deep=True))
    assert [one.code for one in found] == ["without_receipt", "aborted", "uncommitted"]
    assert {one.severity for one in found} == {Severity.INFO}
    assert "its run is gone" in found[1].what


Damage = Callable[[ObjectStore, Manifest], None]


def remove(key_of: Callable[[Manifest], str]) -> Damage:
    return lambda store, manifest: store.delete(key_of(manifest))


def cut(key_of: Callable[[Manifest], str]) -> Damage:
    def damage(store: ObjectStore, manifest: Manifest) -> None:
        overwrite(store, key_of(manifest), store.get(key_of(manifest))[:-1])

    return damage


def flip(key_of: Callable[[Manifest], str]) -> Damage:
    def damage(store: ObjectStore, manifest: Manifest) -> None:
        data = bytearray(store.get(key_of(manifest)))
        data[len(data) // 2] ^= 4
        overwrite(store, key_of(manifest), bytes(data))

    return damage


def of_segment(manifest: Manifest) -> str:
    return manifest.segment_key


def of_index(manifest: Manifest) -> str:
    return manifest.index_key


def of_metadata(manifest: Manifest) -> str:
    return metadata_key(manifest.model, manifest.name)


def of_manifest(manifest: Manifest) -> str:
    return manifest_key(manifest.model, manifest.name)


def of_receipt(manifest: Manifest) -> str:
    return deleted_key(manifest.model, manifest.name)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (remove(of_segment), ["segment_damaged"]),
        (cut(of_segment), ["segment_damaged"]),
        (flip(of_segment), ["segment_damaged"]),
        (remove(of_index), ["index_damaged"]),
        (cut(of_index), ["index_damaged"]),
        (flip(of_index), ["index_damaged"]),
        (remove(of_metadata), ["metadata_damaged"]),
        (flip(of_metadata), ["metadata_damaged"]),
        (cut(of_manifest), ["manifest_damaged"]),
        (flip(of_manifest), ["manifest_damaged"]),
        (remove(of_manifest), ["uncommitted", "receipt_without_manifest"]),
        (flip(of_receipt), ["receipt_damaged"]),
        (cut(of_receipt), ["receipt_damaged"]),
        (remove(of_receipt), ["without_receipt"]),
    ],
)
def test_damage_is_named(vault: Vault, damage: Damage, expected: list[str], deep: bool) -> None:
    commit(vault, posts(400, seed=1), number=0, deleted=range(400))
    manifest = commit(vault, posts(400, seed=2), number=1, deleted=range(400))
    commit(vault, posts(400, seed=3), number=2, deleted=range(400))
    damage(vault.store, manifest)
    assert codes(vault, deep=deep) == expected
    assert {one.model for one in vault.verify()} == {"Post"}


def test_damage_does_not_end_the_verifying(vault: Vault) -> None:
    manifests = [commit(vault, posts(20, seed=n), number=n, deleted=range(20)) for n in range(4)]
    for manifest in manifests[:3]:
        flip(of_segment)(vault.store, manifest)
        remove(of_index)(vault.store, manifest)
    cut(of_manifest)(vault.store, manifests[3])
    assert codes(vault, deep=True) == ["segment_damaged", "index_damaged"] * 3 + ["manifest_damaged"]


def test_objects_of_other_segments_are_found_out(vault: Vault) -> None:
    """Whole objects under a wrong key: right in themselves, and still not what the manifest names."""
    first = commit(vault, posts(20, seed=1), number=0, deleted=range(20))
    second = commit(vault, posts(20, seed=2), number=1, deleted=range(20))
    for key_of, code in (
        (of_segment, "segment_damaged"),
        (of_index, "index_damaged"),
        (of_manifest, "manifest_damaged"),
        (of_receipt, "receipt_damaged"),
    ):
        saved = vault.store.get(key_of(first))
        overwrite(vault.store, key_of(first), vault.store.get(key_of(second)))
        assert code in codes(vault, damage_only=True), code
        overwrite(vault.store, key_of(first), saved)
    assert codes(vault) == []


def test_counts_are_compared(vault: Vault) -> None:
    """A manifest that is whole and tells of other counts, and a receipt of another size."""
    manifest = commit(vault, posts(20), deleted=range(20))
    overwrite(vault.store, of_manifest(manifest), replace(manifest, raw_bytes=1).to_json())
    assert codes(vault) == ["counts_disagree"]
    overwrite(vault.store, of_manifest(manifest), manifest.to_json())
    larger = commit(vault, posts(21), number=1, deleted=range(21))
    receipt = vault.receipts(larger).deleted_receipt
    assert receipt
    overwrite(vault.store, of_receipt(manifest), replace(receipt, name=manifest.name).to_json())
    assert codes(vault) == ["counts_disagree"]


def test_only_deep_sees_an_index_that_was_built_wrongly(vault: Vault) -> None:
    manifest = commit(vault, posts(50), deleted=range(50))
    data = vault.store.get(manifest.segment_key)
    trailer = read_trailer(data)
    wrong = id_hashes(data, trailer)[::-1]
    built = sidecar.build(manifest.name, trailer.members, wrong, manifest.segment.sha256, manifest.segment.size)
    overwrite(vault.store, manifest.index_key, built)
    overwrite(vault.store, of_manifest(manifest), replace(manifest, index=stored(built)).to_json())
    assert codes(vault) == []
    assert codes(vault, deep=True) == ["index_disagrees"]


def test_only_deep_sees_documents_that_were_written_wrongly(vault: Vault) -> None:
    """A segment whose sums are right and whose member table does not fit: it was written so."""
    manifest = commit(vault, posts(4000, size=300), deleted=range(4000))
    data = vault.store.get(manifest.segment_key)
    first, second = read_trailer(data).members[:2]
    swapped = b"".join(
        (
            data[second.offset : second.offset + second.length],
            data[first.offset : first.offset + first.length],
            data[second.offset + second.length :],
        )
    )
    assert gzip.decompress(swapped)
    overwrite(vault.store, manifest.segment_key, swapped)
    overwrite(vault.store, of_manifest(manifest), replace(manifest, segment=stored(swapped)).to_json())
    assert codes(vault) == ["index_disagrees"]  # it names the SHA-256 of its segment
    assert codes(vault, deep=True) == ["segment_damaged", "index_disagrees"]


def test_a_superseded_manifest_has_to_be_there(vault: Vault) -> None:
    commit(vault, posts(5), deleted=range(5), supersedes=["00000001-000007-0123456789abcdef"])
    assert codes(vault) == ["supersedes_unknown"]


def test_nothing_remembered_is_trusted(vault: Vault) -> None:
    manifest = commit(vault, posts(5), deleted=range(5))
    assert vault.manifest("Post", manifest.name) == manifest
    flip(of_manifest)(vault.store, manifest)
    assert codes(vault) == ["manifest_damaged"]


class Stopping(Watcher):
    """Stops after two segments."""

    def __init__(self) -> None:
        self.seen: list[Step] = []

    def see(self, step: Step) -> None:
        self.seen.append(step)

    def stopping(self) -> bool:
        return len(self.seen) >= 4


def test_it_says_how_far_it_is_and_stops_when_asked(vault: Vault) -> None:
    for number in range(5):
        commit(vault, posts(5, seed=number), number=number)
    watch = Stopping()
    found = list(vault.verify("Post", watch=watch))
    assert [(step.name, step.when, step.done, step.total, step.unit) for step in watch.seen] == [
        ("verify", "before", 0, 5, "segments"),
        ("verify", "after", 0, 5, "segments"),
        ("verify", "before", 1, 5, "segments"),
        ("verify", "after", 1, 5, "segments"),
    ]
    assert len(found) == 2


def test_a_segment_that_is_committed_meanwhile_is_no_damage(vault: Vault) -> None:
    commit(vault, posts(5), number=0, deleted=range(5))

    class CommitsBeside(Watcher):
        """A run beside it: commits a segment, and is done with it, after the registers were listed."""

        def see(self, step: Step) -> None:
            if step.when == "before":
                commit(vault, posts(5, seed=1), number=1, deleted=range(5))

    assert list(vault.verify("Post", watch=CommitsBeside())) == []
    assert codes(vault) == []
