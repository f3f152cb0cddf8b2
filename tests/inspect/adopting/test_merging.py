"""The three-way merge: edits and comments stay, what was not touched follows the database, nothing is taken out."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datactl.inspect.adopting.merging import merge_models
from datactl.schema import parse_models

BASE = """\
# Written by datactl.
# Database: here

models:

  # users: 100 documents, all read
  # look: name is nearly always there
  User:
    enableSoftDelete: true                  # deleted: false 90.0 %, true 10.0 % of 100
    indexes:
      - {fields: {name: 1}}
      - {fields: {email: 1}, unique: true, partialFilterExpression: {}} # over deleted documents too
    fields:
      name: {type: string, required: true}  # string 100 %
      email: string                         # string 98.0 %, null 2.0 % of 100
      role: {type: string, enum: [a, b]}    # string 100 %
      address:                              # object 100 %
        city: string                        # string 100 %
      tags: [string]                        # array 100 %
      items:                                # array 100 %
        - sku: string                       # string 100 %
          n: int                            # int 100 %

  # posts: 10 documents, all read
  Post:
    fields:
      author: {type: objectId, ref: User}   # objectId 100 %
"""
EXACT = frozenset({"users", "posts"})


def merge(current: str, now: str, base: str = BASE, exact: frozenset[str] = EXACT) -> tuple[str, list[str]]:
    merged, conflicts = merge_models(base, current, now, exact)
    parse_models(merged)
    return merged, [conflict.where for conflict in conflicts]


def changed(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_nothing_new_changes_no_byte() -> None:
    edited = changed(BASE, ("name: {type: string, required: true}", "name:   { type: 'string', required: true }"))
    for text in (BASE, edited, edited.replace("\n", "\r\n"), edited.removesuffix("\n") + "\n\n# the end\n"):
        merged, conflicts = merge_models(BASE.replace("\n", "\r\n") if "\r" in text else BASE, text, BASE, EXACT)
        assert (merged.rstrip(), conflicts) == (text.rstrip(), ())


def test_what_was_not_edited_follows_the_database() -> None:
    now = changed(
        BASE,
        (
            "name: {type: string, required: true}  # string 100 %",
            "name: string   # string 90.0 %, missing 10.0 % of 100",
        ),
        ("email: string      ", "email: mixed      "),
        ("enum: [a, b]", "enum: [a, b, c]"),
        ("city: string        ", "city: {type: string, required: true}"),
        ("unique: true, partialFilterExpression: {}}", "unique: true}"),
    )
    merged, conflicts = merge(BASE, now)
    assert conflicts == []
    model = parse_models(merged)["User"]
    assert not model.field("name").required  # type: ignore[union-attr]
    assert str(model.field("email").type) == "mixed"  # type: ignore[union-attr]
    assert model.field("role").enum == ("a", "b", "c")  # type: ignore[union-attr]
    assert model.field("address.city").required  # type: ignore[union-attr]
    assert "# string 90.0 %, missing 10.0 % of 100" in merged
    assert "unique: true, partialFilterExpression" not in merged


def test_an_index_that_was_written_over_several_lines_is_replaced_as_a_whole() -> None:
    current = changed(
        BASE,
        ("      - {fields: {name: 1}}\n", "      - fields:\n          name: 1\n\n      # for the login\n"),
    )
    now = changed(BASE, ("{fields: {name: 1}}", "{fields: {name: 1}, hidden: true}"))
    merged, conflicts = merge(current, now)
    assert conflicts == []
    assert "      - {fields: {name: 1}, hidden: true}\n\n      # for the login\n      - {fields: {email: 1}" in merged


def test_what_is_new_comes_in_at_its_place() -> None:
    now = changed(
        BASE,
        ("          n: int     ", "          price: decimal  # decimal 100 %\n          n: int     "),
        ("        city: string   ", "        zip: string  # string 50.0 %\n        city: string   "),
        ("      tags: [string]", "      phone: string  # string 100 %\n      tags: [string]"),
        ("      - {fields: {name: 1}}\n", "      - {fields: {name: 1}}\n      - {fields: {role: 1}}\n"),
        ("  # posts", "  # logs: empty\n  Log:\n    fields: {}\n\n  # posts"),
        ("    indexes:\n", "    enableTimestamps: true  # dates\n    indexes:\n"),
    )
    merged, conflicts = merge(BASE, now)
    assert conflicts == []
    registry = parse_models(merged)
    user = registry["User"]
    assert {"items.price", "address.zip", "phone"} <= set(user.paths)
    assert any(index.keys == (("role", 1),) for index in user.declared_indexes)
    assert list(registry) == ["User", "Post", "Log"]
    before_posts = merged.partition("  # posts: 10")[0]
    assert "      phone: string  # string 100 %\n\n" in before_posts, "not below the comment of the next model"
    assert "  # logs: empty\n  Log:" in merged


def test_edits_stay_and_are_named_where_the_database_went_another_way() -> None:
    current = changed(
        BASE,
        ("email: string      ", "email: {type: string, maxLength: 90}"),
        ("enum: [a, b]}    #", "enum: [a, b, z]}  #"),
        ("{fields: {name: 1}}", "{fields: {name: 1}, sparse: true}"),
        ("enableSoftDelete: true ", "enableSoftDelete: false"),
    )
    now = changed(
        BASE,
        ("email: string      ", "email: mixed      "),
        ("enum: [a, b]", "enum: [a, b, c]"),
        ("{fields: {name: 1}}", "{fields: {name: 1}, hidden: true}"),
    )
    merged, conflicts = merge(current, now)
    assert conflicts == ["User.indexes {name: 1}", "User.email.type", "User.role.enum"]
    user = parse_models(merged)["User"]
    email = user.field("email")
    assert email is not None
    assert (str(email.type), email.max_length, user.soft_delete) == ("string", 90, False)
    assert user.field("role").enum == ("a", "b", "z")  # type: ignore[union-attr]


def test_beside_an_edited_option_the_type_is_not_exchanged() -> None:
    current = changed(BASE, ("{type: string, required: true}", "{type: string, required: true, maxLength: 9}"))
    now = changed(BASE, ("{type: string, required: true}", "mixed                         "))
    assert merge(current, now) == (current, ["User.name.type"])
    other = changed(BASE, ("{type: string, required: true}", "{type: int, required: true}   "))
    now = changed(BASE, ("{type: string, required: true}", "{type: string, minLength: 1}  "))
    assert merge(other, now)[1] == ["User.name.required", "User.name.minLength"]


def test_options_of_one_field_are_merged_where_they_stand() -> None:
    current = changed(
        BASE,
        (
            "      name: {type: string, required: true}  # string 100 %\n",
            (
                "      name:   # the full name\n        type: 'string'\n        required: true   # so says the form\n"
                "        maxLength: 80\n"
            ),
        ),
        ("role: {type: string, enum: [a, b]} ", "role: {enum: [a, 'b'], type: string, default: a}"),
    )
    now = changed(
        BASE,
        ("name: {type: string, required: true}", "name: {type: string, minLength: 1}  "),
        ("enum: [a, b]", "required: true, enum: [a, b]"),
    )
    merged, conflicts = merge(current, now)
    assert conflicts == []
    assert (
        "      name:   # the full name\n        type: 'string'\n        maxLength: 80\n        minLength: 1\n" in merged
    )
    assert "role: {enum: [a, 'b'], type: string, default: a, required: true}" in merged


def test_comments_of_the_owner_stay_and_evidence_is_renewed() -> None:
    current = changed(
        BASE,
        ("# string 98.0 %, null 2.0 % of 100", "# legally an address"),
        (
            "  # look: name is nearly always there\n",
            "  # Owned by the billing team.\n  # look: name is nearly always there\n",
        ),
        ("      tags: [string] ", "      # tags come from the editor\n      tags: [string] "),
        ("# Written by datactl.", "# Written by datactl.\n# Reviewed by Ada."),
    )
    now = changed(
        BASE,
        ("# string 98.0 %, null 2.0 % of 100", "# string 60.0 %, null 40.0 % of 100"),
        ("# array 100 %\n      items", "# array 50.0 %, missing 50.0 % of 100\n      items"),
        ("  # look: name is nearly always there\n", "  # look: name is dead\n"),
        ("100 documents", "400 documents"),
    )
    merged, _ = merge(current, now)
    for kept in (
        "# legally an address",
        "# Owned by the billing team.",
        "# tags come from the editor",
        "# Reviewed by Ada.",
    ):
        assert kept in merged
    assert "# array 50.0 %, missing 50.0 % of 100" in merged
    assert "# look: name is dead" in merged
    assert "nearly always" not in merged
    assert "400 documents" in merged


def test_a_remark_that_was_taken_out_stays_out() -> None:
    current = changed(BASE, ("  # look: name is nearly always there\n", ""))
    assert merge(current, BASE)[0] == current


def test_what_was_taken_out_stays_out() -> None:
    current = changed(
        BASE,
        ("      tags: [string]                        # array 100 %\n", ""),
        ("      - {fields: {name: 1}}\n", ""),
        ("    enableSoftDelete: true                  # deleted: false 90.0 %, true 10.0 % of 100\n", ""),
    )
    merged, conflicts = merge(current, BASE)
    assert (merged, conflicts) == (current, [])
    without = current.partition("\n  # posts")[0] + "\n"
    assert merge(without, BASE) == (without, ["Post"])


def test_what_the_database_no_longer_has_is_not_taken_out() -> None:
    now = changed(
        BASE,
        ("      tags: [string]                        # array 100 %\n", ""),
        ("      - {fields: {name: 1}}\n", ""),
    ).partition("\n  # posts")[0]
    assert merge(BASE, now + "\n") == (BASE, [])


def test_a_renamed_model_is_known_by_its_collection() -> None:
    current = BASE.replace("User", "Customer").replace("  Customer:\n", "  Customer:\n    collection: users\n")
    now = current.replace("      tags: [string]", "      born: date  # date 100 %\n      tags: [string]")
    merged, conflicts = merge(current, now)
    assert conflicts == []
    assert "born: date" in merged
    assert parse_models(merged)["Post"].references[0].ref == "Customer"


def test_a_sample_that_shows_less_changes_nothing() -> None:
    """A random sample may miss the one null, the third word of an enum, the rare type: that is no news."""
    base = changed(
        BASE,
        ("enum: [a, b]", "enum: [a, b, c]"),
        ("email: string   ", "email: mixed    "),
        ("tags: [string]", "tags: [mixed] "),
    )
    now = changed(
        BASE,
        (
            "email: string                         # string 98.0 %, null 2.0 % of 100",
            "email: {type: string, required: true}  # string 100 %",
        ),
        ("  # look: name is nearly always there\n", ""),
        ("city: string       ", "city: {type: string, enum: [x, y]}"),
    )
    assert merge(base, now, base, frozenset()) == (base, [])
    exact, _ = merge(base, now, base)
    assert parse_models(exact)["User"].field("email").required  # type: ignore[union-attr]


def test_a_sample_that_shows_more_loosens() -> None:
    now = changed(
        BASE,
        ("name: {type: string, required: true}  # string 100 %", "name: mixed  # string 99.0 %, int 1.0 % of 100"),
        ("enum: [a, b]", "enum: [a, c]"),
    )
    merged, conflicts = merge(BASE, now, exact=frozenset())
    user = parse_models(merged)["User"]
    name, role = user.field("name"), user.field("role")
    assert name is not None
    assert role is not None
    assert (str(name.type), name.required, role.enum, conflicts) == ("mixed", False, ("a", "b", "c"), [])
    assert "# string 99.0 %, int 1.0 % of 100" in merged


def test_a_file_that_was_never_adopted_is_its_owners() -> None:
    own = textwrap.dedent(
        """\
        models:
          User:
            fields:
              name: {type: string, maxLength: 10}
        """
    )
    merged, conflicts = merge(own, BASE, base="")
    assert conflicts == ["User.name"]
    registry = parse_models(merged)
    assert list(registry) == ["User", "Post"]
    assert registry["User"].field("name").max_length == 10  # type: ignore[union-attr]
    assert registry["User"].field("email") is not None
    assert "name: {type: string, maxLength: 10}\n" in merged


def test_what_its_owner_says_in_other_words_is_not_said_twice() -> None:
    own = "models:\n  User:\n    timestamps: false\n    uniqueFields: [email]\n    textSearchFields: [name]\n"
    own += "    fields:\n      name: string\n      email: string\n"
    now = changed(
        BASE,
        ("      - {fields: {name: 1}}\n", "      - {fields: {name: text}}\n      - {fields: {role: 1}}\n"),
        ("    indexes:\n", "    enableTimestamps: true\n    indexes:\n"),
    )
    user = parse_models(merge(own, now, base="")[0])["User"]
    assert (user.timestamps, user.unique_fields) == (False, ("email",))
    assert [index.keys for index in user.declared_indexes] == [(("role", 1),)]


@pytest.mark.parametrize(
    "own",
    [
        "models: {User: {fields: {name: string}}}\n",
        "models:\n  User: {fields: {name: string}}\n",
        "models:\n  User:\n    fields: {name: string}\n",
        "models:\n  User:\n    indexes: [{fields: {name: 1}}]\n    fields: {}\n",
        "models:\n  User:\n    indexes: []\n    fields:\n      name: string\n",
        "models: {}\n",
        "settings:\n  database: x\n",
        "models:\n  User:\n    fields:\n      a: &a {type: string}\n      name: *a\n      email:\n        <<: *a\n",
        "models:\n    User:\n        fields:\n            name:   string\n",
    ],
)
def test_whatever_style_its_owner_writes(own: str) -> None:
    merged, _ = merge(own, BASE, base="")
    assert parse_models(merged)["User"].field("name") is not None


FIELDS = ("name", "email", "role", "tags")
TYPES = ("string", "int", "mixed", "{type: string, required: true}", "{type: int, min: 1}", "[string]")


def small(fields: dict[str, str]) -> str:
    return "models:\n  User:\n    fields:\n" + "".join(f"      {name}: {kind}\n" for name, kind in fields.items())


VERSIONS = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(TYPES), min_size=1)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_three_way_of_any_three(base: dict[str, str], own: dict[str, str], now: dict[str, str]) -> None:
    merged, conflicts = merge_models(small(base), small(own), small(now), EXACT)
    found = parse_models(merged)["User"]
    named = {conflict.where.split(".")[1] for conflict in conflicts}
    for name in FIELDS:
        if name in own and own[name] != base.get(name) and now.get(name) == base.get(name):
            assert f"{name}: {own[name]}" in merged, "an edit stays"
        if name in own and own[name] == base.get(name) and name in now:
            assert f"{name}: {now[name]}" in merged, "what was not edited follows"
        if name not in own and name in base:
            assert found.field(name) is None, "taken out is taken out"
        if name not in own and name not in base and name in now:
            assert f"{name}: {now[name]}" in merged
        if name in own and name not in now:
            assert f"{name}: {own[name]}" in merged, "nothing is taken out"
        if name not in named and name in own and name in now and name not in base:
            assert own[name] == now[name]
    again, _ = merge_models(small(now) if now else small(base), merged, small(now), EXACT)
    assert again == merged, "merging again changes nothing"
