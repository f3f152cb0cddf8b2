"""A segment is read by a program that shares no code with datactl: Node's zlib and the `bson` package."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import ObjectId, json_util

from datactl.mongo import Mongo
from datactl.objects.files import FileStore
from datactl.vault import Manifest, Vault
from datactl.vault.names import manifest_key
from datactl.vault.trailer import END_BYTES, read_trailer
from tests.archive.desk import desk_at
from tests.interop.application import HERE, PARTS
from tests.vault.desk import commit, posts, samples
from tests.vault.make_golden import GOLDEN, NAME, golden_documents

pytestmark = pytest.mark.real

READER = HERE / "read_segment.mjs"


def run_reader(root: Path, manifest: Manifest) -> subprocess.CompletedProcess[str]:
    paths = [root / manifest.segment_key, root / manifest_key(manifest.model, manifest.name)]
    return subprocess.run(["node", READER, PARTS, *paths], capture_output=True, text=True, check=False)


def read(root: Path, manifest: Manifest) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    done = run_reader(root, manifest)
    assert (done.returncode, done.stderr) == (0, "")
    about, *documents = map(json.loads, done.stdout.splitlines())
    return about, documents


def assert_reads_back(root: Path, manifest: Manifest, documents: list[bytes]) -> None:
    about, found = read(root, manifest)
    assert about["documents"] == manifest.documents == len(documents)
    assert about["members"] == manifest.members
    assert (about["namespace"], about["model"], about["name"]) == ("blog.posts", "Post", manifest.name)
    assert about["sha256"] == hashlib.sha256(b"".join(documents)).hexdigest()
    assert [bytes.fromhex(one["hex"]) for one in found] == documents
    assert [one["number"] for one in found] == list(range(len(documents)))
    for one, document in zip(found, documents, strict=True):
        raw: dict[str, Any] = bson.decode(
            document, codec_options=bson.CodecOptions(datetime_conversion=bson.DatetimeConversion.DATETIME_AUTO)
        )
        assert one["fields"] == list(raw)
        if isinstance(raw["_id"], ObjectId):
            assert json_util.loads(json.dumps(one["_id"])) == raw["_id"]


def test_node_reads_every_document(tmp_path: Path) -> None:
    documents = samples() + posts(6000, size=300)
    manifest = commit(Vault(FileStore(tmp_path)), documents)
    assert manifest.members > 5
    assert_reads_back(tmp_path, manifest, documents)


def test_node_reads_what_mongodb_held(mongo: Mongo, tmp_path: Path) -> None:
    """From the database to the vault by the archive, and to Node: byte for byte what MongoDB held before."""
    desk = desk_at(mongo, tmp_path)
    desk.insert(desk.marked(2_000))
    held = desk.live()  # as the server gives them, before the run
    report = desk.archiver().run(desk.archiver().plan("Post", 90))
    assert (report.archived, desk.live()) == (2_000, {})
    read_by_node = [
        bytes.fromhex(one["hex"]) for manifest in desk.vault.manifests("Post") for one in read(tmp_path, manifest)[1]
    ]
    assert len(list(desk.vault.manifests("Post"))) > 1
    assert sorted(read_by_node) == sorted(held.values())


def test_node_reads_a_trailer_in_several_parts(tmp_path: Path) -> None:
    documents = posts(1500)
    manifest = commit(Vault(FileStore(tmp_path)), documents, member_bytes=200)
    assert manifest.members == 1500
    assert_reads_back(tmp_path, manifest, documents)


def test_node_reads_the_golden_segment() -> None:
    manifest = Vault(FileStore(GOLDEN)).manifest("Post", str(NAME))
    assert isinstance(manifest, Manifest)
    assert_reads_back(GOLDEN, manifest, golden_documents())


def test_node_sees_what_gzip_does_not(tmp_path: Path) -> None:
    """The description is enough to find out a cut between members, and members that changed places."""
    manifest = commit(Vault(FileStore(tmp_path)), posts(4000, size=300))
    path = tmp_path / manifest.segment_key
    whole = path.read_bytes()
    trailer = read_trailer(whole)
    second = trailer.members[1].offset
    for broken in (whole[:second], whole[:-END_BYTES], whole[second:], whole[:-1], whole[:100] + b"!" + whole[101:]):
        path.write_bytes(broken)
        done = run_reader(tmp_path, manifest)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr
    path.write_bytes(whole)
    assert run_reader(tmp_path, manifest).returncode == 0
