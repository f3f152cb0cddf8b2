"""Profiles: where they stand among the places, what they may say, and secrets that come by file or command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from datactl.errors import ConfigError
from datactl.settings import Secret, Settings
from tests.commands.conftest import run_process

PROJECT = """\
settings:
  database: plain
  archive_retention_days: 30
  profiles:
    prod: {uri: "mongodb://prod.example/shop", production: true, archive_retention_days: 365}
    dev: {engine: local}
    empty:
    blank: {uri: "", production: true}
    silent: {production: true, actor: maria}
"""
Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads settings in a project with profiles: `load({"profile": "prod"}, DATACTL_URI=...)`."""
    (tmp_path / "models.yaml").write_text(PROJECT)

    def loaded(flags: Mapping[str, str | None] | None = None, **env: str) -> Settings:
        return Settings.load(flags, env={"HOME": str(tmp_path / "home"), **env}, cwd=tmp_path)

    return loaded


def test_named_by_the_flag_it_wins_over_the_environment(load: Load) -> None:
    settings = load({"profile": "prod"}, DATACTL_URI="mongodb://elsewhere/", ARCHIVE_RETENTION_DAYS="1")
    assert settings.uri == Secret("mongodb://prod.example/shop")
    assert settings.archive_retention_days == 365
    assert settings.origin("uri") == "profile prod (project file)"
    assert (settings.profile, settings.origin("profile"), settings.production) == ("prod", "flag", True)


def test_a_flag_wins_over_the_profile(load: Load) -> None:
    settings = load({"profile": "prod", "uri": "mongodb://said/x"})
    assert (settings.uri, settings.production) == (Secret("mongodb://said/x"), True)


def test_named_by_the_environment_it_stands_behind_the_environment_and_before_the_files(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DATACTL_URI=mongodb://from-dotenv/\n")
    assert load(DATACTL_PROFILE="prod").uri == Secret("mongodb://prod.example/shop")
    both = load(DATACTL_PROFILE="prod", DATACTL_URI="mongodb://elsewhere/")
    assert both.uri == Secret("mongodb://elsewhere/")
    assert (both.archive_retention_days, both.production) == (365, True)


def test_named_by_dotenv_it_stands_behind_it(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATACTL_URI=mongodb://from-dotenv/\nDATACTL_PROFILE=prod\n")
    settings = load()
    assert (settings.uri, settings.archive_retention_days) == (Secret("mongodb://from-dotenv/"), 365)


def test_the_flag_names_another_than_the_environment(load: Load) -> None:
    settings = load({"profile": "dev"}, DATACTL_PROFILE="prod")
    assert (settings.profile, settings.engine, settings.production) == ("dev", "local", False)


def test_the_users_file_has_profiles_too_and_the_projects_wins(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "home/.config/datactl"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(
        "profiles:\n  prod: {archive_retention_days: 1, actor: maria}\n  mine: {database: own, uri_file: uri}\n"
    )
    (folder / "uri").write_text("mongodb://mine/\n")
    prod = load({"profile": "prod"})
    assert (prod.archive_retention_days, prod.actor) == (365, "maria")
    assert prod.origin("actor") == "profile prod (user file)"
    mine = load({"profile": "mine"})
    assert (mine.database, mine.uri) == ("own", Secret("mongodb://mine/"))


@pytest.mark.parametrize("key", ["uri", "uri_file", "database", "vault"])
@pytest.mark.parametrize("value", ['""', '" "', ""])
def test_an_empty_value_of_a_profile_is_an_error(load: Load, tmp_path: Path, key: str, value: str) -> None:
    (tmp_path / ".env").write_text("DATACTL_URI=mongodb://from-dotenv/\n")
    (tmp_path / "models.yaml").write_text(f"settings:\n  profiles:\n    prod:\n      {key}: {value}\n")
    for given in ({"profile": "prod"}, {}):
        with pytest.raises(ConfigError, match=rf"profiles\.prod\.{key} is empty"):
            load(given, **({} if given else {"DATACTL_PROFILE": "prod"}))
    assert load().uri == Secret("mongodb://from-dotenv/")


def test_a_profile_named_by_the_flag_has_no_uri_from_a_weaker_place_than_its_own(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATACTL_URI=mongodb://from-dotenv/\n")
    for profile in ("silent", "empty"):
        with pytest.raises(ConfigError, match=f"profile {profile} says no database"):
            load({"profile": profile})
        assert load({"profile": profile, "uri": "mongodb://said/"}).uri == Secret("mongodb://said/")
    with pytest.raises(ConfigError, match="profile silent says no database"):
        load({"profile": "silent"}, DATACTL_URI="mongodb://lies-around/")


def test_what_the_files_say_of_every_database_holds_for_a_profile_too(load: Load, tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(
        "settings: {uri: 'mongodb://of-the-project/', profiles: {careful: {production: true}}}"
    )
    assert load({"profile": "careful"}).uri == Secret("mongodb://of-the-project/")
    with pytest.raises(ConfigError, match="profile careful says no database"):
        load({"profile": "careful"}, DATACTL_URI="mongodb://lies-around/")


def test_a_profile_named_by_the_environment_may_leave_the_uri_to_it(load: Load) -> None:
    settings = load(DATACTL_PROFILE="silent", DATACTL_URI="mongodb://elsewhere/")
    assert (settings.uri, settings.production) == (Secret("mongodb://elsewhere/"), True)


def test_a_profile_that_says_nothing_is_one(load: Load) -> None:
    assert load({"profile": "empty"}).database == "plain"


def test_the_database_of_a_stronger_uri_is_not_swapped_for_a_weaker_name(load: Load) -> None:
    settings = load({"profile": "prod"}, DATACTL_DATABASE="elsewhere")
    assert (settings.database, settings.target) == ("shop", "prod.example/shop")
    assert settings.origin("database") == "the URI (profile prod (project file))"
    named = load({"profile": "prod", "database": "other"})
    assert (named.database, named.target) == ("other", "prod.example/other")
    assert load(DATACTL_URI="mongodb://u:p@h:1/in-uri?w=1", DATACTL_DATABASE="own").target == "h:1/own"


@pytest.mark.parametrize(
    ("flags", "env", "said"),
    [
        ({"profile": "prd"}, {}, ('unknown profile "prd"', 'did you mean "prod"?', "--profile")),
        ({}, {"DATACTL_PROFILE": "x"}, ('unknown profile "x"', "prod, dev, empty", "DATACTL_PROFILE")),
    ],
)
def test_an_unknown_profile_is_named_with_where_it_was_said(
    load: Load, flags: dict[str, str | None], env: dict[str, str], said: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(flags, **env)
    for part in said:
        assert part in f"{caught.value} {caught.value.next}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("settings: {profiles: {prod: {vualt: x}}}", 'did you mean "vault"'),
        ("settings: {profiles: {prod: [1]}}", "profiles.prod must be a mapping"),
        ("settings: {profiles: [prod]}", "profiles must be a mapping"),
        ("settings: {profiles: {prod: {database: {a: 1}}}}", "one value"),
        ("settings: {profiles: {prod: {profiles: {}}}}", "unknown setting"),
        ("settings: {profile: prod}", "profile cannot be given here"),
        ("settings: {models: other.yaml}", "models cannot be given here"),
        ("settings: {production: maybe}", 'production cannot be "maybe"'),
    ],
)
def test_what_a_file_cannot_say(load: Load, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "models.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load()
    assert said in str(caught.value)
    assert caught.value.next


def test_dotenv_cannot_say_where_the_models_are(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATACTL_MODELS=other.yaml\n")
    with pytest.raises(ConfigError, match=r"DATACTL_MODELS cannot be set in \.env"):
        load()


@pytest.mark.parametrize(
    ("word", "meant"), [("true", True), ("1", True), ("YES", True), ("false", False), ("0", False)]
)
def test_production_is_a_switch(load: Load, word: str, *, meant: bool) -> None:
    assert load(DATACTL_PRODUCTION=word).production is meant


# -- secrets


def test_files_and_commands_belong_to_the_place_that_names_them(load: Load, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/uri").write_text("mongodb://from-file/\n")
    (tmp_path / "models.yaml").write_text("settings: {uri_file: secrets/uri}")
    inner = tmp_path / "inner"
    inner.mkdir()
    settings = Settings.load({"models": "../models.yaml"}, env={"HOME": str(tmp_path)}, cwd=inner)
    assert settings.uri == Secret("mongodb://from-file/")
    (tmp_path / "models.yaml").write_text("settings: {uri_command: cat secrets/uri}")
    settings = Settings.load({"models": "../models.yaml"}, env={"HOME": str(tmp_path)}, cwd=inner)
    assert (settings.uri, settings.origin("uri")) == (Secret("mongodb://from-file/"), "project file")


def test_our_variable_in_any_form_wins_over_the_applications(load: Load, tmp_path: Path) -> None:
    (tmp_path / "uri").write_text("mongodb://ours/")
    settings = load(MONGODB_URI="mongodb://theirs/", DATACTL_URI_FILE="uri")
    assert settings.uri == Secret("mongodb://ours/")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"DATACTL_URI_FILE": "empty"}, "is empty"),
        ({"DATACTL_URI_FILE": "latin"}, "it is not UTF-8 text"),
        ({"DATACTL_URI_FILE": "missing"}, "No such file"),
        ({"DATACTL_URI_COMMAND": "true"}, "true printed nothing"),
        ({"DATACTL_URI_COMMAND": "sh -c 'echo hunter2 >&2; exit 3'"}, "sh ended with exit status 3"),
        ({"DATACTL_URI_COMMAND": "no-such-program"}, "No such file"),
        ({"DATACTL_URI_COMMAND": "'"}, "No closing quotation"),
        ({"DATACTL_URI_COMMAND": " "}, "names no program"),
        ({"DATACTL_URI": "mongodb://x/", "DATACTL_URI_FILE": "y"}, "DATACTL_URI and DATACTL_URI_FILE"),
    ],
)
def test_a_secret_that_cannot_be_had_is_an_error_that_tells_none(
    load: Load, tmp_path: Path, env: dict[str, str], said: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "latin").write_bytes(b"mongodb://\xff/")
    with pytest.raises(ConfigError) as caught:
        load(**env)
    text = str(caught.value.as_dict())
    assert said in text
    assert "hunter2" not in text
    assert caught.value.next


def test_a_secrets_command_does_not_read_what_is_meant_for_us(tmp_path: Path) -> None:
    env = {"DATACTL_URI_COMMAND": "sh -c 'cat; echo mongodb://db/'", "HOME": str(tmp_path)}
    shown = run_process("config", "show", "-o", "ndjson", cwd=tmp_path, env=env, stdin=b'{"title": "a document"}\n')
    assert json.loads(shown.stdout.splitlines()[0])["value"] == "mongodb://db/"
