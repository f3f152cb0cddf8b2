"""For each error code a run that ends in it: code -> what it said on stderr. What was run is in `shop.shown`."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import MongoClient

from datactl.mongo import mapping_errors
from datactl.mongo.fences import Fence
from datactl.mongo.leases import Holder, Lease
from tests.commands.conftest import clean_environment
from tests.reference.shop import Shop

POST = '{"title": "Sharding by tenant", "content": "...", "slug": "sharding"}'
CREATE = f"datactl create Post {shlex.quote(POST)}"


def runs(*words: str) -> Callable[[Shop], str]:
    """One line, in a project where nothing was done yet."""
    return lambda shop: shop.run(*words)


SAID: dict[str, Callable[[Shop], str]] = {
    "failed": runs("init", "/dev/null/shop"),
    "usage": runs("fnd", "Post"),
    "filter": runs("find", "Post", "--filter", "veiws>=10"),
    "bad_id": runs("get", "Post", "42"),
    "invalid_document": runs("create", "Post", '{"title": 5, "views": -1}'),
    "findings": runs("index", "plan", "Post"),
    "not_found": runs("get", "Post", str(ObjectId())),
    "conflict": runs("init"),
}


def says(code: str) -> Callable[[Callable[[Shop], str]], Callable[[Shop], str]]:
    """What it takes more for."""

    def keep(act: Callable[[Shop], str]) -> Callable[[Shop], str]:
        SAID[code] = act
        return act

    return keep


# -- usage


@says("config")
def _(shop: Shop) -> str:
    return shop.run("stats", env={"ARCHIVE_RETENTION_DAYS": "ninety"})


@says("models_file")
def _(shop: Shop) -> str:
    Path("models.yaml").write_text("models:\n  Post:\n    fields:\n      title: {type: strng, required: true}\n")
    return shop.run("models", "check")


@says("vault_mismatch")
def _(shop: Shop) -> str:
    shop.archived()
    return shop.run("archive", "Post", env={"DATACTL_VAULT": "file:other-vault"})


@says("too_large")
def _(shop: Shop) -> str:
    Path("big.json").write_text(f'{{"title": "big", "content": "{"x" * 17_000_000}"}}')
    return shop.run("create", "Post", "big.json")


@says("not_soft_deletable")
def _(shop: Shop) -> str:
    repository = shop.project.workspace.repository("Log")
    return shop.python('workspace.repository("Log").soft_delete(id)', lambda: repository.soft_delete(ObjectId()))


@says("partly_done")
def _(shop: Shop) -> str:
    Path("posts.ndjson").write_text(f'{POST}\n{{"title": 5}}\n')
    return shop.run("create", "Post", "posts.ndjson")


# -- the database


@says("cannot_connect")
def _(shop: Shop) -> str:
    down = {"DATACTL_URI": "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=100"}
    return shop.run("stats", env=down, told="$ datactl stats")


@says("authentication_failed")
def _(shop: Shop) -> str:
    uri = shop.start_engine("--auth").uri.replace("//", "//maria:wrong@")
    return shop.run("stats", env={"DATACTL_URI": uri}, told="$ datactl stats")


@says("not_permitted")
def _(shop: Shop) -> str:
    engine = shop.start_engine()
    name = os.environ["DATACTL_DATABASE"]
    with MongoClient[dict[str, Any]](engine.uri) as client:
        roles = [{"role": "read", "db": name}]
        client.admin.command("createUser", "reader", pwd="reading", roles=roles)
    closed = shop.start_engine("--auth", over=engine)
    uri = closed.uri.replace("//", "//reader:reading@") + "&authSource=admin"
    return shop.run("create", "Post", POST, env={"DATACTL_URI": uri}, told=f"$ {CREATE}")


@says("no_transactions")
def _(shop: Shop) -> str:
    standalone = {"DATACTL_URI": shop.standalone()}
    return shop.run("create", "Post", POST, env=standalone, told=f"$ {CREATE}")


@says("weak_durability")
def _(shop: Shop) -> str:
    uri = os.environ["DATACTL_URI"].replace("w=majority", "w=1")
    told = f"$ DATACTL_URI='mongodb://db.example/shop?w=1' {CREATE}"
    return shop.run("create", "Post", POST, env={"DATACTL_URI": uri}, told=told)


@says("database")
def _(shop: Shop) -> str:
    def unknown_to_the_server() -> None:
        with mapping_errors("asking for its shards"):
            shop.database.command("listShards")

    return shop.python('workspace.mongo.database.command("listShards")', unknown_to_the_server)


@says("database_timeout")
def _(shop: Shop) -> str:
    shop.database["posts"].insert_many([{"n": n, "text": "x" * 500} for n in range(5_000)])

    def slow() -> None:
        with mapping_errors("reading posts"):
            list(shop.database["posts"].find({"text": {"$regex": "(x+x+)+y"}}, max_time_ms=1))

    return shop.python('repository.find({"text": {"$regex": ...}}), with maxTimeMS=1', slow)


@says("document_rejected")
def _(shop: Shop) -> str:
    validator = {"$jsonSchema": {"required": ["slug"]}}
    shop.database.create_collection("posts", validator=validator)
    return shop.run("create", "Post", '{"title": "First", "content": "..."}')


# -- findings and conflicts


@says("duplicate_key")
def _(shop: Shop) -> str:
    assert shop.outcome("index", "Post").status == 0
    shop.post(slug="sharding")
    return shop.run("create", "Post", POST)


@says("write_conflict")
def _(shop: Shop) -> str:
    shop.post()
    posts, client = shop.database["posts"], shop.project.workspace.mongo.client

    def two_at_once() -> None:
        with client.start_session() as one, client.start_session() as other, mapping_errors("writing posts"):
            one.start_transaction()
            posts.update_one({}, {"$set": {"views": 1}}, session=one)
            other.start_transaction()
            posts.update_one({}, {"$set": {"views": 2}}, session=other)

    return shop.python("posts.update_by_id(id, ...), beside another writer, again and again", two_at_once)


@says("precondition_failed")
def _(shop: Shop) -> str:
    post = shop.post()
    posts = shop.project.workspace.repository("Post")
    etag = posts.etag(post)
    posts.update_by_id(post, {"views": 1})
    line = 'posts.update_by_id(id, {"views": 2}, if_match=etag)'
    return shop.python(line, lambda: posts.update_by_id(post, {"views": 2}, if_match=etag))


@says("restore_conflict")
def _(shop: Shop) -> str:
    post = shop.archived()
    shop.post(slug="sharding")
    return shop.run("restore", "Post", post)


@says("restricted")
def _(shop: Shop) -> str:
    path = Path("models.yaml")
    path.write_text(path.read_text().replace("ref: Category}", "ref: Category, onDelete: restrict}"))
    category = shop.database["categories"].insert_one({"name": "news"}).inserted_id
    shop.database["posts"].insert_one({"title": "a", "content": "b", "category": category})
    return shop.run("delete", "Category", str(category))


@says("object_exists")
def _(shop: Shop) -> str:
    store = shop.store
    store.put("manifests/Post/1.json", b"{}")
    line = "store.put('manifests/Post/1.json', data)"
    return shop.python(line, lambda: store.put("manifests/Post/1.json", b"[]"))


# -- runs


@says("not_initialised")
def _(shop: Shop) -> str:
    return shop.run("find", "Post", env={"DATACTL_URI": ""}, told="$ datactl find Post")


@says("locked")
def _(shop: Shop) -> str:
    workspace = shop.project.workspace
    shop.archived()
    shop.due()
    epoch = workspace.vault.claim_epoch("Post")
    with Lease.acquire(workspace.mongo, "archive:Post", epoch=epoch, holder=Holder.here("maria", str(ObjectId()))):
        return shop.run("archive", "Post")


@says("lease_lost")
def _(shop: Shop) -> str:
    mongo = shop.project.workspace.mongo
    with Lease.acquire(mongo, "archive:Post", epoch=1, holder=Holder.here()) as lease:
        fence = Fence.create(lease, "attempt")
        mongo.collection("datactl_fences").update_one({"_id": "attempt"}, {"$set": {"epoch": 2}})
        return shop.python("archiver.run(plan), overtaken by another", lambda: mongo.transaction(fence.touch))


@says("declined")
def _(shop: Shop) -> str:
    shop.project.create(3)
    return shop.run("delete", "Post", "--filter", "views<10")


@says("interrupted")
def _(shop: Shop) -> str:
    shop.database["posts"].insert_many([{"title": str(n), "content": "text", "views": n} for n in range(3_000)])
    line = "datactl update Post --filter 'views>=0' --set views=9000 --yes"
    process = subprocess.Popen(
        [sys.executable, "-m", *shlex.split(line), "-q"],
        cwd=shop.project.directory,
        env=clean_environment(**shop.project.settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not shop.database["datactl_ops"].count_documents({"kind": "update", "position": {"$gt": 0}}):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    shop.shown = f"$ {line}    (and Ctrl-C)"
    row = shop.database["datactl_ops"].find_one({"kind": "update"})
    done = row["position"]
    shop.replaced += [(f"{3_000 - done:,} left", "2,000 left"), (f"changed {done:,},", "changed 1,000,")]
    return said


# -- the vault and the engine


@says("store")
def _(shop: Shop) -> str:
    shop.due()
    return shop.run("archive", "Post", env={"DATACTL_VAULT": "file:models.yaml/vault"})


@says("store_full")
def _(shop: Shop) -> str:
    shop.due(os.urandom(20_000).hex())
    return shop.shell("ulimit -f 8; datactl archive Post -q", "datactl archive Post -q")


@says("store_read_only")
def _(shop: Shop) -> str:
    shop.due()
    refusals = ("Operation not permitted", "Permission denied")  # what that file system says depends on who asks
    shop.replaced += [("/sys/vault", "/mnt/archive/vault"), *((said, "Read-only file system") for said in refusals)]
    told = "$ DATACTL_VAULT=file:/mnt/archive/vault datactl archive Post"
    return shop.run("archive", "Post", env={"DATACTL_VAULT": "file:/sys/vault"}, told=told)


@says("object_missing")
def _(shop: Shop) -> str:
    return shop.python("store.get('manifests/Post/1.json')", lambda: shop.store.get("manifests/Post/1.json"))


@says("short_read")
def _(shop: Shop) -> str:
    store = shop.store
    store.put("segments/Post/1.bson.gz", b"cut off")
    line = "store.get_range('segments/Post/1.bson.gz', 0, 4096)"
    return shop.python(line, lambda: store.get_range("segments/Post/1.bson.gz", 0, 4096))


@says("vault_damaged")
def _(shop: Shop) -> str:
    post = shop.archived()
    segment = shop.segment()
    octets = bytearray(segment.read_bytes())
    octets[0] ^= 1  # the first member's own mark: what is wrong is the same whatever the documents are
    segment.write_bytes(octets)
    return shop.run("restore", "Post", post)


@says("engine")
def _(shop: Shop) -> str:
    Path("models.yaml").write_text("settings: {engine: local}\n")
    Path(".datactl").mkdir()
    Path(".datactl/engine.secret").write_text("no secret")
    return shop.run("engine", "start", env={"DATACTL_URI": ""}, told="$ datactl engine start")
