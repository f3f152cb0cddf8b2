"""Segments: what is in one, and that every gzip reader reads it."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datactl.errors import DocumentTooLarge, InvalidDocument, VaultDamaged
from datactl.vault import SegmentName, SegmentWriter, Vault
from datactl.vault.members import Member, inflate, pack_table, unpack_table
from datactl.vault.segment import LONGEST_TARGET, MEMBER_BYTES
from datactl.vault.trailer import END_BYTES, pack_trailer, read_trailer
from datactl.vault.verified import member_documents
from tests.vault.desk import NAMESPACE, commit, document, posts, samples, seal


def whole(documents: list[bytes], **options: Any) -> bytes:
    return b"".join(seal(documents, **options).data)


def test_stock_readers_read_a_segment(tmp_path: Path) -> None:
    documents = posts(3000) + samples()
    path = tmp_path / "one.bson.gz"
    path.write_bytes(whole(documents))
    expected = b"".join(documents)
    assert gzip.decompress(path.read_bytes()) == expected
    with gzip.open(path) as file:
        assert file.read() == expected
    assert subprocess.run(["gzip", "-dc", path], capture_output=True, check=True).stdout == expected
    assert subprocess.run(["gzip", "-t", path], capture_output=True, check=True).stderr == b""


def test_members_can_be_read_alone() -> None:
    documents = posts(5000, size=200)
    segment = whole(documents)
    trailer = read_trailer(segment)
    assert len(trailer.members) > 3
    for member in trailer.members:
        data = segment[member.offset : member.offset + member.length]
        block = inflate(data, member)
        assert block == b"".join(documents[member.first : member.first + member.count])
        assert zlib.decompress(data, 31) == block
        assert member.crc == zlib.crc32(block)
        assert member.sha256 == hashlib.sha256(block).digest()
        assert member.raw_length <= MEMBER_BYTES
        assert member.raw_length > MEMBER_BYTES * 0.9 or member is trailer.members[-1]


def test_the_trailer_tells_what_is_there() -> None:
    documents = posts(1000)
    sealed = seal(documents, epoch=3, number=7)
    segment = b"".join(sealed.data)
    trailer = read_trailer(segment)
    assert trailer == sealed.trailer
    assert (trailer.namespace, trailer.model, trailer.name) == (NAMESPACE, "Post", sealed.name)
    assert sealed.name.startswith("00000003-000007-")
    assert (trailer.documents, trailer.raw_bytes) == (1000, sum(map(len, documents)))
    assert sealed.size == len(segment)
    assert sealed.sha256 == hashlib.sha256(segment).hexdigest()
    # What follows the documents are gzip members of no data.
    assert gzip.decompress(segment[trailer.data_bytes :]) == b""


def test_a_large_trailer_takes_several_members() -> None:
    documents = posts(3000)
    sealed = seal(documents, member_bytes=200)
    assert len(sealed.members) == 3000
    segment = b"".join(sealed.data)
    trailer_bytes = len(segment) - sealed.trailer.data_bytes
    assert trailer_bytes > 2 * 65_535
    assert read_trailer(segment) == sealed.trailer
    assert gzip.decompress(segment) == b"".join(documents)


def test_a_large_document_has_a_member_of_its_own() -> None:
    small, large = document(1), document(2, body="x" * MEMBER_BYTES)
    sealed = seal([small, small, large, small])
    assert [member.count for member in sealed.members] == [2, 1, 1]
    assert gzip.decompress(b"".join(sealed.data)) == small + small + large + small


def test_the_largest_document_of_mongodb_fits() -> None:
    chance = random.Random(1)
    largest = document(1, body=b"")
    largest = document(1, body=chance.randbytes(16 * 1024 * 1024 - len(largest)))
    assert len(largest) == 16 * 1024 * 1024
    sealed = seal([document(0), largest])
    assert sealed.size < 17 * 1024 * 1024
    assert gzip.decompress(b"".join(sealed.data)).endswith(largest)


def test_a_larger_document_is_refused() -> None:
    writer = SegmentWriter(NAMESPACE, "Post", name=SegmentName.new(1, 0))
    with pytest.raises(DocumentTooLarge):
        writer.add(b"\x00" * (16 * 1024 * 1024 + 16 * 1024 + 1))
    assert writer.documents == 0


def test_a_full_segment_takes_no_more() -> None:
    documents = posts(20_000, size=400)
    taken = 0
    sizes: list[int] = []
    while taken < len(documents):
        writer = SegmentWriter(NAMESPACE, "Post", name=SegmentName.new(1, len(sizes)), segment_bytes=1 << 20)
        count = writer.add_many(documents[taken:])
        assert writer.full or taken + count == len(documents)
        sealed = writer.finish()
        assert sealed.documents == count
        assert gzip.decompress(b"".join(sealed.data)) == b"".join(documents[taken : taken + count])
        taken += count
        sizes.append(sealed.size)
    assert len(sizes) > 3
    assert all(0.5 * (1 << 20) < size < 1.2 * (1 << 20) for size in sizes[:-1])


def test_a_segment_stays_below_64_mib() -> None:
    """Also with the largest documents, none of which compresses, and the largest target."""
    chance = random.Random(1)
    documents = [document(n, body=chance.randbytes(16 * 1024 * 1024 - 200)) for n in range(3)]
    for take in ("one by one", "many"):
        writer = SegmentWriter(NAMESPACE, "Post", name=SegmentName.new(1, 0), segment_bytes=LONGEST_TARGET)
        for one in documents:
            if not writer.full and take == "one by one":
                writer.add(one)
        if take == "many":
            writer.add_many(documents * 3)
        assert writer.full
        assert LONGEST_TARGET <= writer.finish().size < 64 * 1024 * 1024
    with pytest.raises(ValueError, match="segment aims"):
        SegmentWriter(NAMESPACE, "Post", name=SegmentName.new(1, 0), segment_bytes=LONGEST_TARGET + 1)


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(InvalidDocument):
        SegmentWriter(NAMESPACE, "Post", name=SegmentName.new(1, 0)).finish()


@pytest.mark.parametrize(
    "wrong",
    [b"", b"\x05\x00\x00\x00", b"\x05\x00\x00\x00\x01", document(1) + b"\x00", document(1)[:-1], document(1) * 2],
)
def test_what_is_not_one_document_is_refused(wrong: bytes) -> None:
    writer = SegmentWriter(NAMESPACE, "Post", name=SegmentName.new(1, 0))
    writer.add(document(0))
    writer.add(wrong)
    with pytest.raises(InvalidDocument):
        writer.finish()


def test_mongorestore_finds_its_metadata_beside_it(memory_vault: Vault) -> None:
    indexes = [{"v": {"$numberInt": "2"}, "key": {"sku": {"$numberInt": "1"}}, "name": "sku_1", "unique": True}]
    manifest = commit(memory_vault, posts(10), indexes=indexes, options={"validator": {}})
    data = memory_vault.store.get(manifest.segment_key.replace(".bson.gz", ".metadata.json.gz"))
    metadata = json.loads(gzip.decompress(data))
    assert metadata["indexes"] == indexes
    assert metadata["options"] == {"validator": {}}
    assert (metadata["type"], metadata["collectionName"]) == ("collection", "posts")
    assert len(bytes.fromhex(metadata["uuid"])) == 16
    plain = seal(posts(1))
    assert json.loads(gzip.decompress(plain.metadata))["indexes"][0]["name"] == "_id_"


def test_the_same_documents_give_the_same_bytes() -> None:
    name = SegmentName.new(1, 0)

    def written() -> bytes:
        writer = SegmentWriter(NAMESPACE, "Post", name=name)
        writer.add_many(posts(4000))
        return b"".join(writer.finish().data)

    assert written() == written()


def test_a_cut_between_members_is_seen() -> None:
    """gzip itself takes such a file for a whole one."""
    segment = whole(posts(4000, size=300))
    trailer = read_trailer(segment)
    cuts = [member.offset for member in trailer.members[1:]] + [trailer.data_bytes, len(segment) - END_BYTES]
    assert len(cuts) > 4
    for cut in cuts:
        assert len(gzip.decompress(segment[:cut])) == sum(m.raw_length for m in trailer.members if m.offset < cut)
        with pytest.raises(VaultDamaged):
            read_trailer(segment[:cut])
    # Members that are taken out or doubled leave a whole gzip file, too.
    second = trailer.members[1]
    without = segment[: second.offset] + segment[second.offset + second.length :]
    doubled = segment[: second.offset + second.length] + segment[second.offset :]
    for changed in (without, doubled):
        assert gzip.decompress(changed)
        with pytest.raises(VaultDamaged):
            read_trailer(changed)


def test_every_flipped_bit_of_a_trailer_is_seen() -> None:
    segment = whole(posts(300), member_bytes=4096)
    start = read_trailer(segment).data_bytes
    for bit in range(start * 8, len(segment) * 8):
        changed = bytearray(segment)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VaultDamaged):
            read_trailer(bytes(changed))


@pytest.mark.parametrize(
    "change",
    [{"crc": 1}, {"sha256": bytes(32)}, {"raw_length": 10}, {"raw_length": 1 << 20}],
    ids=["crc", "sha256", "shorter", "longer"],
)
def test_a_member_is_compared_with_its_entry(change: dict[str, Any]) -> None:
    segment = whole(posts(100))
    member = read_trailer(segment).members[0]
    data = segment[member.offset : member.offset + member.length]
    assert inflate(data, member)
    with pytest.raises(VaultDamaged):
        inflate(data, replace(member, **change))
    for wrong in (data[:-9], data + b"\x00", data + data, b"", b"not gzip"):
        with pytest.raises(VaultDamaged):
            inflate(wrong, member)
    with pytest.raises(VaultDamaged, match="100 documents, not 99"):
        member_documents(data, replace(member, count=99))


@pytest.mark.parametrize(
    "change",
    [{"offset": 11}, {"offset": 9}, {"first": 4}, {"first": 2}, {"length": 0}, {"count": 0}, {"raw_length": 0}],
    ids=str,
)
def test_the_members_of_a_table_follow_each_other(change: dict[str, int]) -> None:
    """Its SHA-256 would be right: what is wrong was written so."""
    members = (Member(0, 10, 30, 0, 3, 1, bytes(32)), Member(10, 20, 40, 3, 5, 2, bytes(range(32))))
    assert unpack_table(pack_table(members)) == members
    with pytest.raises(VaultDamaged, match="entry 1 does not follow"):
        unpack_table(pack_table((members[0], replace(members[1], **change))))


def test_what_is_reserved_in_a_table_is_zero() -> None:
    table = bytearray(pack_table((Member(0, 10, 30, 0, 3, 1, bytes(32)),)))
    table[28] = 1  # behind offset (8 bytes) and five numbers of 4
    with pytest.raises(VaultDamaged, match="entry 0"):
        unpack_table(bytes(table))


@pytest.mark.parametrize("change", ["documents", "raw_bytes", "length"])
def test_a_trailer_counts_what_its_members_count(change: str) -> None:
    trailer = seal(posts(50), member_bytes=2000).trailer
    filling = bytes(trailer.data_bytes)
    assert read_trailer(filling + b"".join(pack_trailer(trailer))) == trailer
    if change == "length":
        last = trailer.members[-1]
        wrong = replace(trailer, members=(*trailer.members[:-1], replace(last, length=last.length + 1)))
    else:
        wrong = replace(trailer, **{change: getattr(trailer, change) + 1})
    with pytest.raises(VaultDamaged, match="trailer is wrong"):
        read_trailer(filling + b"".join(pack_trailer(wrong)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60), st.integers(64, 4096))
def test_any_sizes_of_documents_and_members(sizes: list[int], member_bytes: int) -> None:
    documents = [document(n, body="x" * size) for n, size in enumerate(sizes)]
    sealed = seal(documents, member_bytes=member_bytes)
    segment = b"".join(sealed.data)
    assert gzip.decompress(segment) == b"".join(documents)
    assert read_trailer(segment) == sealed.trailer
    for member in sealed.members:
        assert member.raw_length <= member_bytes or member.count == 1
