"""Types by frequency, what is required, enums, maps, dead fields: each with its evidence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId

from datactl.inspect.adopting.guesses import ModelGuess
from datactl.schema import Field
from tests.inspect.adopting.taking_over import comment_behind, guessed

DAY = timedelta(days=1)


def field(documents: Iterable[dict[str, Any]], path: str = "f") -> Field:
    found = guessed(documents)[0].field(path)
    assert found is not None
    return found


def notices(guess: ModelGuess) -> dict[str, str]:
    return {f"{notice.code} {notice.where}": notice.what for notice in guess.notices}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3], "int"),
        ([1, Int64(2**40)], "long"),
        ([1, 2.5], "number"),
        ([1.0, 2.0], "number"),
        (["a", "b"], "string"),
        ([True, False], "bool"),
        ([[1], []], "array"),
        ([{"a": 1}], "object"),
        (["a"] * 99 + [1], "string"),
        (["a"] * 90 + [1] * 10, "mixed"),
        ([None] * 20, "mixed"),
    ],
)
def test_types_by_frequency(values: list[Any], kind: str) -> None:
    assert str(field([{"f": value} for value in values]).type) == kind


def test_whole_prices_are_numbers() -> None:
    assert str(field([{"unitPrice": 5}] * 30, "unitPrice").type) == "number"


def test_a_field_is_required_where_every_document_has_it() -> None:
    assert field([{"f": n} for n in range(50)]).required
    assert not field([{"f": n} for n in range(49)] + [{"f": None}]).required
    assert not field([{"f": n} for n in range(49)] + [{}]).required
    assert not field([{"f": n} for n in range(5)]).required, "five documents prove nothing"


def test_shares_of_types_null_and_missing_stand_behind_the_declaration() -> None:
    documents = [{"f": "x"}] * 982 + [{"f": None}] * 18
    assert comment_behind(guessed(documents)[2], "f").startswith("string 98.2 %, null 1.8 % of 1,000")
    documents = [{"f": 1}] * 60 + [{"f": "x"}] * 30 + [{}] * 10
    _, guess, text = guessed(documents)
    assert comment_behind(text, "f") == "int 60.0 %, string 30.0 %, missing 10.0 % of 100"
    assert "several types" in notices(guess)["mixed_types f"]


def test_a_rare_type_is_named_beside_the_declared_one() -> None:
    _, guess, _ = guessed([{"f": n} for n in range(99)] + [{"f": "9"}])
    assert notices(guess)["mixed_types f"] == "f is int, but string 1.0 % of 100 values"


def test_what_is_nearly_always_there_is_said_once_for_all_fields() -> None:
    _, guess, _ = guessed([{"a": 1, "b": 2}] * 98 + [{"a": None, "b": 2}] * 1 + [{"a": 1}])
    assert list(notices(guess).values()) == [
        "nearly always there, but not quite: a (null in 1.0 %), b (missing in 1.0 %)"
    ]


def test_an_enum_of_few_words_that_come_often() -> None:
    words = ["draft", "published", "published", "review"]
    assert field([{"f": words[n % 4]} for n in range(100)]).enum == ("published", "draft", "review")


@pytest.mark.parametrize(
    "documents",
    [
        [{"f": f"word{n}"} for n in range(100)],
        [{"f": f"city{n % 5}"} for n in range(100)],
        [{"city": ["Rome", "Paris"][n % 2]} for n in range(100)],
        [{"f": ["a", "b", "c", "d"][n % 4]} for n in range(12)],
        [{"f": ["yes", "?!"][n % 2]} for n in range(100)],
        [{"password": ["weak", "strong"][n % 2]} for n in range(100)],
    ],
    ids=["many", "numbered", "by name", "too few", "no words", "secret"],
)
def test_no_enum(documents: list[dict[str, Any]]) -> None:
    assert field(documents, next(iter(documents[0]))).enum is None


def test_keys_that_are_data_make_a_map() -> None:
    likes = field([{"f": {str(ObjectId()): 1 for _ in range(3)}} for _ in range(20)])
    assert (str(likes.type), str(likes.items and likes.items.type)) == ("map", "int")
    by_day = field([{"f": {f"2024-01-{day:02}": {"n": day} for day in range(1, 12)}}])
    assert (str(by_day.type), by_day.items and by_day.items.child("n") is not None) == ("map", True)
    settings = field([{"f": {"theme": "dark", "size": 1, "sound": True}}] * 20)
    assert str(settings.type) == "object"


def test_lists_of_documents_have_their_fields() -> None:
    model = guessed([{"items": [{"_id": ObjectId(), "sku": f"s{n}", "n": n}, {"sku": "x"}]} for n in range(20)])[0]
    assert {path: str(model.field(path).type) for path in ("items", "items.sku", "items.n")} == {  # type: ignore[union-attr]
        "items": "array",
        "items.sku": "string",
        "items.n": "int",
    }
    assert model.field("items._id") is None, "Mongoose gives one to every nested document"


def test_a_field_called_type_inside_another_one() -> None:
    document = {"geo": {"type": "Point", "coordinates": [1.5, 2]}, "a": {"type": {"b": 1}}, "l": [{"type": [1]}]}
    model = guessed([document] * 20)[0]
    kinds = {path: str(model.field(path).type) for path in ("geo.type", "a.type", "a.type.b", "l.type")}  # type: ignore[union-attr]
    assert kinds == {"geo.type": "string", "a.type": "object", "a.type.b": "int", "l.type": "array"}


def test_names_that_no_update_can_address_are_told_and_left_out() -> None:
    model, guess, _ = guessed([{"$set": {"a": 1}, "a.b": 1, "": 1, "good": 1}] * 10)
    assert [each.name for each in model.fields] == ["good"]
    assert '"$set" (100 %), "a.b" (100 %)' in notices(guess)["undeclarable_names "]


def test_ids_of_other_types() -> None:
    assert str(guessed([{"_id": f"k{n}"} for n in range(20)])[0].id_type) == "string"
    assert str(guessed([{"_id": n} for n in range(20)])[0].id_type) == "int"
    assert str(guessed([{"_id": n if n % 2 else f"k{n}"} for n in range(20)])[0].id_type) == "mixed"
    assert str(guessed([{"_id": ObjectId()} for _ in range(20)])[0].id_type) == "objectId"


def dated(number: int, **fields: Any) -> dict[str, Any]:
    """A document made so many days after a start."""
    return {"_id": ObjectId.from_datetime(datetime(2021, 1, 1, tzinfo=UTC) + number * DAY), **fields}


def test_a_field_that_came_late_and_one_that_is_no_longer_written() -> None:
    documents = [dated(n, **({"new": n} if n >= 60 else {}), **({"old": n} if n < 40 else {})) for n in range(100)]
    _, guess, text = guessed(documents)
    assert comment_behind(text, "new").endswith("in every document since 2021-03-02")
    assert comment_behind(text, "old").endswith("in none of the 60 documents since 2021-02-09")
    assert notices(guess) == {
        "dead_field old": "old is in none of the 60 documents since 2021-02-09: no longer written?"
    }


def test_fields_without_a_value_look_dead() -> None:
    _, guess, _ = guessed([{"a": None, "b": "", "c": [], "d": 1}] * 60)
    assert {code for code in notices(guess) if code.startswith("dead")} == {
        "dead_field a",
        "dead_field b",
        "dead_field c",
    }


def test_fields_of_one_kind_of_document() -> None:
    _, _, text = guessed([{"__t": "Card", "last4": "1234"}] * 30 + [{"__t": "Invoice", "due": 1}] * 20)
    assert comment_behind(text, "last4").endswith("in every Card, nowhere else")
    assert comment_behind(text, "due").endswith("in every Invoice, nowhere else")


def test_dates_kept_as_text() -> None:
    _, guess, text = guessed([{"f": f"2024-01-{1 + n % 28:02}"} for n in range(60)])
    assert "dates as text" in comment_behind(text, "f")
    assert "text_dates f" in notices(guess)


def test_values_of_a_secret_are_told_nowhere() -> None:
    documents = [{"password": "hunter2", "pin": 1234, "apiKeys": ["sk_live_abcdefghijklmnopqrst"]}] * 60
    model, guess, text = guessed(documents)
    assert model.secret_paths == {"password", "pin", "apiKeys"}
    everything = text + repr(guess.notices)
    for value in ("hunter2", "1,234", "1234", "sk_live_abc"):
        assert value not in everything
