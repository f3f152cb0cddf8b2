"""Which fields are likely secrets: by the words in their names, and by the shape of their values."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TELLING_WORDS = """
password passwd passphrase pwd secret secrets salt otp totp cvv cvc ssn iban apikey privatekey credentials credential
mnemonic
"""
_SECRET_WORDS = frozenset(_TELLING_WORDS.split())
# Alone these words name harmless things (a hash of a file, a token count): with a second word they tell.
_SECRET_PAIRS = (
    {"api", "key"},
    {"private", "key"},
    {"access", "key"},
    {"secret", "key"},
    {"encryption", "key"},
    {"signing", "key"},
    {"access", "token"},
    {"refresh", "token"},
    {"reset", "token"},
    {"verification", "token"},
    {"auth", "token"},
    {"session", "token"},
    {"device", "token"},
    {"push", "token"},
    {"id", "token"},
    {"pass", "hash"},
    {"pin", "code"},
    {"recovery", "codes"},
    {"backup", "codes"},
    {"card", "number"},
    {"account", "number"},
    {"webhook", "secret"},
)
_SECRET_ALONE = frozenset({"token", "tokens", "hash", "pin", "authorization", "cookie"})  # the whole name
# What belongs to a secret without being one.
_HARMLESS_LIST = """
at date time expires expiry expired expiration count attempts changed updated created set hint length version enabled
type policy required strength algorithm
"""
_HARMLESS = frozenset(_HARMLESS_LIST.split())

_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("bcrypt hashes", re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{20,53}\Z")),
    ("argon2 hashes", re.compile(r"\$argon2(id|i|d)\$")),
    ("crypt hashes", re.compile(r"\$(1|5|6|7|y|scrypt|pbkdf2[-\w]*)\$\S+\Z")),
    ("JSON Web Tokens", re.compile(r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*\Z")),
    ("private keys", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")),
    ("Stripe keys", re.compile(r"(sk|rk|whsec)_(live|test)?_?\w{16,}\Z")),
    ("AWS keys", re.compile(r"(AKIA|ASIA)[A-Z0-9]{16}\Z")),
    ("GitHub tokens", re.compile(r"(gh[pousr]_\w{30,}|github_pat_\w{30,})\Z")),
    ("Slack tokens", re.compile(r"xox[abprs]-[\w-]{10,}\Z")),
    ("Google keys", re.compile(r"AIza[\w-]{35}\Z")),
)
_FIRST = frozenset("$e-srwAgxB")


def secret_name(name: str) -> bool:
    """True where the words of a field's name say that it is one: `passwordHash`, `api_key`, `resetToken`."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or set(words) & _HARMLESS:
        return False
    if len(words) == 1 and words[0] in _SECRET_ALONE:
        return True
    held = set(words)
    return bool(held & _SECRET_WORDS) or any(pair <= held for pair in _SECRET_PAIRS)


def secret_shape(value: str) -> str | None:
    """What secrets of this shape are called (`bcrypt hashes`); None for other text."""
    if value[0] not in _FIRST:
        return None
    for called, pattern in _SHAPES:
        if pattern.match(value):
            return called
    return None
