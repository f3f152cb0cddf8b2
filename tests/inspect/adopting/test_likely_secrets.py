"""Likely secrets, by the words of a name and by the shape of a value."""

from __future__ import annotations

import pytest

from datactl.inspect.adopting.likely_secrets import secret_name, secret_shape

TELLING = """
password passwordHash password_hash pwd apiKey api_key APIKey secretKey accessToken refreshToken resetToken salt pin
otpSecret clientSecret cvv privateKey token hash recoveryCodes
"""
HARMLESS = """
name key keys keyword hashtag tokenCount passwordChangedAt resetTokenExpires secretary passenger compass saltiness
pinned token_type hashAlgorithm description passwordUpdated authors fileHash
"""


@pytest.mark.parametrize(
    "name",
    TELLING.split(),
)
def test_names_that_tell(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize(
    "name",
    HARMLESS.split(),
)
def test_names_that_do_not(name: str) -> None:
    assert not secret_name(name)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "bcrypt hashes"),
        ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub", "argon2 hashes"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "JSON Web Tokens"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII", "private keys"),
        ("AKIAIOSFODNN7EXAMPLE", "AWS keys"),
        ("xoxb-1234567890-abc", "Slack tokens"),
        ("An ordinary sentence", None),
        ("e-mail", None),
        ("$5 a month", None),
        ("skating", None),
    ],
)
def test_shapes(value: str, shape: str | None) -> None:
    assert secret_shape(value) == shape
