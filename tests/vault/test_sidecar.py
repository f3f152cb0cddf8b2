"""The index of a segment: it finds every document, in few reads, whatever the hashes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datactl.errors import VaultDamaged
from datactl.vault import sidecar
from datactl.vault.members import Member
from datactl.vault.sidecar import PAGE_BYTES, RECORDS_PER_PAGE, Geometry

NAME = "00000001-000000-0123456789abcdef"
ANY_HASH = st.integers(0, 2**64 - 1)


class Sidecar:
    """A built sidecar whose reads are counted."""

    def __init__(self, hashes: Sequence[int]) -> None:
        count = len(hashes)
        self.members = tuple(
            Member(first * 50, 50 * min(100, count - first), 9000, first, min(100, count - first), 1, bytes(32))
            for first in range(0, count, 100)
        )
        self.data = sidecar.build(NAME, self.members, hashes, "00" * 32, 12345)
        pages = sidecar.pages_for(count)
        self.geometry = Geometry(NAME, count, pages, sidecar.header_bytes(len(self.members), pages))
        self.reads: list[int] = []

    def read(self, start: int, length: int) -> bytes:
        self.reads.append(length)
        assert start + length <= len(self.data)
        return self.data[start : start + length]

    def find(self, value: int) -> list[int]:
        self.reads.clear()
        return sidecar.find(self.geometry, value, self.read)[0]


def uniform(count: int, seed: int = 1) -> list[int]:
    chance = random.Random(seed)
    return [chance.getrandbits(64) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, RECORDS_PER_PAGE - 1, RECORDS_PER_PAGE, RECORDS_PER_PAGE + 1, 5000])
def test_every_document_is_found(count: int) -> None:
    hashes = uniform(count)
    built = Sidecar(hashes)
    assert len(built.data) == built.geometry.pages_offset + built.geometry.pages * PAGE_BYTES
    for number, value in enumerate(hashes):
        assert built.find(value) == [number]
        assert built.find(value ^ 1) == []
    for value in (0, 2**64 - 1):
        assert built.find(value) == []


def test_reads_are_few_and_small() -> None:
    hashes = uniform(200_000)
    built = Sidecar(hashes)
    assert built.geometry.pages == 589
    counts: Counter[int] = Counter()
    for value in [*hashes[:3000], *uniform(3000, seed=2)]:
        built.find(value)
        counts[len(built.reads)] += 1
        assert max(built.reads) <= 16 * PAGE_BYTES
        assert len(built.reads) in (1, 3)
    assert counts[1] > 5990


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(ANY_HASH, st.sampled_from([0, 1, 2**63, 2**64 - 1])), min_size=1, max_size=60), ANY_HASH)
def test_any_hashes_are_found_in_three_reads(some: list[int], other: int) -> None:
    """Also those that are all alike, and fill pages: adversarial for a guess that takes them for uniform."""
    hashes = [value for value in some for _ in range(40)]
    built = Sidecar(hashes)
    for value in {*some, other}:
        expected = [number for number, found in enumerate(hashes) if found == value]
        assert built.find(value) == expected
        assert len(built.reads) <= 3


def test_one_hash_across_many_pages() -> None:
    hashes = [5] * 3 + [2**63] * 3000 + [2**64 - 1] * 3
    built = Sidecar(hashes)
    assert built.find(2**63) == list(range(3, 3003))
    assert built.find(5) == [0, 1, 2]
    assert built.find(2**64 - 1) == [3003, 3004, 3005]
    assert built.find(6) == []
    assert len(built.reads) <= 3


def test_a_run_of_one_hash_that_starts_before_the_guess() -> None:
    """Its end is inside what is read first, its start is not."""
    below, above = 2**62, 2**63 + 2**62
    hashes = [below] * 1000 + [2**63] * 700 + [above] * 1700
    built = Sidecar(hashes)
    first, last = sidecar.guess_pages(built.geometry, 2**63)
    assert 1000 < first * RECORDS_PER_PAGE < 1700 < (last + 1) * RECORDS_PER_PAGE
    assert built.find(2**63) == list(range(1000, 1700))


def test_every_flipped_bit_of_a_header_and_a_page_is_seen() -> None:
    built = Sidecar(uniform(700))
    offset = built.geometry.pages_offset
    header, page = built.data[:offset], built.data[offset : offset + PAGE_BYTES]
    for whole, read in (
        (header, lambda data: sidecar.read_header(data, NAME)),
        (page, lambda data: sidecar.read_page(data, NAME, 0)),
    ):
        read(whole)
        for bit in range(len(whole) * 8):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(VaultDamaged):
                read(bytes(changed))


def test_the_header_knows_the_member() -> None:
    built = Sidecar(uniform(950))
    header = sidecar.read_header(built.data[: built.geometry.pages_offset], NAME)
    assert header.members == built.members
    assert header.documents == 950
    assert (header.member_of(0)[0].first, header.member_of(0)[1]) == (0, 0)
    assert (header.member_of(99)[0].first, header.member_of(99)[1]) == (0, 99)
    assert (header.member_of(100)[0].first, header.member_of(100)[1]) == (100, 0)
    assert (header.member_of(949)[0].first, header.member_of(949)[1]) == (900, 49)


def test_parts_of_another_sidecar_are_refused() -> None:
    """Right in themselves, at the wrong place: swapped pages, and another segment's header and page."""
    built = Sidecar(uniform(1000))
    offset = built.geometry.pages_offset
    page = built.data[offset : offset + PAGE_BYTES]
    with pytest.raises(VaultDamaged, match="another page"):
        sidecar.read_page(page, NAME, 1)
    other = NAME.replace("0123", "3210")
    with pytest.raises(VaultDamaged, match="another page"):
        sidecar.read_page(page, other, 0)
    with pytest.raises(VaultDamaged, match="not that of its segment"):
        sidecar.read_header(built.data[:offset], other)
    with pytest.raises(VaultDamaged):
        sidecar.read_page(page[:-1], NAME, 0)
    with pytest.raises(VaultDamaged):
        sidecar.read_header(built.data[: offset - 1], NAME)
    with pytest.raises(VaultDamaged):
        sidecar.read_header(b"", NAME)
