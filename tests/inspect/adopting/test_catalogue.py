"""What is no model: views, capped collections, time series, datactl's own; and indexes, validators, duplicates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.errors import NotFound
from datactl.inspect.adopting.catalogue import Held
from datactl.inspect.adopting.guesses import CODES, ModelGuess
from datactl.inspect.adopting.housekeeping import Kept
from datactl.inspect.adopting.known_indexes import declare_indexes
from datactl.inspect.adopting.sampling import read_sample
from datactl.inspect.indexes import IndexKeeper, State
from datactl.mongo import Mongo
from datactl.schema.policies import Marks
from tests.inspect.adopting.taking_over import take_over


def test_collections_that_cannot_be_models_are_named(mongo: Mongo, tmp_path: Path) -> None:
    database = mongo.database
    database["users"].insert_one({"n": 1})
    database.command("create", "active", viewOn="users", pipeline=[])
    database.command("create", "log", capped=True, size=10_000)
    database.command("create", "metrics", timeseries={"timeField": "t"})
    for name in ("outboxes", "outbox_chunks", "datactl_ops", "datactl_meta"):
        database[name].insert_one({"n": 1})
    taken = take_over(mongo, tmp_path)
    assert list(taken.registry) == ["User"]
    assert {name: reason.partition(":")[0] for name, reason in taken.adoption.left_out.items()} == {
        "active": "a view on users",
        "log": "capped",
        "metrics": "time series",
    }
    assert "#   active: a view on users" in taken.adoption.text


def test_an_empty_database_is_an_error_that_names_it(mongo: Mongo, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=mongo.database.name) as raised:
        take_over(mongo, tmp_path)
    assert raised.value.exit_code == 6
    assert list(tmp_path.iterdir()) == []


def test_nothing_differs_right_after_the_adoption_but_what_datactl_adds(mongo: Mongo, tmp_path: Path) -> None:
    rows = mongo.database["users"]
    rows.insert_many([{"email": f"e{n}", "a": n, "b": n, "c": n, "s": n, "p": n, "deleted": False} for n in range(20)])
    rows.create_index([("email", 1)], unique=True)
    rows.create_index([("a", 1), ("b", -1)], name="by a")
    rows.create_index([("c", 1)], collation={"locale": "de", "strength": 2})
    rows.create_index([("s", 1)], sparse=True, unique=True)
    rows.create_index([("p", 1)], unique=True, partialFilterExpression={"deleted": False})
    rows.create_index([("gone", 1)])
    plain = mongo.database["plain"]
    plain.insert_many([{"key": n, "maybe": n} if n else {"key": n} for n in range(20)])
    plain.create_index([("key", 1)], unique=True)
    plain.create_index([("maybe", 1)], unique=True)
    taken = take_over(mongo, tmp_path)
    states = IndexKeeper(mongo, taken.registry).survey()
    assert {state.name for state in states if state.state is not State.PRESENT} == {"datactl_marks"}
    assert len(states) == 9
    assert taken.registry["Plain"].unique_fields == ("key",)
    assert taken.notices["User.email"] == {"unique_blocks"}
    assert taken.notices["User.p"] == {"unique_misses"}
    assert taken.said("dead_index") == ["the index gone_1 is over gone, which no document that was read has"]


def declared(*indexes: dict[str, Any], soft: bool = True) -> ModelGuess:
    guess = ModelGuess("Post", "posts")
    declare_indexes(guess, indexes, Kept(Marks() if soft else None))
    return guess


def test_a_text_index_is_read_from_its_weights() -> None:
    guess = declared(
        {
            "name": "t",
            "key": {"lang": 1, "_fts": "text", "_ftsx": 1},
            "weights": {"title": 10, "body": 1},
            "default_language": "german",
            "language_override": "language",
            "textIndexVersion": 3,
        }
    )
    assert guess.indexes[0].declared == {
        "fields": {"lang": 1, "title": "text", "body": "text"},
        "name": "t",
        "weights": {"title": 10, "body": 1},
        "default_language": "german",
    }


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ({"key": {"a": "geoHaystack"}}, "of a kind"),
        ({"key": {"__t": 1}}, "Mongoose keeps"),
        ({"key": {"a": 1}, "partialFilterExpression": {"a": {"$gt": datetime(2020, 1, 1, tzinfo=UTC)}}}, "YAML"),
        ({"key": {"a": 1}, "partialFilterExpression": {"a": ObjectId()}}, "YAML"),
        ({"key": {"$**": 1}, "wildcardProjection": {"a": 1}}, "wildcard projection"),
    ],
)
def test_what_cannot_be_declared_is_told(index: dict[str, Any], reason: str) -> None:
    guess = declared({"name": "i", **index})
    assert guess.indexes == []
    assert [notice.code for notice in guess.notices] == ["undeclared_index"]
    assert reason in guess.notices[0].what


def test_a_ttl_index_beside_soft_delete_is_told_and_left_out() -> None:
    index = {"name": "x", "key": {"deletedAt": 1}, "expireAfterSeconds": 30 * 86_400}
    guess = declared(index)
    assert guess.indexes == []
    assert "30 days after deletedAt: deleted ones never reach the archive" in guess.notices[0].what
    plain = declared(index | {"key": {"at": 1}}, soft=False)
    assert plain.indexes[0].declared["expireAfterSeconds"] == 2_592_000
    assert [notice.code for notice in plain.notices] == ["ttl_index"]


def test_a_validator_is_taken_over(mongo: Mongo, tmp_path: Path) -> None:
    schema = {
        "required": ["subject", "kind"],
        "properties": {
            "subject": {"bsonType": "string", "maxLength": 80, "pattern": "^[A-Z]"},
            "kind": {"enum": ["a", "b"], "bsonType": "string"},
            "price": {"bsonType": ["double", "int"], "minimum": 0},
            "gone": {"bsonType": "date"},
            "odd": {"bsonType": "string", "pattern": "["},
        },
    }
    mongo.database.command("create", "letters", validator={"$jsonSchema": schema}, validationAction="warn")
    mongo.database["letters"].insert_many([{"subject": "A", "kind": "a", "price": 1.5, "odd": "x"} for _ in range(12)])
    taken = take_over(mongo, tmp_path)
    letter = taken.registry["Letter"]
    subject, kind, price = (letter.field(name) for name in ("subject", "kind", "price"))
    assert subject is not None
    assert kind is not None
    assert price is not None
    assert (subject.max_length, subject.pattern, subject.required) == (80, "^[A-Z]", True)
    assert (kind.enum, price.min) == (("a", "b"), 0)
    assert str(letter.field("gone").type) == "date"  # type: ignore[union-attr]
    assert taken.notices["Letter.gone"] == {"dead_field"}
    assert "has a validator (level strict, action warn)" in taken.adoption.text


def test_a_validator_of_query_operators_is_told(mongo: Mongo, tmp_path: Path) -> None:
    mongo.database.command("create", "letters", validator={"a": {"$gt": 1}})
    assert take_over(mongo, tmp_path).notices["Letter."] == {"other_validator"}


def test_duplicates_that_would_break_a_unique_index(mongo: Mongo, tmp_path: Path) -> None:
    users: list[dict[str, Any]] = [{"email": f"e{n % 19}", "username": f"u{n}", "code": "x"} for n in range(20)]
    mongo.database["users"].insert_many([*users, {"email": "e7", "username": "u7", "deleted": True}])
    taken = take_over(mongo, tmp_path)
    assert taken.said("duplicates") == [
        "email: 1 value comes more than once, in 2 live documents: a unique index could not be built"
    ]
    assert taken.said("unprotected_unique") == [
        "username is different in every live document, but no unique index keeps it so"
    ]


def test_large_collections_are_not_searched_for_duplicates(
    mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datactl.inspect.adopting.duplicates.COUNTED", 10)
    mongo.database["users"].insert_many([{"email": "same"} for n in range(20)])
    assert take_over(mongo, tmp_path).notices["User.email"] == {"unchecked_unique"}


def test_every_code_that_is_used_has_its_rank() -> None:
    package = Path(__file__).parents[3] / "datactl/inspect/adopting"
    source = "".join(path.read_text() for path in package.glob("*.py") if path.name != "guesses.py")
    assert {code for code in CODES if f'"{code}"' not in source} == set()


def test_a_count_that_is_too_low_makes_no_sample_exact(mongo: Mongo) -> None:
    """After an unclean end a server's own count of a collection may be behind."""
    mongo.database["users"].insert_many([{"n": n} for n in range(50)])
    sample = read_sample(mongo, Held("users", documents=3), 20)
    guess = ModelGuess("User", "users", documents=sample.documents, read=sample.read)
    assert (sample.read, sample.documents, guess.is_exact) == (20, 50, False)


def test_what_datactl_made_is_not_declared_when_it_is_run_again(mongo: Mongo, tmp_path: Path) -> None:
    """The models ask for these already: declared, each would stand there twice."""
    user = ObjectId()
    mongo.database["users"].insert_one({"_id": user, "n": 1, "deleted": False})
    mongo.database["posts"].insert_many([{"by": user, "deleted": False, "n": n} for n in range(20)])
    mongo.database["posts"].create_index([("n", 1)])
    first = take_over(mongo, tmp_path)
    IndexKeeper(mongo, first.registry).create_missing()
    assert {"by_1", "datactl_marks"} < set(mongo.database["posts"].index_information())
    again = take_over(mongo, tmp_path)
    assert again.adoption.text == first.adoption.text
    assert [index.name for index in again.registry["Post"].declared_indexes] == ["n_1"]
