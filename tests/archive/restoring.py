"""What tests of restoring begin with: archived documents, and the events of their coming back."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from tests.archive.desk import Desk


def archived_ids(desk: Desk, count: int, **fields: Any) -> list[ObjectId]:
    documents = desk.marked(count, **fields)
    desk.insert(documents)
    desk.archive()
    return [document["_id"] for document in documents]


def restored_events(desk: Desk) -> list[dict[str, Any]]:
    return list(desk.mongo.collection("outboxes").find({"eventType": "PostRestored"}))
