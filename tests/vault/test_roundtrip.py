"""Random documents of every BSON type go into the vault and come back byte by byte."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bson import Binary, Code, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from datactl.objects import open_store
from datactl.vault import SegmentName, SegmentWriter, Vault, normalise_id_key
from datactl.vault.rawbson import id_key
from tests.vault.desk import NAMESPACE, commit, document, key, posts

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(),
    st.decimals(allow_nan=True, places=5, min_value=-(10**20), max_value=10**20).map(Decimal128),
    TEXT,
    st.binary(max_size=30),
    st.builds(Binary, st.binary(max_size=20), st.sampled_from([0, 2, 5, 6, 9, 128])),
    st.binary(min_size=16, max_size=16).map(lambda raw: Binary(raw, 4)),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)).map(lambda date: date.replace(tzinfo=UTC)),  # noqa: DTZ001
    st.integers(-(2**62), 2**62).map(DatetimeMS),
    st.builds(Timestamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.builds(Regex, NAMES, st.sampled_from(["", "i", "im", "sx"])),
    st.builds(Code, TEXT),
    st.builds(Code, TEXT, st.just({"scope": 1})),
    st.sampled_from([MinKey(), MaxKey()]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
# MongoDB takes no array, regular expression or undefined as `_id`.
IDS = st.one_of(SCALARS.filter(lambda value: not isinstance(value, Regex)), st.dictionaries(NAMES, VALUES, max_size=3))
FIELDS = st.dictionaries(NAMES.filter(lambda name: name != "_id"), VALUES, max_size=5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(IDS, FIELDS), min_size=1, max_size=8, unique_by=lambda pair: normalise_id_key(key(pair[0]))))
def test_any_documents(pairs: list[tuple[Any, dict[str, Any]]]) -> None:
    documents = [document(_id, fields=fields) for _id, fields in pairs]
    vault = Vault(open_store("memory:"))
    manifest = commit(vault, documents, deleted=range(len(documents)), member_bytes=256)
    back = [one.document for chunk in vault.open_segment(manifest).chunks() for one in chunk]
    assert back == documents
    for (_id, _), stored in zip(pairs, documents, strict=True):
        assert id_key(stored) == key(_id)
        found = vault.retrieve("Post", key(_id), absent=True)
        assert found
        assert found.document == stored
    assert list(vault.verify(deep=True)) == []


def test_a_writer_holds_one_segment(memory_vault: Vault) -> None:
    """Its memory does not grow with what was written before: 3 segments and 12 take the same."""

    def peak(segments: int) -> int:
        def batches() -> Iterator[list[bytes]]:
            for seed in range(segments * 5):
                yield posts(1000, seed=seed, size=400)

        tracemalloc.start()
        writer, number = SegmentWriter(NAMESPACE, "Post", name=SegmentName.new(1, 0), segment_bytes=1 << 20), 0
        for batch in batches():
            while batch:
                batch = batch[writer.add_many(batch) :]
                if writer.full:
                    assert writer.finish().documents
                    number += 1
                    writer = SegmentWriter(NAMESPACE, "Post", name=SegmentName.new(1, number), segment_bytes=1 << 20)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert number >= segments
        return highest

    assert peak(12) < 1.15 * peak(3)
