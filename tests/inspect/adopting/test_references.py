"""References: ids found in another collection, dangling ones, those into several collections, ids kept as text."""

from __future__ import annotations

from pathlib import Path

from bson.objectid import ObjectId

from datactl.mongo import Mongo
from tests.inspect.adopting.taking_over import take_over


def test_a_reference_is_found_by_looking_its_ids_up(mongo: Mongo, tmp_path: Path) -> None:
    users = [ObjectId() for _ in range(30)]
    mongo.database["users"].insert_many([{"_id": each, "name": f"n{n}"} for n, each in enumerate(users)])
    mongo.database["posts"].insert_many(
        [
            {
                "writtenBy": users[n % 30],
                "readers": [users[n % 7]],
                "meta": {"editor": users[n % 5]},
                "blocks": [{"by": users[n % 3]}],
                "other": ObjectId(),
            }
            for n in range(60)
        ]
    )
    taken = take_over(mongo, tmp_path)
    references = {field.path: field.ref for field in taken.registry["Post"].references}
    assert references == {"writtenBy": "User", "readers": "User", "meta.editor": "User", "blocks.by": "User"}
    assert taken.evidence("writtenBy").endswith("100 % of 30 ids are in users")
    assert taken.said("dangling") == []


def test_dangling_ones_are_told(mongo: Mongo, tmp_path: Path) -> None:
    users = [ObjectId() for _ in range(20)]
    mongo.database["users"].insert_many([{"_id": each} for each in users])
    mongo.database["posts"].insert_many([{"author": ObjectId() if n == 19 else users[n]} for n in range(20)])
    taken = take_over(mongo, tmp_path)
    assert taken.registry["Post"].field("author").ref == "User"  # type: ignore[union-attr]
    assert taken.said("dangling") == ["author points to no document of User in 1 of 20 ids"]


def test_a_field_that_refers_to_several_models_has_no_ref(mongo: Mongo, tmp_path: Path) -> None:
    there = {name: [ObjectId() for _ in range(30)] for name in ("users", "companies")}
    for name, ids in there.items():
        mongo.database[name].insert_many([{"_id": each} for each in ids])
    targets = [*there["users"], there["companies"][0]]
    mongo.database["comments"].insert_many([{"target": each} for each in targets])
    taken = take_over(mongo, tmp_path)
    assert taken.registry["Comment"].field("target").ref is None  # type: ignore[union-attr]
    assert taken.said("split_reference") == [
        "target refers to several models (User 96.8 %, Company 3.2 %): a ref can name one, so none is declared"
    ]


def test_of_two_collections_with_the_same_ids_the_name_decides(mongo: Mongo, tmp_path: Path) -> None:
    ids = [ObjectId() for _ in range(20)]
    for name in ("accounts", "profiles", "users"):
        mongo.database[name].insert_many([{"_id": each} for each in ids])
    mongo.database["posts"].insert_many([{"userId": each} for each in ids])
    assert take_over(mongo, tmp_path).registry["Post"].field("userId").ref == "User"  # type: ignore[union-attr]


def test_ids_kept_as_text_are_told_and_not_declared(mongo: Mongo, tmp_path: Path) -> None:
    users = [ObjectId() for _ in range(20)]
    mongo.database["users"].insert_many([{"_id": each} for each in users])
    mongo.database["posts"].insert_many([{"editorId": str(each)} for each in users])
    taken = take_over(mongo, tmp_path)
    assert taken.registry["Post"].field("editorId").ref is None  # type: ignore[union-attr]
    assert taken.said("text_ids") == ["editorId holds ids of User as text (20 of 20 looked up are there)"]


def test_text_and_numbers_refer_by_their_name_as_well(mongo: Mongo, tmp_path: Path) -> None:
    mongo.database["countries"].insert_many([{"_id": code, "rank": n} for n, code in enumerate(("DE", "FR", "IT"))])
    cities = [{"countryCode": ["DE", "FR", "IT"][n % 3], "language": ["DE", "FR"][n % 2]} for n in range(30)]
    mongo.database["cities"].insert_many(cities)
    city = take_over(mongo, tmp_path).registry["City"]
    assert {field.path: field.ref for field in city.references} == {"countryCode": "Country"}
    assert city.field("language").enum == ("DE", "FR")  # type: ignore[union-attr]
