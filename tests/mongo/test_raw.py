"""Raw BSON: what is split and taken without decoding is what decoding finds, for every type of value."""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from hypothesis import given, settings
from hypothesis import strategies as st

from datactl.errors import DatabaseError
from datactl.mongo import CODEC, Mongo, decode_id, find_raw, raw_id, split_batch

ids = st.one_of(
    st.binary(min_size=12, max_size=12).map(bson.ObjectId),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(bson.Int64),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.booleans(),
    st.none(),
    st.binary(max_size=40),
    st.binary(max_size=40).map(lambda data: bson.Binary(data, 0x80)),
    st.binary(max_size=40).map(lambda data: bson.Binary(data, 2)),  # the old subtype carries a second length
    st.uuids(),
    st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)),
    st.integers(-(2**63), 2**63 - 1).map(bson.DatetimeMS),
    st.tuples(st.integers(-(10**34) + 1, 10**34 - 1), st.integers(-6176, 6111)).map(
        lambda parts: bson.Decimal128(f"{parts[0]}E{parts[1]}")
    ),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "-0"]).map(bson.Decimal128),
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(lambda pair: bson.Timestamp(*pair)),
    st.sampled_from([bson.MinKey(), bson.MaxKey()]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10).map(lambda text: bson.Regex(text, "i")),
    st.text(st.characters(codec="utf-8"), max_size=10).map(bson.Code),
    st.text(st.characters(codec="utf-8"), max_size=10).map(lambda text: bson.Code(text, {"x": 1})),
    st.binary(min_size=12, max_size=12).map(lambda data: bson.DBRef("posts", bson.ObjectId(data))),
    st.lists(st.integers(0, 9), max_size=4),
    st.recursive(
        st.dictionaries(st.text("abc", min_size=1), st.integers(0, 9), max_size=3),
        lambda inner: st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
        max_leaves=6,
    ),
)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=0, max_size=8).filter("_id".__ne__)


def canonical(value: Any) -> bytes:
    return bson.encode({"v": value}, codec_options=CODEC)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(ids, st.dictionaries(names, ids, max_size=3), st.booleans()), max_size=6))
def test_a_batch_is_split_as_decoding_splits_it(rows: list[tuple[Any, dict[str, Any], bool]]) -> None:
    documents = [{"_id": key, **rest} if first else {**rest, "_id": key} for key, rest, first in rows]
    encoded = [bson.encode(document, codec_options=CODEC) for document in documents]
    split = list(split_batch(b"".join(encoded)))
    assert [document for _, document in split] == encoded
    for (id_key, document), (key, _, _) in zip(split, rows, strict=True):
        assert raw_id(document) == id_key
        assert canonical(decode_id(id_key)) == canonical(key)


@settings(max_examples=400, deadline=None)
@given(ids, ids)
def test_keys_are_equal_exactly_when_the_values_are_the_same_bson(one: Any, other: Any) -> None:
    first, second = (bson.encode({"_id": value}, codec_options=CODEC) for value in (one, other))
    assert (raw_id(first) == raw_id(second)) == (first == second)


def test_the_old_types_of_bson_are_walked_over() -> None:
    def element(kind: int, value: bytes) -> bytes:
        return bytes([kind]) + b"old\x00" + value

    text = struct.pack("<i", 3) + b"ab\x00"
    olds = [
        element(0x06, b""),  # undefined
        element(0x0C, text + b"z" * 12),  # DBPointer
        element(0x0E, text),  # symbol
        element(0x0F, struct.pack("<i", 4 + 7 + 5) + text + b"\x05\x00\x00\x00\x00"),  # code with scope
    ]
    for old in olds:
        body = old + b"\x10_id\x00" + struct.pack("<i", 7)
        document = struct.pack("<i", 4 + len(body) + 1) + body + b"\x00"
        assert bson.decode(document)["_id"] == 7
        assert decode_id(raw_id(document)) == 7


def test_an_id_inside_a_nested_document_is_not_taken_for_the_documents() -> None:
    document = bson.encode({"a": {"_id": 1}, "b": [{"_id": 2}], "_id": 3})
    assert decode_id(raw_id(document)) == 3


GOOD = bson.encode({"_id": bson.ObjectId(), "title": "x"})


BROKEN = {
    "cut by one byte": GOOD[:-1],
    "cut in the second document": GOOD + GOOD[:10],
    "two bytes too many": GOOD + b"\x01\x02",
    "negative length": struct.pack("<i", -1) + GOOD[4:],
    "length below the smallest": struct.pack("<i", 4) + GOOD[4:],
    "zeros": struct.pack("<i", 0) * 8,
    "no _id": bson.encode({"title": "no id"}),
    "unknown type": struct.pack("<i", 17) + b"\x42_id\x00" + b"\x00" * 8,
    "string beyond the end": struct.pack("<i", 17) + b"\x02_id\x00" + struct.pack("<i", 2**30) + b"\x00" * 4,
    "string of negative length": struct.pack("<i", 17) + b"\x02_id\x00" + struct.pack("<i", -5) + b"\x00" * 4,
    "regular expression without end": struct.pack("<i", 10) + b"\x0b_id\x00a",
}


@pytest.mark.parametrize("batch", BROKEN.values(), ids=BROKEN.keys())
def test_broken_bson_is_an_error_and_never_a_document(batch: bytes) -> None:
    with pytest.raises(DatabaseError):
        list(split_batch(batch))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_noise_never_crashes(noise: bytes) -> None:
    try:
        for key, document in split_batch(noise):
            assert raw_id(document) == key
    except DatabaseError:
        pass


def test_find_raw_gives_what_is_stored_byte_for_byte(mongo: Mongo) -> None:
    posts = mongo.collection("posts")
    posts.insert_many([{"_id": n, "at": datetime.now(UTC), "key": uuid.uuid4(), "n": n} for n in range(50)])
    stored = {
        raw["_id"]: raw.raw
        for raw in posts.with_options(codec_options=CodecOptions(document_class=RawBSONDocument)).find()
    }
    read = [
        found
        for batch in find_raw(posts, {"n": {"$gte": 10}}, batch_size=7, sort=[("n", -1)])
        for found in split_batch(batch)
    ]
    assert [decode_id(key) for key, _ in read] == list(range(49, 9, -1))
    assert all(document == stored[decode_id(key)] for key, document in read)
