"""SIGINT and SIGTERM in a long run: the batch is finished and recorded, the exit code says so, a new run goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.commands.conftest import Project, clean_environment

NUMBER = 3000


def started(project: Project, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "datactl", *arguments],
        cwd=project.directory,
        env=clean_environment(**project.settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def once_under_way(project: Project, process: subprocess.Popen[bytes], kind: str) -> dict[str, Any]:
    """The operation's row, as soon as its first chunk is recorded."""
    while process.poll() is None:
        row = project.database["datactl_ops"].find_one({"kind": kind, "position": {"$gt": 0}})
        if row is not None:
            return dict(row)
    raise AssertionError(f"it ended first: {process.communicate()!r}")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_finishes_the_batch(number: signal.Signals, status: int, project: Project) -> None:
    posts = project.database["posts"]
    posts.insert_many([{"title": f"Post {n}", "content": "text", "views": n} for n in range(NUMBER)])
    delete = ["delete", "Post", "--filter", "views>=0", "--yes", "-o", "table"]
    process = started(project, *delete)
    row = once_under_way(project, process, "soft_delete")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    marked = posts.count_documents({"deleted": True})
    assert 0 < marked < NUMBER
    assert f"marked {marked:,} documents" in out.decode()
    assert f"{NUMBER - marked:,} left" in err.decode()
    assert f"next: datactl ops resume {row['_id']}\n" in err.decode()
    assert b"Traceback" not in err
    events = {"eventType": "PostDeleted"}
    assert project.database["outboxes"].count_documents(events) == marked
    assert project.database["datactl_ops"].find_one({"_id": row["_id"]})["state"] == "stopped"

    assert project.run("ops", "resume", row["_id"]).status == 0
    assert posts.count_documents({"deleted": True}) == NUMBER
    assert project.database["outboxes"].count_documents(events) == NUMBER


def test_the_second_signal_stops_now(project: Project) -> None:
    posts = project.database["posts"]
    posts.insert_many([{"title": f"Post {n}", "content": "text", "views": n} for n in range(NUMBER)])
    process = started(project, "delete", "Post", "--filter", "views>=0", "--yes")
    once_under_way(project, process, "soft_delete")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    notice = b""
    while b"once more" not in notice:
        notice += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    marked = posts.count_documents({"deleted": True})
    assert project.database["outboxes"].count_documents({"eventType": "PostDeleted"}) == marked


def test_an_interrupted_archive_goes_on(project: Project) -> None:
    posts = project.database["posts"]
    posts.insert_many([{"title": f"Post {n}", "content": "x" * 4000, "deleted": True} for n in range(NUMBER)])
    project.age()
    process = started(project, "archive", "Post", "-o", "json")
    while process.poll() is None and project.database["datactl_ops"].find_one({"kind": "archive"}) is None:
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode in (0, 130), err  # 0: its only segment was under way, and is finished
    assert b"Traceback" not in err
    again = project.run("archive", "Post")
    assert again.status == 0, again.err
    assert posts.count_documents({}) == 0
    assert project.run("archive", "verify", "--deep").status == 0
    documents = sum(segment["documents"] for segment in project.run("archive", "list").json)
    assert documents == NUMBER
