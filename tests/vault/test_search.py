"""Finding documents: by any spelling of their `_id`, in few reads, and never a wrong one."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId

from datactl.errors import NotFound, VaultDamaged
from datactl.objects import ObjectStore, open_store
from datactl.vault import Vault, search
from datactl.vault import sidecar as sidecar_module
from datactl.vault.rawbson import id_key
from tests.vault.desk import IDS, RecordingStore, commit, document, key, overwrite, posts, samples


def test_every_id_is_found_by_itself(vault: Vault) -> None:
    documents = samples()
    commit(vault, documents, deleted=range(len(documents)))
    for _id, stored in zip(IDS, documents, strict=True):
        found = vault.retrieve("Post", key(_id), absent=True)
        assert found, _id
        assert found.document == stored
    assert vault.retrieve("Post", key("somebody else"), absent=True) is None
    assert vault.retrieve("Comment", key(1), absent=True) is None


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        (1, 1.0),
        (1.0, Int64(1)),
        (Int64(1), Decimal128("1.00")),
        (Decimal128("1"), 1),
        (-0.0, 0),
        ({"a": 1}, {"a": 1.0}),
        (float("nan"), Decimal128("NaN")),
    ],
)
def test_a_number_is_found_by_any_of_its_types(memory_vault: Vault, stored: Any, asked: Any) -> None:
    commit(memory_vault, [document("other"), document(stored, title="this")], deleted=[0, 1])
    found = memory_vault.retrieve("Post", key(asked), absent=True)
    assert found
    assert found.document == document(stored, title="this")


def test_an_id_need_not_come_first(memory_vault: Vault) -> None:
    late = bson.encode({"title": "x", "_id": ObjectId("0123456789abcdef01234567")})
    raw = b"\x10n\x00\x01\x00\x00\x00\x07_id\x00" + bytes(12) + b"\x00"
    raw = (len(raw) + 4).to_bytes(4, "little") + raw
    commit(memory_vault, [late, raw], deleted=[0, 1])
    found = memory_vault.retrieve("Post", b"\x07" + bytes(12), absent=True)
    assert found
    assert found.document == raw


def test_receipts_travel_with_the_copies(vault: Vault) -> None:
    documents = posts(50)
    first = commit(vault, documents, epoch=1, deleted=range(10))
    second = commit(vault, documents, epoch=2)
    vault.put_restored_receipt(first, [3], op="OP5")

    def seen(position: int) -> list[tuple[int, bool | None, bool]]:
        found = vault.locate("Post", id_key(documents[position]))
        return [(copy.rank.epoch, copy.receipt, copy.restored) for copy in found]

    assert seen(2) == [(2, None, False), (1, True, False)]
    assert seen(3) == [(2, None, False), (1, True, True)]
    assert seen(20) == [(2, None, False), (1, False, False)]
    for copy in vault.locate("Post", id_key(documents[20])):
        assert copy.position == 20
        assert vault.fetch(copy) == documents[20]
    vault.put_deleted_receipt(second, [20], op="OP6")
    assert seen(20) == [(2, True, False), (1, False, False)]


def test_what_others_commit_is_seen_at_once(store: ObjectStore) -> None:
    """I5: what is remembered is a cache; the bucket decides."""
    reader, writer = Vault(store), Vault(store)
    documents = posts(10)
    assert reader.retrieve("Post", id_key(documents[0]), absent=True) is None
    commit(writer, documents, deleted=range(10))
    assert reader.retrieve("Post", id_key(documents[0]), absent=True) is not None
    writer.put_restored_receipt(next(reader.manifests("Post")), [0], op="OP2")
    assert reader.retrieve("Post", id_key(documents[0]), absent=True) is None


def test_a_compacted_copy_ranks_as_its_source_whatever_its_name(memory_vault: Vault) -> None:
    vault = memory_vault
    old, new = posts(3), [document(bson.decode(each)["_id"], newer=True) for each in posts(3)]
    source = commit(vault, old, epoch=1, deleted=range(3))
    newer = commit(vault, new, epoch=2, deleted=range(3))
    compacted = commit(vault, old, epoch=3, deleted=range(3), rank=source.rank, supersedes=[source.name])
    assert vault.by_rank("Post") == [newer, compacted, source]
    found = vault.retrieve("Post", id_key(old[1]), absent=True)
    assert found is not None
    assert found.document == new[1]


def test_one_of_a_hundred_segments_in_few_reads() -> None:
    """Cold: three small reads of each sidecar at most, one ranged read of one segment, and each manifest once."""
    inner = open_store("memory:")
    batches = [posts(1500, seed=seed) for seed in range(100)]
    for number, batch in enumerate(batches):
        commit(Vault(inner), batch, number=number, deleted=range(1500), member_bytes=16 * 1024)
    for number, position in ((17, 0), (99, 777), (0, 1499)):
        recording = RecordingStore(inner)
        vault = Vault(recording)
        wanted = batches[number][position]
        candidates = list(vault.locate("Post", id_key(wanted)))
        assert [(copy.rank.number, copy.position) for copy in candidates] == [(number, position)]
        reads = [key for call, key in recording.calls if call == "get_range"]
        assert all(key.startswith("indexes/") for key in reads)
        assert max(reads.count(key) for key in reads) <= 3
        assert len(reads) <= 100 + 2 + 2
        assert recording.read_bytes / len(reads) <= 64 * 1024
        assert recording.count("get", "manifests/") == 100
        assert recording.count("get", "segments/") == recording.count("get", "indexes/") == 0
        recording.calls.clear()
        assert vault.fetch(candidates[0]) == wanted
        assert recording.calls == [("get_range", candidates[0].manifest.segment_key)]
        recording.calls.clear()
        # Warm, for the next id: the manifests are remembered.
        assert vault.retrieve("Post", id_key(batches[50][3]), absent=True) is not None
        assert recording.count("get", "manifests/") == 0


def test_a_listing_serves_many(store: ObjectStore) -> None:
    recording = RecordingStore(store)
    vault = Vault(recording)
    documents = posts(20)
    commit(vault, documents, deleted=range(20))
    within = vault.by_rank("Post")
    recording.calls.clear()
    for wanted in documents:
        found = vault.retrieve("Post", id_key(wanted), absent=True, within=within)
        assert found
        assert found.document == wanted
    assert recording.count("list", "manifests/") == 0


def test_ids_whose_hashes_collide(memory_vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all hashes alike, every id is still found, and what is not there is not."""
    for module in ("datactl.vault.verified", "datactl.vault.vault", "datactl.vault.search"):
        monkeypatch.setattr(f"{module}.hash_id", lambda normal: 7)
    documents = [document(n, body=f"number {n}") for n in range(400)]
    commit(memory_vault, documents, deleted=range(400))
    commit(memory_vault, [document("x"), document("y")], epoch=2, deleted=[0, 1])
    for n in (0, 1, 200, 399):
        found = memory_vault.retrieve("Post", key(n), absent=True)
        assert found
        assert found.document == documents[n]
    assert memory_vault.retrieve("Post", key(400), absent=True) is None
    wrong = next(iter(memory_vault.locate("Post", key(400))))
    with pytest.raises(NotFound, match="another document"):
        memory_vault.fetch(wrong)


def test_an_index_that_lies_gives_no_wrong_document(memory_vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sidecar that is whole and wrong: the `_id` of what is fetched decides."""
    documents = posts(100)
    real_build = sidecar_module.build
    monkeypatch.setattr(
        "datactl.vault.sidecar.build",
        lambda name, members, hashes, sha256, size: real_build(name, members, list(hashes)[::-1], sha256, size),
    )
    commit(memory_vault, documents, deleted=range(100))
    monkeypatch.undo()
    with pytest.raises(VaultDamaged, match="do not agree"):
        memory_vault.retrieve("Post", id_key(documents[0]), absent=True)
    assert [finding.code for finding in memory_vault.verify(deep=True)] == ["index_disagrees"]


def test_damage_of_an_older_segment_does_no_harm(vault: Vault) -> None:
    documents = posts(10)
    older = commit(vault, documents, epoch=1, deleted=range(10))
    newer = commit(vault, documents, epoch=2, deleted=range(10))
    vault.store.delete(older.index_key)
    commit(vault, posts(5, seed=9), epoch=3, deleted=range(5))
    found = vault.retrieve("Post", id_key(documents[0]), absent=True)
    assert found
    assert found.copy.manifest == newer
    with pytest.raises(VaultDamaged):
        list(vault.locate("Post", id_key(documents[0])))


def test_a_damaged_newer_segment_is_no_reason_for_an_older_copy(vault: Vault) -> None:
    documents = posts(10)
    commit(vault, documents, epoch=1, deleted=range(10))
    newer = commit(vault, documents, epoch=2, deleted=range(10))
    data = vault.store.get(newer.index_key)
    overwrite(vault.store, newer.index_key, data[:-1])
    with pytest.raises(VaultDamaged) as raised:
        vault.retrieve("Post", id_key(documents[0]), absent=True)
    assert raised.value.details["key"] == newer.index_key
    assert raised.value.next
    assert search.places(vault.store, next(iter(vault.manifests("Post"))), 1) == []
