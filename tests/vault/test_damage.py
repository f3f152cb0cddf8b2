"""Any flipped bit and any cut is found, and never gives a wrong document."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datactl.errors import VaultDamaged
from datactl.objects import open_store
from datactl.vault import Manifest, Severity, Vault
from datactl.vault.names import deleted_key, manifest_key, metadata_key, restored_key
from datactl.vault.rawbson import id_key
from datactl.vault.trailer import read_trailer
from tests.vault.desk import commit, overwrite, posts, samples

DOCUMENTS = samples() + posts(500)
RESTORED = 7


@dataclass(frozen=True)
class Whole:
    """A vault with one segment, and the bytes of its objects."""

    vault: Vault
    manifest: Manifest
    objects: dict[str, bytes]


def build() -> Whole:
    vault = Vault(open_store("memory:"))
    manifest = commit(vault, DOCUMENTS, deleted=range(len(DOCUMENTS)), member_bytes=8192)
    vault.put_restored_receipt(manifest, [RESTORED], op="OP2", actor="ben")
    keys = {
        "segment": manifest.segment_key,
        "metadata": metadata_key("Post", manifest.name),
        "index": manifest.index_key,
        "manifest": manifest_key("Post", manifest.name),
        "deleted": deleted_key("Post", manifest.name),
        "restored": restored_key("Post", manifest.name, "OP2"),
    }
    return Whole(vault, manifest, {kind: vault.store.get(key) for kind, key in keys.items()})


WHOLE = build()
KINDS = sorted(WHOLE.objects)
KEYS = {
    "segment": WHOLE.manifest.segment_key,
    "metadata": metadata_key("Post", WHOLE.manifest.name),
    "index": WHOLE.manifest.index_key,
    "manifest": manifest_key("Post", WHOLE.manifest.name),
    "deleted": deleted_key("Post", WHOLE.manifest.name),
    "restored": restored_key("Post", WHOLE.manifest.name, "OP2"),
}


def damaged_vault(kind: str, data: bytes) -> Vault:
    """The vault with another object in one place, seen afresh. Put back by the next call."""
    for other, key in KEYS.items():
        wanted = data if other == kind else WHOLE.objects[other]
        if WHOLE.vault.store.get(key) != wanted:
            overwrite(WHOLE.vault.store, key, wanted)
    return Vault(WHOLE.vault.store)


def assert_found(vault: Vault) -> None:
    for deep in (False, True):
        assert any(one.severity is Severity.DAMAGE for one in vault.verify(deep=deep))


def assert_no_wrong_document(vault: Vault, position: int) -> None:
    """The right document or an error: neither another one, nor "there is none"."""
    try:
        found = vault.retrieve("Post", id_key(DOCUMENTS[position]), absent=True)
    except VaultDamaged:
        return
    if position == RESTORED:
        assert found is None
    else:
        assert found is not None
        assert found.document == DOCUMENTS[position]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def test_the_whole_vault_is_whole() -> None:
    vault = damaged_vault("segment", WHOLE.objects["segment"])
    assert list(vault.verify(deep=True)) == []
    for position in range(len(DOCUMENTS)):
        assert_no_wrong_document(vault, position)
        if position != RESTORED:
            assert vault.retrieve("Post", id_key(DOCUMENTS[position]), absent=True)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_anywhere(kind: str, data: st.DataObject) -> None:
    whole = WHOLE.objects[kind]
    bit = data.draw(st.integers(0, len(whole) * 8 - 1), label="bit")
    vault = damaged_vault(kind, flipped(whole, bit))
    assert_found(vault)
    for position in data.draw(st.lists(st.integers(0, len(DOCUMENTS) - 1), min_size=3, max_size=3), label="positions"):
        assert_no_wrong_document(vault, position)


@pytest.mark.parametrize("kind", ["manifest", "deleted", "restored"])
def test_every_bit_of_a_small_object(kind: str) -> None:
    """Not a sample: each bit of each byte."""
    whole = WHOLE.objects[kind]
    for bit in range(len(whole) * 8):
        vault = damaged_vault(kind, flipped(whole, bit))
        with pytest.raises(VaultDamaged):
            list(map(vault.receipts, vault.manifests("Post")))


def test_every_bit_of_an_index_header_and_a_page() -> None:
    """A look-up that meets the flipped part says so or answers rightly; it never answers "not here"."""
    whole = WHOLE.objects["index"]
    offset = WHOLE.manifest.pages_offset
    bytes_of_interest = itertools.chain(range(0, offset, 7), range(offset, len(whole), 41))
    for n, at in enumerate(bytes_of_interest):
        vault = damaged_vault("index", flipped(whole, at * 8 + n % 8))
        for position in (0, n % len(DOCUMENTS)):
            assert_no_wrong_document(vault, position)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_cut_anywhere(kind: str, data: st.DataObject) -> None:
    whole = WHOLE.objects[kind]
    vault = damaged_vault(kind, whole[: data.draw(st.integers(0, len(whole) - 1), label="length")])
    assert_found(vault)
    for position in (0, RESTORED, len(DOCUMENTS) - 1):
        assert_no_wrong_document(vault, position)


def test_a_cut_at_every_member() -> None:
    """Each leaves a gzip file that gzip takes for whole."""
    whole = WHOLE.objects["segment"]
    trailer = read_trailer(whole)
    assert len(trailer.members) > 5
    for member in trailer.members:
        vault = damaged_vault("segment", whole[: member.offset])
        assert_found(vault)
        assert_no_wrong_document(vault, member.first)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_burst_of_other_bytes(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS), label="kind")
    whole = WHOLE.objects[kind]
    start = data.draw(st.integers(0, len(whole) - 1), label="start")
    burst = data.draw(st.binary(min_size=1, max_size=64), label="burst")
    changed = (whole[:start] + burst + whole[start + len(burst) :])[: len(whole)]
    vault = damaged_vault(kind, changed)
    if changed != whole:
        assert_found(vault)
    for position in (0, RESTORED, len(DOCUMENTS) - 1):
        assert_no_wrong_document(vault, position)
