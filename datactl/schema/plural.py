"""Mongoose's plural of a model's name, which is its default collection.

Mongoose's rules, not English: the collection of `Leaf` is `leafs`, of `Cafe` `caves`, of `Blouse` `blice`. Data written
by a Mongoose application lies under those names. Tested against the names that mongoose 9.12.1 gives.
"""

from __future__ import annotations

import re

_SAME_WORDS = """
advice energy excretion digestion cooperation health justice labour machinery equipment information pollution
sewage paper money species series rain rice fish sheep moose deer news expertise status media
"""
_SAME = frozenset(_SAME_WORDS.split())

# The first ending that matches decides: (ending, what stands for it). \1 and \2 are what the ending keeps.
_ENDINGS = tuple(
    (re.compile(ending), plural)
    for ending, plural in (
        (r"human\Z", "humans"),
        (r"man\Z", "men"),
        (r"person\Z", "people"),
        (r"child\Z", "children"),
        (r"\Aox\Z", "oxen"),
        (r"(ax|test)is\Z", r"\1es"),
        (r"(octop|cact|foc|fung|nucle)us\Z", r"\1i"),
        (r"(alias|status|virus)\Z", r"\1es"),
        (r"bus\Z", "buses"),
        (r"(buffal|tomat|potat)o\Z", r"\1oes"),
        (r"([ti])um\Z", r"\1a"),
        (r"sis\Z", "ses"),
        (r"(?:([^f])fe|([lr])f)\Z", r"\1\2ves"),
        (r"hive\Z", "hives"),
        (r"([^aeiouy]|qu)y\Z", r"\1ies"),
        (r"(x|ch|ss|sh)\Z", r"\1es"),
        (r"([m|l])ouse\Z", r"\1ice"),
        (r"quiz\Z", "quizzes"),
        (r"\Agoose\Z", "geese"),
        (r"s\Z", "s"),
        (r"([^a-z])\Z", r"\1"),
    )
)


def pluralize(name: str) -> str:
    """The collection that Mongoose gives a model of this name: `Category` -> `categories`."""
    word = name.lower()
    if word in _SAME:
        return word
    for ending, plural in _ENDINGS:
        if ending.search(word):
            return ending.sub(plural, word)
    return word + "s"
