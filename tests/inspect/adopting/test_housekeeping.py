"""What plugins keep: mongoose-delete's marks, timestamps, version and discriminator."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.mongo import Mongo
from tests.inspect.adopting.taking_over import Taken, comment_behind, take_over

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BEFORE = datetime(2025, 1, 2, tzinfo=UTC)


def posts(mongo: Mongo, tmp_path: Path, documents: list[dict[str, Any]]) -> Taken:
    mongo.database["posts"].insert_many(documents)
    return take_over(mongo, tmp_path)


def test_marks_with_their_shares(mongo: Mongo, tmp_path: Path) -> None:
    marked: list[dict[str, Any]] = [{"deleted": True, "deletedAt": NOW, "deletedBy": "x"} for _ in range(15)]
    undated: list[dict[str, Any]] = [{"deleted": True} for _ in range(5)]
    live: list[dict[str, Any]] = [{"deleted": False} for _ in range(70)]
    bare: list[dict[str, Any]] = [{"n": 1} for _ in range(10)]
    taken = posts(mongo, tmp_path, [*marked, *undated, *live, *bare])
    assert taken.registry["Post"].soft_delete
    assert taken.evidence("enableSoftDelete") == "deleted: false 70.0 %, true 20.0 %, missing 10.0 % of 100"
    assert taken.said("undated_marks") == [
        "5 of 20 deleted documents have no deletedAt: they never come due for the archive"
    ]
    assert taken.said("unmarked")[0].startswith("10 documents (10.0 %) without a mark: live, but")
    assert [field.name for field in taken.registry["Post"].fields] == ["n"], "marks are no fields"


def test_a_large_collection_is_judged_by_its_sample(
    mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datactl.inspect.adopting.housekeeping.COUNTED", 50)
    taken = posts(mongo, tmp_path, [{"deleted": n % 4 == 0} for n in range(100)])
    assert taken.evidence("enableSoftDelete") == "deleted: false 75.0 %, true 25.0 % of 100"
    assert taken.said("undated_marks") == []


def test_without_marks_deletion_is_not_soft(mongo: Mongo, tmp_path: Path) -> None:
    taken = posts(mongo, tmp_path, [{"n": n, "deleted": "no"} for n in range(20)])
    model = taken.registry["Post"]
    assert (model.soft_delete, str(model.field("deleted").type)) == (False, "string")  # type: ignore[union-attr]


def test_marks_under_other_names(mongo: Mongo, tmp_path: Path) -> None:
    taken = posts(
        mongo,
        tmp_path,
        [{"is_deleted": n % 2 == 0, "deleted_at": NOW if n % 2 == 0 else None} for n in range(20)],
    )
    marks = taken.registry["Post"].marks
    assert (marks.deleted, marks.deleted_at) == ("is_deleted", "deleted_at")
    assert taken.evidence("enableSoftDelete") == "is_deleted: false 50.0 %, true 50.0 % of 20"


def test_a_date_alone_is_another_soft_deletion(mongo: Mongo, tmp_path: Path) -> None:
    taken = posts(mongo, tmp_path, [{"deletedAt": NOW if n % 2 else None} for n in range(20)])
    assert not taken.registry["Post"].soft_delete
    assert taken.notices["Post.deletedAt"] == {"other_soft_delete"}


def test_timestamps(mongo: Mongo, tmp_path: Path) -> None:
    stamped: list[dict[str, Any]] = [{"createdAt": BEFORE, "updatedAt": NOW} for _ in range(19)]
    taken = posts(mongo, tmp_path, [*stamped, {"createdAt": BEFORE, "updatedAt": "2026-01-02"}])
    assert taken.registry["Post"].timestamps
    assert taken.evidence("enableTimestamps") == "dates in createdAt 100 %, updatedAt 95.0 % of 20"
    assert taken.said("stamps") == ["updatedAt is date 95.0 %, string 5.0 % of 20"]


def test_half_of_them_or_other_names_are_fields(mongo: Mongo, tmp_path: Path) -> None:
    mongo.database["logs"].insert_many([{"created_at": NOW} for _ in range(20)])
    taken = posts(mongo, tmp_path, [{"createdAt": NOW} for _ in range(20)])
    post, log = taken.registry["Post"], taken.registry["Log"]
    assert (post.timestamps, log.timestamps) == (False, False)
    assert (str(post.field("createdAt").type), str(log.field("created_at").type)) == ("date", "date")  # type: ignore[union-attr]


def test_mongoose_itself(mongo: Mongo, tmp_path: Path) -> None:
    taken = posts(mongo, tmp_path, [{"__v": 0, "__t": "Card" if n % 4 else "Invoice"} for n in range(20)])
    assert "# several kinds share it (__t): Card 75.0 %, Invoice 25.0 %" in taken.adoption.text
    assert "# written by Mongoose: __v in 100 %" in taken.adoption.text
    assert taken.registry["Post"].fields == ()


def test_each_field_of_a_kind_says_so(mongo: Mongo, tmp_path: Path) -> None:
    taken = posts(mongo, tmp_path, [{"__t": "A", "a": 1} if n % 2 else {"__t": "B", "b": 1} for n in range(40)])
    assert comment_behind(taken.adoption.text, "a").endswith("in every A, nowhere else")


def test_who_deleted_has_the_applications_type_in_every_collection(mongo: Mongo, tmp_path: Path) -> None:
    """The plugin is set up alike: where nobody was deleted yet, the application would refuse a name all the same."""
    mongo.database["users"].insert_many([{"deleted": False, "n": n} for n in range(3)])
    mongo.database["logs"].insert_many([{"n": n} for n in range(3)])
    taken = posts(mongo, tmp_path, [{"deleted": True, "deletedAt": NOW, "deletedBy": ObjectId()}, {"deleted": False}])
    types = {name: model.marks.deleted_by_type for name, model in taken.registry.items()}
    assert types == {"Post": "objectId", "User": "objectId", "Log": "mixed"}


def test_who_deleted_by_several_types_is_left_as_it_is(mongo: Mongo, tmp_path: Path) -> None:
    by = [ObjectId(), "a job", None]
    taken = posts(mongo, tmp_path, [{"deleted": True, "deletedAt": NOW, "deletedBy": each} for each in by])
    assert taken.registry["Post"].marks.deleted_by_type == "mixed"
    assert taken.said("mixed_types")
