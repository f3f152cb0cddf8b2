"""The format does not drift: a committed segment is read by today's code, and today's code writes the same.

Compressed bytes may change with isal's version, and with them offsets, lengths and SHA-256 of whole objects. All else
may not: documents, members, counts, checksums of uncompressed bytes, field names, the layout of every part.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from datactl.objects import ObjectStore, open_store
from datactl.objects.files import FileStore
from datactl.vault import Manifest, Stored, Vault
from datactl.vault.names import manifest_key, receipts_folder
from datactl.vault.rawbson import id_key
from datactl.vault.sidecar import PAGE_BYTES, RECORDS_PER_PAGE, header_bytes
from datactl.vault.trailer import read_trailer
from tests.vault.make_golden import DELETED, GOLDEN, NAME, golden_documents, write_golden


@pytest.fixture
def golden() -> ObjectStore:
    return FileStore(GOLDEN)


@pytest.fixture
def today() -> ObjectStore:
    store = open_store("memory:")
    write_golden(store)
    return store


def test_todays_reader_reads_it(golden: ObjectStore) -> None:
    vault = Vault(golden)
    manifest = vault.manifest("Post", str(NAME))
    assert isinstance(manifest, Manifest)
    documents = golden_documents()
    segment = vault.open_segment(manifest)
    assert [one.document for chunk in segment.chunks() for one in chunk] == documents
    assert gzip.decompress(golden.get(manifest.segment_key)) == b"".join(documents)
    assert [one.code for one in vault.verify(deep=True)] == ["aborted"]
    receipts = vault.receipts(manifest)
    assert list(receipts.deleted or ()) == DELETED
    assert list(receipts.restored) == [5]
    for position, document in enumerate(documents):
        found = vault.retrieve("Post", id_key(document), absent=False)
        assert (found.document if found else None) == (document if position in {*DELETED} - {5} else None)


def test_todays_writer_writes_the_same(golden: ObjectStore, today: ObjectStore) -> None:
    keys = [info.key for info in golden.list("")]
    assert [info.key for info in today.list("")] == keys
    assert len(keys) == 7
    segment_key = f"segments/Post/{NAME}.bson.gz"
    old, new = golden.get(segment_key), today.get(segment_key)
    assert gzip.decompress(old) == gzip.decompress(new)
    assert _bare_members(old) == _bare_members(new)
    assert gzip.decompress(golden.get(segment_key.replace("bson", "metadata.json"))) == gzip.decompress(
        today.get(segment_key.replace("bson", "metadata.json"))
    )
    for key in keys:
        if key.endswith(".json"):
            assert _bare(json.loads(golden.get(key))) == _bare(json.loads(today.get(key))), key
    old_pages, new_pages = (_pages(store) for store in (golden, today))
    assert old_pages == new_pages


def _bare_members(segment: bytes) -> list[Any]:
    trailer = read_trailer(segment)
    members = [replace(member, offset=0, length=0) for member in trailer.members]
    return [trailer.namespace, trailer.model, trailer.name, trailer.documents, trailer.raw_bytes, members]


def _bare(fields: Any) -> Any:
    """JSON without what depends on compressed bytes: digests, sizes of compressed objects."""
    if isinstance(fields, dict):
        return {k: _bare(v) for k, v in fields.items() if k not in ("digest", "sha256", "bytes", "positions")}
    return fields


def _pages(store: ObjectStore) -> bytes:
    manifest = Vault(store).manifest("Post", str(NAME))
    assert isinstance(manifest, Manifest)
    return store.get(manifest.index_key)[manifest.pages_offset :]


def test_the_layout_by_hand(golden: ObjectStore) -> None:
    """The numbers of docs/segment-format.md, read with no code of datactl."""
    segment = golden.get(f"segments/Post/{NAME}.bson.gz")
    end = segment[-86:]
    assert end[:10] == bytes.fromhex("1f8b08040000000000ff")
    assert end[10:16] == bytes.fromhex("4000") + b"DE" + bytes.fromhex("3c00")
    assert end[16:24] == b"DCTLSEG1"
    assert end[76:] == bytes.fromhex("03000000000000000000")
    at = int.from_bytes(end[28:36], "little")
    assert segment[at + 12 : at + 14] == b"DT"
    assert segment[at + 16 : at + 24] == b"DCTLSEG1"
    assert int.from_bytes(segment[at + 32 : at + 40], "little") == len(golden_documents())
    index = golden.get(f"indexes/Post/{NAME}.idx")
    assert index[:8] == b"DCTLIDX1"
    pages_offset = int.from_bytes(index[12:16], "little")
    members, pages = (int.from_bytes(index[at : at + 4], "little") for at in (24, 28))
    assert pages_offset == 88 + 64 * members + 8 * pages + 4 == header_bytes(members, pages)
    assert len(index) == pages_offset + 4096 * pages
    assert (PAGE_BYTES, RECORDS_PER_PAGE) == (4096, 340)


def test_values_read_back_write_the_same_json(golden: ObjectStore) -> None:
    vault = Vault(golden)
    manifest = vault.manifest("Post", str(NAME))
    assert isinstance(manifest, Manifest)
    assert manifest.to_json() == golden.get(manifest_key("Post", str(NAME)))
    assert isinstance(manifest.segment, Stored)
    keys = [info.key for info in golden.list(receipts_folder("Post", str(NAME)))]
    receipts = vault.receipts(manifest)
    assert receipts.deleted_receipt
    for receipt in (receipts.deleted_receipt, *receipts.restored_receipts):
        assert json.loads(receipt.to_json())["format"] == "datactl-receipt"
    assert len(keys) == 2
