"""Committing: what a manifest stands for (I1), that keys are written once (I3), and lost replies (I8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from datactl.errors import Conflict, UsageError, VaultDamaged
from datactl.objects import ObjectInfo, ObjectStore, open_store
from datactl.vault import Aborted, Manifest, Rank, SegmentName, SegmentWriter, Stored, Vault, VerifiedSegment
from datactl.vault.names import manifest_key, metadata_key
from datactl.vault.rawbson import id_key
from datactl.vault.verified import VerifiedSidecar, stored
from tests.vault.desk import NAMESPACE, RecordingStore, commit, document, overwrite, posts, samples, seal


def test_every_type_goes_in_and_comes_back(vault: Vault) -> None:
    documents = samples() + posts(500)
    manifest = commit(vault, documents)
    segment = vault.open_segment(manifest)
    back = [stored for member in segment.members() for stored in member]
    assert [one.document for one in back] == documents
    assert [one.position for one in back] == list(range(len(documents)))
    assert [one.id_key for one in back] == [id_key(document) for document in documents]


def test_a_manifest_tells_what_was_committed(vault: Vault) -> None:
    documents = posts(1000)
    cutoff = datetime(2026, 8, 26, 1, 2, 3, 456000, UTC)
    sealed = seal(documents, epoch=12, number=3)
    vault.put_segment(sealed)
    segment = vault.read_back(sealed)
    manifest = vault.commit(segment, vault.put_sidecar(segment), op="OP9", actor="anna", reason="old", cutoff=cutoff)
    assert (manifest.documents, manifest.raw_bytes) == (1000, sum(map(len, documents)))
    assert (manifest.namespace, manifest.model, manifest.name) == (NAMESPACE, "Post", sealed.name)
    assert (manifest.rank, manifest.epoch, manifest.number) == (Rank(12, 3), 12, 3)
    assert (manifest.op, manifest.actor, manifest.reason, manifest.cause) == ("OP9", "anna", "old", "age")
    assert (manifest.cutoff, manifest.tier, manifest.supersedes) == (cutoff, "warm", ())
    assert manifest.segment == Stored(sealed.size, sealed.sha256)
    assert Vault(vault.store).manifest("Post", sealed.name) == manifest
    text = vault.store.get(manifest_key("Post", sealed.name)).decode()
    assert json.loads(text)["cutoff"] == "2026-08-26T01:02:03.456Z"
    for secret in ("post 1", id_key(documents[0])[1:].hex()):
        assert secret not in text


def test_nothing_is_there_before_the_commit(vault: Vault) -> None:
    sealed = seal(posts(10))
    vault.put_segment(sealed)
    vault.put_sidecar(vault.read_back(sealed))
    assert vault.manifest("Post", sealed.name) is None
    assert list(vault.manifests("Post")) == []
    assert list(vault.segments_without_manifest("Post")) == [sealed.name]
    assert vault.retrieve("Post", id_key(posts(1)[0]), absent=True) is None


def test_a_commit_takes_only_what_this_vault_read_back(vault: Vault) -> None:
    """I1. The verified values come into being by reading; loose ones do not exist."""
    sealed = seal(posts(10))
    with pytest.raises(VaultDamaged, match="missing"):
        vault.read_back(sealed)
    vault.put_segment(sealed)
    segment = vault.read_back(sealed)
    with pytest.raises(VaultDamaged, match="missing"):
        VerifiedSidecar(segment, b"never stored")
    index = vault.put_sidecar(segment)
    other_vault = Vault(open_store("memory:"))
    with pytest.raises(ValueError, match="another store"):
        other_vault.commit(segment, index, op="OP1")
    with pytest.raises(ValueError, match="another store"):
        other_vault.put_sidecar(segment)
    again = vault.read_back(sealed)
    with pytest.raises(ValueError, match="another segment"):
        vault.commit(again, index, op="OP1")
    assert list(other_vault.manifests("Post")) == list(vault.manifests("Post")) == []


@pytest.mark.parametrize("kind", ["segment", "metadata", "index"])
def test_what_the_store_got_wrong_is_seen_before_the_commit(vault: Vault, kind: str) -> None:
    """A store that keeps other bytes than it was given is found out by the reading back."""
    sealed = seal(posts(2000))
    vault.put_segment(sealed)
    if kind == "index":
        segment = vault.read_back(sealed)
        vault.put_sidecar(segment)
        key = f"indexes/Post/{sealed.name}.idx"
        built = vault.store.get(key)
        overwrite(vault.store, key, built[:5000] + b"!" + built[5001:])
        with pytest.raises(VaultDamaged):
            VerifiedSidecar(segment, built)
        with pytest.raises(Conflict):
            vault.put_sidecar(segment)
        return
    suffix = ".bson.gz" if kind == "segment" else ".metadata.json.gz"
    key = f"segments/Post/{sealed.name}{suffix}"
    data = vault.store.get(key)
    for broken, said in (
        (data[:50] + bytes([data[50] ^ 1]) + data[51:], "SHA-256"),
        (data[:-1], f"{len(data) - 1} bytes instead of {len(data)}"),
        (data + b"\x00", "bytes instead of"),
    ):
        overwrite(vault.store, key, broken)
        with pytest.raises(VaultDamaged, match=said) as raised:
            vault.read_back(sealed)
        assert raised.value.details["key"] == key
        assert raised.value.next


def test_a_writer_that_lies_is_seen(vault: Vault) -> None:
    """SHA-256 of the file right, contents not what the trailer says: every member is read, not only the sum."""
    sealed = seal(posts(4000, size=300))
    assert len(sealed.members) > 2
    first, second = sealed.data[0], sealed.data[1]
    swapped = b"".join((second, first, *sealed.data[2:]))
    vault.store.put(f"segments/Post/{sealed.name}.bson.gz", swapped)
    vault.store.put(f"segments/Post/{sealed.name}.metadata.json.gz", sealed.metadata)
    with pytest.raises(VaultDamaged, match="member at byte"):
        VerifiedSegment(vault.store, "Post", sealed.name, stored(swapped), stored(sealed.metadata))


def test_another_segments_bytes_are_refused(vault: Vault) -> None:
    sealed, other = seal(posts(10)), seal(posts(10, seed=2))
    data = b"".join(other.data)
    vault.store.put(f"segments/Post/{sealed.name}.bson.gz", data)
    vault.store.put(f"segments/Post/{sealed.name}.metadata.json.gz", sealed.metadata)
    with pytest.raises(VaultDamaged, match="another segment"):
        VerifiedSegment(vault.store, "Post", sealed.name, stored(data), stored(sealed.metadata))


def test_a_lost_reply_is_no_conflict(store: ObjectStore) -> None:
    """I8, at each of the puts of one segment: the client tries again and meets its own object."""
    recording = RecordingStore(store)
    vault = Vault(recording)
    recording.lose_replies_of = {"segments/", "indexes/", "manifests/", "receipts/", "epochs/"}
    assert vault.claim_epoch("Post") == 1
    manifest = commit(vault, posts(10), deleted=range(10))
    recording.lose_replies_of = {"segments/", "receipts/"}
    vault.put_restored_receipt(manifest, [3], op="OP2")
    assert recording.lose_replies_of == {"segments/"}
    assert list(Vault(store).manifests("Post")) == [manifest]
    assert list(vault.receipts(manifest).restored) == [3]
    assert list(vault.verify(deep=True)) == []


def test_to_commit_again_is_the_same_commit(vault: Vault) -> None:
    sealed = seal(posts(10))
    vault.put_segment(sealed)
    vault.put_segment(sealed)
    segment = vault.read_back(sealed)
    index = vault.put_sidecar(segment)
    first = vault.commit(segment, index, op="OP1")
    assert vault.commit(segment, index, op="OP1") == first
    with pytest.raises(Conflict, match="cannot be committed"):
        vault.commit(segment, index, op="OP2")


def test_the_same_operation_does_not_commit_other_bytes_under_the_name(memory_vault: Vault) -> None:
    """I8: that the operation is the same does not make a register one's own."""
    vault = memory_vault
    first = commit(vault, posts(10))
    writer = SegmentWriter(NAMESPACE, "Post", name=SegmentName.parse(first.name))
    writer.add_many(posts(10, seed=2))
    other = writer.finish()
    overwrite(vault.store, first.segment_key, b"".join(other.data))
    overwrite(vault.store, metadata_key("Post", first.name), other.metadata)
    vault.store.delete(first.index_key)
    segment = vault.read_back(other)
    index = vault.put_sidecar(segment)
    with pytest.raises(Conflict, match="another manifest"):
        vault.commit(segment, index, op=first.op)
    assert Vault(vault.store).manifest("Post", first.name) == first


def test_a_manifest_and_its_segment_count_the_same(memory_vault: Vault) -> None:
    manifest = commit(memory_vault, posts(10))
    assert memory_vault.open_segment(manifest).documents == 10
    for documents in (9, 11):
        with pytest.raises(VaultDamaged, match="another number of documents"):
            memory_vault.open_segment(replace(manifest, documents=documents))


def test_a_name_holds_one_segment(vault: Vault) -> None:
    """I3."""
    sealed = seal(posts(10))
    vault.put_segment(sealed)
    writer = SegmentWriter(NAMESPACE, "Post", name=SegmentName.parse(sealed.name))
    writer.add_many(posts(11))
    with pytest.raises(Conflict, match="holds something else"):
        vault.put_segment(writer.finish())
    assert vault.store.get(f"segments/Post/{sealed.name}.bson.gz") == b"".join(sealed.data)


def test_aborted_is_for_good(vault: Vault) -> None:
    sealed = seal(posts(10))
    vault.put_segment(sealed)
    segment = vault.read_back(sealed)
    index = vault.put_sidecar(segment)
    aborted = vault.abort("Post", sealed.name, op="OP2", reason="its run is gone")
    assert vault.abort("Post", sealed.name, op="OP3", reason="again").op == "OP2"
    with pytest.raises(Conflict, match="aborted"):
        vault.commit(segment, index, op="OP1")
    assert Vault(vault.store).manifest("Post", sealed.name) == aborted
    assert isinstance(aborted, Aborted)
    assert list(vault.manifests("Post")) == []
    assert list(vault.segments_without_manifest("Post")) == []


def test_a_committed_segment_is_not_aborted(vault: Vault) -> None:
    manifest = commit(vault, posts(10))
    with pytest.raises(Conflict, match="committed"):
        Vault(vault.store).abort("Post", manifest.name, op="OP2", reason="late")
    assert list(vault.manifests("Post")) == [manifest]


def test_what_runs_left_is_listed(vault: Vault) -> None:
    done = [commit(vault, posts(5, seed=n), number=n, deleted=range(5)) for n in range(3)]
    open_ = [commit(vault, posts(5, seed=n), epoch=2, number=n) for n in range(3)]
    left = [seal(posts(5), epoch=n) for n in (1, 3, 9)]
    for sealed in left:
        vault.put_segment(sealed)
    half = seal(posts(5), epoch=4)
    vault.store.put(f"segments/Post/{half.name}.metadata.json.gz", half.metadata)
    vault.abort("Post", left[1].name, op="OP2", reason="gone")
    assert [m.name for m in vault.manifests("Post")] == [m.name for m in done + open_]
    assert list(vault.manifests_without_receipt("Post")) == open_
    assert list(vault.segments_without_manifest("Post")) == [left[0].name, half.name, left[2].name]
    assert list(vault.manifests_without_receipt("Comment")) == []
    assert list(vault.segments_without_manifest("Comment")) == []


def test_models_with_odd_names_keep_apart(vault: Vault) -> None:
    models = ["Post", "Post0", "Post-1", "Po st", "Beiträge", "a/b", "..", "%2E%2E", "x" * 100]
    for n, model in enumerate(models):
        commit(vault, posts(3, seed=n), model=model, deleted=range(3))
        assert vault.claim_epoch(model) == 1
    assert vault.models() == sorted(models)
    for n, model in enumerate(models):
        assert [manifest.model for manifest in vault.manifests(model)] == [model]
        found = vault.retrieve(model, id_key(posts(3, seed=n)[1]), absent=False)
        assert found
        assert found.document == posts(3, seed=n)[1]
    assert list(vault.verify(deep=True)) == []


def test_chunks_are_bounded(vault: Vault) -> None:
    large = [document(n, body="x" * 9_000_000) for n in range(3)]
    middling = [document(n, body="y" * 1_000_000) for n in range(3, 33)]
    documents = posts(1300) + large + middling
    segment = vault.open_segment(commit(vault, documents))
    chunks = list(segment.chunks())
    assert [one.document for chunk in chunks for one in chunk] == documents
    assert [len(chunk) for chunk in chunks[:2]] == [500, 500]
    for chunk in chunks:
        assert len(chunk) <= 500
        assert len(chunk) == 1 or sum(len(one.document) for one in chunk) <= 8_000_000
    assert sum(1 for chunk in chunks if len(chunk) == 1) == 3
    assert max(len(chunk) for chunk in segment.chunks(documents=7, size=10_000)) == 7


def test_epochs_are_claimed_once(vault: Vault) -> None:
    other = Vault(vault.store)
    claimed = [claimer.claim_epoch("Post") for claimer in (vault, other, vault, vault, other)]
    assert claimed == [1, 2, 3, 4, 5]
    assert vault.latest_epoch("Post") == 5
    assert vault.claim_epoch("Comment") == 1
    assert vault.latest_epoch("User") == 0


def test_epochs_are_claimed_once_by_all_that_race(store: ObjectStore) -> None:
    """Each of them saw the same listing."""

    class Stale(RecordingStore):
        def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectInfo]:
            return iter(())

    assert [Vault(Stale(store)).claim_epoch("Post") for _ in range(4)] == [1, 2, 3, 4]
    with ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(lambda _: Vault(store).claim_epoch("Post"), range(12)))
    assert sorted(claimed) == list(range(5, 17))


def test_epochs_go_on_after_a_gap(vault: Vault) -> None:
    """Garbage collection may take old ones; what was claimed is never claimed again."""
    for _ in range(3):
        vault.claim_epoch("Post")
    vault.store.delete("epochs/Post/0000000001")
    vault.store.put("epochs/Post/notes", b"by hand")
    assert vault.claim_epoch("Post") == 4


@pytest.mark.parametrize("text", ["", "1-2-3", "00000001-000000-xyz", "00000001-000000-0123456789abcdef/.."])
def test_names_are_read_back_strictly(text: str) -> None:
    with pytest.raises(UsageError):
        SegmentName.parse(text)
    name = SegmentName.new(99_999_999, 999_999)
    assert SegmentName.parse(str(name)) == name
    with pytest.raises(UsageError):
        SegmentName.new(100_000_000, 0)


def test_a_manifest_is_a_value_like_its_json(memory_vault: Vault) -> None:
    manifest = commit(memory_vault, posts(10), rank=Rank(1, 7), supersedes=["00000001-000007-0123456789abcdef"])
    register = Vault(memory_vault.store).manifest("Post", manifest.name)
    assert isinstance(register, Manifest)
    assert register == manifest
    assert register.rank == Rank(1, 7)
    assert register.to_json() == manifest.to_json()
