"""Doubtful settings and files that others can read."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from datactl.inspect.doctor.doubtful import is_loopback, setting_lines, uri_options
from datactl.inspect.doctor.lines import Level, Line
from datactl.inspect.doctor.secret_files import file_lines
from datactl.schema import Registry, define_model
from datactl.settings import Settings

PLAIN = Registry([define_model("Product", {"sku": "string"})])
SECRET = Registry([define_model("Product", {"token": {"type": "string", "secret": True}})])
GOOD = {
    "DATACTL_URI": "mongodb://127.0.0.1/shop",
    "DATACTL_VAULT": "file:/srv/vault",
    "DATACTL_ACTOR": "maria",
    "HOME": "/nowhere",
}


def doubts(tmp_path: Path, registry: Registry = PLAIN, flags: dict[str, str] | None = None, **env: str) -> list[Line]:
    environ = {**GOOD, **env}
    settings = Settings.load({**(flags or {})}, env=environ, cwd=tmp_path)
    return list(setting_lines(settings, registry, environ))


def test_nothing_doubtful_is_one_line(tmp_path: Path) -> None:
    assert [(line.level, line.what) for line in doubts(tmp_path)] == [(Level.OK, "nothing doubtful")]


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"ARCHIVE_RETENTION_DAYS": "0"}, "archive_retention_days is 0"),
        ({"ARCHIVE_RETENTION_DAYS": "36500"}, "36,500 days"),
        ({"DATACTL_URI": "mongodb://127.0.0.1/"}, "names no database"),
        ({"DATACTL_URI": "mongodb://127.0.0.1/shop?tls=true&tlsInsecure=true"}, "tlsinsecure"),
        ({"DATACTL_VAULT": f"file:{tempfile.gettempdir()}/vault"}, "temporary files"),
        ({"DATACTL_URI": "mongodb://db.example/shop", "DATACTL_VAULT": ""}, "on this machine's disk alone"),
        ({"DATACTL_VALUT": "file:/srv/vault"}, 'did you mean "DATACTL_VAULT"?'),
        ({"ARCHIVE_BUCKET_NAME": "bucket"}, "ARCHIVE_BUCKET_NAME"),
        ({"DATACTL_ACTOR": "", "LOGNAME": "root"}, 'made by "root"'),
    ],
)
def test_each_doubtful_value_is_named(
    env: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "root")
    place = Path("/srv/shop") if env.get("DATACTL_VAULT") == "" else tmp_path  # else it lies among temporary files
    lines = doubts(place, **env)
    assert [line.level for line in lines] == [Level.WARN]
    assert said in lines[0].what
    assert lines[0].next


def test_the_options_of_a_uri_are_those_the_driver_reads(tmp_path: Path) -> None:
    settings = Settings.load({"uri": "mongodb://maria:a@db/shop?TLS=False;appName=a@b"}, env=GOOD, cwd=tmp_path)
    assert uri_options(settings) == {"tls": "false", "appname": "a@b"}
    unclear = Settings.load({"uri": "mongodb://maria:a?tls=true@db/shop?TLS=false"}, env=GOOD, cwd=tmp_path)
    assert uri_options(unclear) == {}


def test_secret_fields_without_a_key(tmp_path: Path) -> None:
    (line,) = doubts(tmp_path, SECRET)
    assert "leave out the secret fields of Product" in line.what
    (line,) = doubts(tmp_path, SECRET, DATACTL_EVENT_KEY="ab" * 32)
    assert line.level is Level.OK


def test_a_password_on_the_command_line(tmp_path: Path) -> None:
    (line,) = doubts(tmp_path, flags={"uri": "mongodb://maria:hunter2@127.0.0.1/shop"})
    assert "--uri" in line.what
    assert "hunter2" not in line.what


def test_a_model_that_keeps_nothing(tmp_path: Path) -> None:
    (line,) = doubts(tmp_path, Registry([define_model("Product", {"sku": "string"}, archive={"after": 0})]))
    assert "archive.after of Product is 0" in line.what


@pytest.mark.parametrize(
    ("uri", "here"),
    [
        ("mongodb://127.0.0.1:27017/", True),
        ("mongodb://localhost/", True),
        ("mongodb://[::1]:27017/", True),
        ("mongodb://%2Frun%2Fmongodb.sock/shop", True),
        ("mongodb://127.0.0.1:1,10.0.0.7:27017/", False),
        ("mongodb://maria:p%40ss@db.example:27017/shop", False),
    ],
)
def test_what_is_this_machine(uri: str, here: bool, tmp_path: Path) -> None:
    assert is_loopback(Settings.load({"uri": uri}, env=GOOD, cwd=tmp_path)) is here


def files(directory: Path, **env: str) -> list[Line]:
    environ = {**GOOD, **env}
    return list(file_lines(Settings.load({}, env=environ, cwd=directory), environ))


def write(path: Path, text: str, mode: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("mode", "level"),
    [(0o600, Level.OK), (0o640, Level.WARN), (0o644, Level.FAIL), (0o604, Level.FAIL), (0o620, Level.FAIL)],
)
def test_who_can_read_env(mode: int, level: Level, tmp_path: Path) -> None:
    write(tmp_path / ".env", "", mode)
    (line,) = files(tmp_path)
    assert line.level is level
    if level is not Level.OK:
        assert line.next == f"chmod 600 {tmp_path / '.env'}"


def test_a_file_that_a_secret_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "uri.txt", "mongodb://maria:hunter2@127.0.0.1/shop", 0o644)
    (line,) = files(tmp_path, DATACTL_URI="", DATACTL_URI_FILE="uri.txt")
    assert line.level is Level.FAIL
    assert "uri.txt (644) can be read by everybody; it holds the uri" in line.what
    assert "hunter2" not in line.what


def test_a_secret_in_the_models_file_belongs_elsewhere(tmp_path: Path) -> None:
    text = "settings: {uri: 'mongodb://maria:hunter2@127.0.0.1/shop'}\nmodels: {}\n"
    write(tmp_path / "models.yaml", text, 0o600)
    (line,) = files(tmp_path)
    assert line.level is Level.FAIL
    assert "models.yaml holds the uri" in line.what
    write(tmp_path / "models.yaml", text.replace("maria:hunter2@", ""), 0o644)
    assert [line.level for line in files(tmp_path)] == [Level.OK]


def test_a_secret_in_the_user_file(tmp_path: Path) -> None:
    write(tmp_path / "home/datactl/config.yaml", f"event_key: {'ab' * 32}\n", 0o644)
    (line,) = files(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "home"))
    assert "config.yaml (644)" in line.what
    assert line.next == f"chmod 600 {tmp_path / 'home/datactl/config.yaml'}"


def test_the_state_directory(tmp_path: Path) -> None:
    (tmp_path / ".datactl").mkdir(mode=0o755)
    (tmp_path / ".datactl").chmod(0o755)
    (line,) = files(tmp_path)
    assert (line.level, line.next) == (Level.WARN, f"chmod 700 {tmp_path / '.datactl'}")
    (tmp_path / ".datactl").chmod(0o700)
    write(tmp_path / ".datactl/engine.secret", "{}", 0o640)
    (line,) = files(tmp_path)
    assert ".datactl/engine.secret" in line.what


@pytest.mark.parametrize(("mode", "level"), [(0o750, Level.OK), (0o755, Level.WARN), (0o777, Level.FAIL)])
def test_who_can_read_the_vault(mode: int, level: Level, tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault").chmod(mode)
    (line,) = files(tmp_path, DATACTL_VAULT=f"file:{tmp_path / 'vault'}")
    assert line.level is level
    if level is not Level.OK:
        assert line.next == f"chmod o-rwx {tmp_path / 'vault'}"
        assert "archived documents" in line.what


@pytest.mark.parametrize(("mode", "level"), [(0o755, Level.OK), (0o777, Level.FAIL), (0o1777, Level.OK)])
def test_a_directory_in_which_everybody_can_replace_a_secret(mode: int, level: Level, tmp_path: Path) -> None:
    around = tmp_path / "around"
    write(around / ".env", "", 0o600)
    around.chmod(mode)
    (line,) = files(around)
    assert line.level is level
    if level is Level.FAIL:
        assert "and replace .env" in line.what
        assert line.next == f"chmod o-w {around}"
