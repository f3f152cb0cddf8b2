"""Settings: precedence, origins, secrets and unusable values."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from datactl.errors import ConfigError
from datactl.settings import SETTINGS, Kind, Secret, Settings
from datactl.settings.masking import KNOWN_OPTIONS
from datactl.settings.values import MOST_DAYS


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    """Loads settings from a project folder of its own and an environment that holds nothing else."""

    def loaded(flags: dict[str, str | None] | None = None, **env: str) -> Settings:
        return Settings.load(flags, env={"HOME": str(tmp_path / "home"), **env}, cwd=tmp_path)

    return loaded


def place(tmp_path: Path, where: str, days: int) -> dict[str, str]:
    """Write `days` at one of the places below the flags; returns what that adds to the environment."""
    if where == "environment":
        return {"ARCHIVE_RETENTION_DAYS": str(days)}
    if where == ".env":
        (tmp_path / ".env").write_text(f"ARCHIVE_RETENTION_DAYS={days}\n")
    if where == "project file":
        (tmp_path / "models.yaml").write_text(f"settings:\n  archive_retention_days: {days}\n")
    if where == "user file":
        folder = tmp_path / "home/.config/datactl"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(f"archive_retention_days: {days}\n")
    return {}


PLACES = ["environment", ".env", "project file", "user file"]


@pytest.mark.parametrize(("stronger", "weaker"), list(itertools.combinations(PLACES, 2)))
def test_the_stronger_place_wins_and_is_named(
    tmp_path: Path, load: Callable[..., Settings], stronger: str, weaker: str
) -> None:
    env = place(tmp_path, weaker, 11) | place(tmp_path, stronger, 22)
    settings = load(**env)
    assert (settings.archive_retention_days, settings.origin("archive_retention_days")) == (22, stronger)


def test_a_flag_wins_over_everything_and_nothing_given_is_the_default(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    assert load({"database": "a"}, DATACTL_DATABASE="b").database == "a"
    settings = load()
    assert settings.archive_retention_days == 90
    assert settings.origin("archive_retention_days") == "default"
    assert settings.vault == f"file:{tmp_path}/.datactl/vault"
    assert settings.uri is None


def test_the_first_variable_of_a_setting_wins(load: Callable[..., Settings]) -> None:
    settings = load(DATACTL_URI="mongodb://ours", MONGODB_URI="mongodb://theirs")
    assert settings.uri == Secret("mongodb://ours")
    assert load(MONGODB_URI="mongodb://theirs").uri == Secret("mongodb://theirs")


def test_a_secret_comes_from_a_file_or_a_command(load: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "uri").write_text("mongodb://from-file\n")
    assert load(DATACTL_URI_FILE=str(tmp_path / "uri")).uri == Secret("mongodb://from-file")
    assert load(DATACTL_URI_COMMAND="echo mongodb://from-command").uri == Secret("mongodb://from-command")
    with pytest.raises(ConfigError, match="cannot read"):
        load(DATACTL_URI_FILE=str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="command that gives a secret failed"):
        load(DATACTL_URI_COMMAND="false")


def test_secrets_are_masked_wherever_settings_are_shown(load: Callable[..., Settings]) -> None:
    settings = load(DATACTL_URI="mongodb://bob:hunter2@db/app", DATACTL_EVENT_KEY="ab" * 32)
    shown = f"{settings!r} {settings.shown()} {settings.uri}"
    assert "hunter2" not in shown
    assert "ab" * 32 not in str(settings.shown())
    assert str(settings.uri) == "mongodb://bob:***@db/app"


@pytest.mark.parametrize("written", [("ab" * 32), base64.b64encode(b"\xab" * 32).decode()])
def test_the_event_key_is_hex_or_base64(load: Callable[..., Settings], written: str) -> None:
    assert load(DATACTL_EVENT_KEY=written).event_key == b"\xab" * 32


@pytest.mark.parametrize(
    "env",
    [
        {"DATACTL_EVENT_KEY": "short"},
        {"ARCHIVE_RETENTION_DAYS": "-1"},
        {"ARCHIVE_RETENTION_DAYS": "ninety"},
        {"DATACTL_ENGINE": "remote"},
        {"DATACTL_OUTPUT": "xml"},
    ],
)
def test_unusable_values_are_refused(load: Callable[..., Settings], env: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(**env)
    assert caught.value.next


def test_an_unknown_setting_in_the_file_gets_a_suggestion(load: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("settings:\n  vualt: file:x\n")
    with pytest.raises(ConfigError, match='did you mean "vault"'):
        load()


def test_the_stronger_of_uri_and_engine_wins(load: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("settings:\n  engine: local\n")
    assert load().engine == "local"
    pointed = load(DATACTL_URI="mongodb://mine")
    assert (pointed.engine, pointed.uri) == (None, Secret("mongodb://mine"))
    asked = load({"engine": "local"}, DATACTL_URI="mongodb://mine")
    assert (asked.engine, asked.uri) == ("local", None)


def test_relative_paths_belong_to_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    settings = Settings.load({"models": "project/models.yaml", "vault": "file:cold"}, env={}, cwd=tmp_path)
    assert settings.project_dir == project
    assert settings.vault == f"file:{project}/cold"
    assert settings.state_dir == project / ".datactl"
    assert Settings.load({"vault": "file:///srv/vault"}, env={}, cwd=tmp_path).vault == "file:/srv/vault"


def test_every_setting_is_declared_once_and_has_a_value() -> None:
    names = [setting.name for setting in SETTINGS]
    assert len(set(names)) == len(names)
    assert set(names) <= set(Settings.__dataclass_fields__)
    assert {setting.name for setting in SETTINGS if setting.kind is Kind.SECRET} == {"uri", "event_key"}


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://bob:hunter2@db/app", "mongodb://bob:***@db/app"),
        ("mongodb://bob:hun/ter2@db/app", "mongodb://***"),
        ("mongodb://bob:27/ter2@db/app", "mongodb://***"),
        ("mongodb://bob:hun@ter2@db/app", "mongodb://bob:***@db/app"),
        ("mongodb://bob:hun?ter2@db/app", "mongodb://***"),
        ("mongodb://bob:27?hunter=2@db/app", "mongodb://***"),
        ("mongodb://bob:27?hunter2&w=1@db/app", "mongodb://***"),
        ("mongodb://u:p?ss@h/db?tlsCertificateKeyFilePassword=hunter2", "mongodb://***"),
        ("http://bob:hunter2@db/app", "***"),
        (
            "mongodb://u:p@h/db?appName=a@b&tlsCertificateKeyFilePassword=hunter2",
            "mongodb://u:***@h/db?appName=a@b&tlsCertificateKeyFilePassword=***",
        ),
        (
            "mongodb://u:p@h/db?authSource=admin;tlsCertificateKeyFilePassword=hunter2",
            "mongodb://u:***@h/db?authSource=admin;tlsCertificateKeyFilePassword=***",
        ),
        ("mongodb://h/db?tlsCertificateKeyFilePassword=hun&ter2", "mongodb://***"),
        ("mongodb://h/db?tlsCertificateKeyFilePasswort=hunter2", "mongodb://h/db?tlsCertificateKeyFilePasswort=***"),
        ("mongodb+srv://u:p@h/?retryWrites=true", "mongodb+srv://u:***@h/?retryWrites=true"),
        ("mongodb://u:p@[::1]:27017,b:2/db", "mongodb://u:***@[::1]:27017,b:2/db"),
        (
            "mongodb://db/app?tls=true&tlsCertificateKeyFilePassword=hunter2",
            "mongodb://db/app?tls=true&tlsCertificateKeyFilePassword=***",
        ),
        (
            "mongodb://k@db/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2",
            "mongodb://k@db/?authMechanismProperties=***",
        ),
        ("mongodb://db:27017/app", "mongodb://db:27017/app"),
    ],
)
def test_no_part_of_a_password_is_shown(uri: str, shown: str) -> None:
    assert str(Secret(uri)) == shown


def test_every_option_of_the_driver_is_known() -> None:
    from pymongo.common import URI_OPTIONS_VALIDATOR_MAP

    assert set(URI_OPTIONS_VALIDATOR_MAP) <= KNOWN_OPTIONS


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("mongodb://db:27017/shop?appName=team@corp", "db:27017/shop"),
        ("mongodb://u:p@db/shop?appName=team@corp/x", "db/shop"),
        ("mongodb://u:p@a:1,b:2/sh%6fp.things?w=1", "a:1,b:2/shop"),
        ("mongodb://u:27?x@db/shop", "***/own"),
    ],
)
def test_the_names_of_a_uri_are_those_the_driver_reads(
    load: Callable[..., Settings], tmp_path: Path, uri: str, target: str
) -> None:
    (tmp_path / ".env").write_text("DATACTL_DATABASE=own\n")
    assert load(DATACTL_URI=uri).target == target


def test_a_retention_that_no_date_can_have_is_refused(load: Callable[..., Settings]) -> None:
    with pytest.raises(ConfigError, match="archive_retention_days cannot be"):
        load(ARCHIVE_RETENTION_DAYS="99999999999")
    assert load(ARCHIVE_RETENTION_DAYS=str(MOST_DAYS)).archive_retention_days == MOST_DAYS


def test_a_dotenv_that_is_no_utf8_is_named(load: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DATACTL_ACTOR=caf\xe9\n")
    with pytest.raises(ConfigError, match=r"\.env") as caught:
        load()
    assert "UTF-8" in str(caught.value.why)


def test_settings_are_read_by_the_rules_of_the_models(load: Callable[..., Settings], tmp_path: Path) -> None:
    """What the models may say must not take the settings away: `=` is a value, `no` a text, a date is text."""
    (tmp_path / "models.yaml").write_text(
        "settings: {database: shop, actor: no, vault: 'file:v'}\n"
        "models: {P: {fields: {op: {type: string, enum: [=, '>'], default: 2026-02-30}}}}\n"
    )
    settings = load()
    assert (settings.database, settings.actor, settings.vault) == ("shop", "no", f"file:{tmp_path}/v")


@pytest.mark.parametrize("text", ["settings: {database: shop\n", "settings: [\n" + "[" * 100_000, "\xff"])
def test_a_file_that_cannot_be_read_has_unknown_settings(
    load: Callable[..., Settings], tmp_path: Path, text: str
) -> None:
    (tmp_path / "models.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError):
        load()


def test_a_setting_is_one_value(load: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("settings: {database: [a, b]}\n")
    with pytest.raises(ConfigError, match="one value"):
        load()
