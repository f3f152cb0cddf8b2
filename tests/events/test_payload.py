"""Payloads: secret values are encrypted or left out, wherever in the document they stand."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import ObjectId

from datactl.errors import DatabaseError
from datactl.events import make_payload, open_payload, without_secrets

KEY = bytes(range(32))
SECRETS = frozenset({"token", "supplier.password", "contacts.phone", "keys.$*.value", "2024", "years.2025"})
DOCUMENT = {
    "name": "x",
    "token": "T0P",
    "supplier": {"name": "s", "password": "P4SS"},
    "contacts": [{"city": "Oslo", "phone": "1"}, {"city": "Rome"}, {"phone": "2"}],
    "keys": {"a": {"value": "V1", "kind": 1}},
}
HIDDEN = {
    "name": "x",
    "supplier": {"name": "s"},
    "contacts": [{"city": "Oslo"}, {"city": "Rome"}, {}],
    "keys": {"a": {"kind": 1}},
}
VALUES = {
    "token": "T0P",
    "supplier.password": "P4SS",
    "contacts.0.phone": "1",
    "contacts.2.phone": "2",
    "keys.a.value": "V1",
}


def test_without_secret_paths_the_values_are_as_they_are() -> None:
    assert make_payload({"a": 1}, {"a": 2}) == {"before": {"a": 1}, "after": {"a": 2}}


def test_without_a_key_secret_values_are_left_out_and_named() -> None:
    payload = make_payload(None, DOCUMENT, secret_paths=SECRETS)
    assert payload == {"before": None, "after": HIDDEN, "withheld": list(VALUES)}


def test_with_a_key_they_are_encrypted_and_come_back() -> None:
    event = ObjectId()
    payload = make_payload({"token": "old"}, DOCUMENT, secret_paths=SECRETS, event_key=KEY, event_id=event)
    assert payload["after"] == HIDDEN
    assert payload["before"] == {}
    stored = bson.encode(payload)
    for value in ("T0P", "P4SS", "V1", "old"):
        assert value.encode() not in stored
    assert open_payload(bson.decode(stored), KEY, event) == ({"token": "old"}, VALUES)


def test_two_encryptions_of_one_value_differ() -> None:
    first, second = (
        make_payload(None, DOCUMENT, secret_paths=SECRETS, event_key=KEY, event_id=1)["encrypted"]["data"]
        for _ in range(2)
    )
    assert first != second


def test_another_key_another_event_and_an_altered_byte_are_refused() -> None:
    payload = make_payload(None, DOCUMENT, secret_paths=SECRETS, event_key=KEY, event_id=1)
    with pytest.raises(DatabaseError, match="this key is"):
        open_payload(payload, bytes(32), 1)
    with pytest.raises(DatabaseError, match="altered"):
        open_payload(payload, KEY, 2)
    data = bytearray(payload["encrypted"]["data"])
    data[-1] ^= 1
    payload["encrypted"]["data"] = bytes(data)
    with pytest.raises(DatabaseError, match="altered"):
        open_payload(payload, KEY, 1)


@pytest.mark.parametrize(
    ("after", "public", "paths"),
    [
        ({"supplier.password": "P"}, {}, ["supplier.password"]),
        ({"supplier": {"password": "P", "name": "n"}}, {"supplier": {"name": "n"}}, ["supplier.password"]),
        ({"contacts.1.phone": "3", "contacts.1.city": "c"}, {"contacts.1.city": "c"}, ["contacts.1.phone"]),
        ({"token.inner": 1}, {}, ["token.inner"]),
        ({"name": "n"}, {"name": "n"}, None),
        ({"keys.b": {"value": 1, "kind": 2}}, {"keys.b": {"kind": 2}}, ["keys.b.value"]),
        ({"keys.5.value": 1, "keys.5.kind": 2}, {"keys.5.kind": 2}, ["keys.5.value"]),
        ({"keys.5": {"value": 1, "kind": 2}}, {"keys.5": {"kind": 2}}, ["keys.5.value"]),
        ({"2024": 1, "7": 1}, {"7": 1}, ["2024"]),
        ({"years.2025": 1, "years.2026": 1}, {"years.2026": 1}, ["years.2025"]),
        ({"years": {"2025": 1, "2026": 1}}, {"years": {"2026": 1}}, ["years.2025"]),
        ({"contacts.3": {"phone": 1, "city": "c"}}, {"contacts.3": {"city": "c"}}, ["contacts.3.phone"]),
        ({"contacts": {"0": {"phone": 1, "city": "c"}}}, {"contacts": {"0": {"city": "c"}}}, ["contacts.0.phone"]),
        ({"supplier": "P4SS", "name": "n"}, {"name": "n"}, ["supplier"]),
        ({"supplier": None}, {"supplier": None}, None),
        ({"contacts": ["1", {"city": "c"}, None]}, {"contacts": [None, {"city": "c"}, None]}, ["contacts.0"]),
        ({"contacts": [["1"]]}, {"contacts": [[None]]}, ["contacts.0.0"]),
        ({"contacts.0": "1"}, {}, ["contacts.0"]),
        ({"keys": {"a": 1, "b": {"kind": 2}}}, {"keys": {"b": {"kind": 2}}}, ["keys.a"]),
    ],
)
def test_dotted_paths_of_a_change(after: dict[str, Any], public: dict[str, Any], paths: list[str] | None) -> None:
    payload = make_payload({}, after, secret_paths=SECRETS)
    assert payload["after"] == public
    assert payload.get("withheld") == paths


def test_hiding_does_not_change_the_document_that_is_hidden_from() -> None:
    before = bson.encode(DOCUMENT)
    assert without_secrets(DOCUMENT, SECRETS) == HIDDEN
    assert bson.encode(DOCUMENT) == before
