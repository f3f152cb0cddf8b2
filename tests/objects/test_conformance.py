"""What every object store does alike. Nothing here may assume files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from datactl.errors import ObjectExists, ObjectMissing, ShortRead, StoreError
from datactl.objects import Data, ObjectStore

SORTED_KEYS = ["a%20b/x", "a-b/z", "a/b/c/d", "a/b/c-d", "a/b0", "a0/x", "manifests/Post/1.json", "z"]
"""In the order of their bytes, which is not that of folder names: "/" comes after "-" and before "0"."""


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"some bytes", memoryview(b"a view"), [b"in ", b"", b"parts"], (b"tuple",), []],
    ids=["empty", "one", "bytes", "view", "parts", "tuple", "no parts"],
)
def test_what_was_put_is_got(store: ObjectStore, data: Data) -> None:
    whole = bytes(data) if isinstance(data, (bytes, memoryview)) else b"".join(data)
    result = store.put("folder/key", data)
    assert (result.key, result.size) == ("folder/key", len(whole))
    assert store.get("folder/key") == whole
    info = store.head("folder/key")
    assert info is not None
    assert (info.key, info.size) == ("folder/key", len(whole))


def test_a_large_object(store: ObjectStore) -> None:
    parts = [bytes([n]) * 1_000_003 for n in range(20)]
    store.put("large", parts)
    assert store.get("large") == b"".join(parts)
    assert store.get_range("large", 1_000_000, 6) == b"\x00\x00\x00\x01\x01\x01"


def test_a_key_is_written_once(store: ObjectStore) -> None:
    store.put("a/key", b"first")
    with pytest.raises(ObjectExists) as raised:
        store.put("a/key", b"second")
    assert raised.value.details["key"] == "a/key"
    assert store.get("a/key") == b"first"


def test_of_many_that_put_one_key_one_wins(store: ObjectStore) -> None:
    def put(n: int) -> int | None:
        try:
            store.put("race", b"%d" % n)
        except ObjectExists:
            return None
        return n

    with ThreadPoolExecutor(8) as pool:
        winners = [n for n in pool.map(put, range(40)) if n is not None]
    assert len(winners) == 1
    assert store.get("race") == b"%d" % winners[0]


def test_ranges(store: ObjectStore) -> None:
    store.put("ten", b"0123456789")
    assert store.get_range("ten", 0, 10) == b"0123456789"
    assert store.get_range("ten", 3, 4) == b"3456"
    assert store.get_range("ten", 9, 1) == b"9"
    assert store.get_range("ten", 4, 0) == b""


@pytest.mark.parametrize(("start", "length"), [(0, 11), (9, 2), (10, 1), (100, 1)])
def test_a_range_is_never_short(store: ObjectStore, start: int, length: int) -> None:
    store.put("ten", b"0123456789")
    with pytest.raises(ShortRead) as raised:
        store.get_range("ten", start, length)
    assert raised.value.code == "short_read"


def test_a_negative_range_is_a_mistake_of_the_caller(store: ObjectStore) -> None:
    store.put("ten", b"0123456789")
    with pytest.raises(ValueError, match="negative"):
        store.get_range("ten", -1, 2)


@pytest.mark.parametrize("key", ["nothing", "folder/nothing", "a/key/below/an/object"])
def test_what_is_missing_is_said_to_be(store: ObjectStore, key: str) -> None:
    store.put("a/key", b"x")
    with pytest.raises(ObjectMissing):
        store.get(key)
    with pytest.raises(ObjectMissing):
        store.get_range(key, 0, 1)
    assert store.head(key) is None


def test_a_folder_is_no_object(store: ObjectStore) -> None:
    store.put("a/key", b"x")
    assert store.head("a") is None


def test_a_listing_is_sorted_by_key(store: ObjectStore) -> None:
    for key in reversed(SORTED_KEYS):
        store.put(key, key.encode())
    listed = list(store.list(""))
    assert [info.key for info in listed] == sorted(SORTED_KEYS)
    assert [info.size for info in listed] == [len(key) for key in sorted(SORTED_KEYS)]


def test_a_listing_of_a_folder(store: ObjectStore) -> None:
    for key in SORTED_KEYS:
        store.put(key, b"")
    assert [info.key for info in store.list("a/")] == sorted(k for k in SORTED_KEYS if k.startswith("a/"))
    assert [info.key for info in store.list("a/b/")] == ["a/b/c-d", "a/b/c/d"]
    assert list(store.list("nothing/")) == []


def test_a_listing_goes_on_after_any_key(store: ObjectStore) -> None:
    for key in SORTED_KEYS:
        store.put(key, b"")
    for after in [*SORTED_KEYS, "", "a", "a/", "a/b", "a/b/", "a/b/c", "a0", "a/zzz", "zz"]:
        expected = [key for key in sorted(SORTED_KEYS) if key > after]
        assert [info.key for info in store.list("", start_after=after)] == expected, after


def test_a_listing_of_an_empty_store(store: ObjectStore) -> None:
    assert list(store.list("")) == []


def test_a_prefix_is_a_folder(store: ObjectStore) -> None:
    with pytest.raises(StoreError):
        list(store.list("a"))
    with pytest.raises(StoreError):
        list(store.list("../"))


def test_delete(store: ObjectStore) -> None:
    store.put("a/key", b"x")
    store.put("a/other", b"y")
    store.delete("a/key")
    store.delete("a/key")
    store.delete("never/was")
    assert [info.key for info in store.list("")] == ["a/other"]
    store.put("a/key", b"again")
    assert store.get("a/key") == b"again"


def test_modified_is_aware_and_recent(store: ObjectStore) -> None:
    store.put("key", b"x")
    info = store.head("key")
    assert info is not None
    assert info.modified.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=5)


@pytest.mark.parametrize(
    "key",
    [
        *["", "/", "/etc/passwd", "a//b", "a/", "..", "a/../b", ".", "a/./b", ".tmp-1", "a/.hidden", "a\\b", "a\x00b"],
        *["ü", "a b", "a\n", "a" * 201, "/".join(["a" * 100] * 10)],
    ],
)
def test_keys_that_no_store_takes(store: ObjectStore, key: str) -> None:
    for attempt in (
        lambda: store.put(key, b"x"),
        lambda: store.get(key),
        lambda: store.get_range(key, 0, 1),
        lambda: store.head(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(StoreError) as raised:
            attempt()
        assert not isinstance(raised.value, ObjectMissing)
        assert "cannot be an object's key" in raised.value.what
    assert list(store.list("")) == []


@pytest.mark.parametrize("key", ["a" * 200, "/".join(["a" * 99] * 9), "a%2Fb/c.d", "A-Z_0-9=@+,~!()'", "1.2..3"])
def test_keys_at_the_edge_of_what_is_taken(store: ObjectStore, key: str) -> None:
    store.put(key, b"x")
    assert store.get(key) == b"x"
    assert [info.key for info in store.list("")] == [key]
