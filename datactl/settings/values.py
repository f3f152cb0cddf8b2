"""From what a place says to a value: secrets by file and command, numbers, switches, choices, paths."""

from __future__ import annotations

import base64
import binascii
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datactl.errors import ConfigError
from datactl.settings.masking import Secret
from datactl.settings.places import Layer
from datactl.settings.table import Kind, Setting, source_names

EVENT_KEY_BYTES = 32
SECRET_COMMAND_TIMEOUT_S = 30
MOST_DAYS = 365_000
"""A thousand years: much further back there are no dates to count to."""
_MOST_DIGITS = 20  # leading zeros and all
_SWITCH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


@dataclass(frozen=True, slots=True)
class Found:
    """A setting's value, the place it came from, and how strong that place is: 0 is the strongest."""

    value: Any
    origin: str
    where: str
    rank: int


def find(setting: Setting, layers: Sequence[Layer]) -> Found | None:
    """The value of the strongest place that gives one. ConfigError for a secret that cannot be had."""
    for rank, layer in enumerate(layers):
        given = {key: value for key in source_names(setting) if (value := layer.values.get(key)) not in (None, "")}
        if not given:
            continue
        keys = list(given)
        if len(keys) > 1:
            raise ConfigError(
                f"{setting.name} is given twice: {' and '.join(map(layer.where, keys))}",
                next="leave one of them",
            )
        ((key, value),) = given.items()
        where = layer.where(key)
        if key.endswith("_file"):
            value = _read_secret_file(str(value), layer.base, where)
        elif key.endswith("_command"):
            value = _run_secret_command(str(value), layer.base, where)
        return Found(value, layer.origin, where, rank)
    return None


def _read_secret_file(name: str, base: Path, where: str) -> str:
    path = base / Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read {path}", why="it is not UTF-8 text", next=f"correct {where}") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}", why=error.strerror, next=f"correct {where}") from None
    if not text:
        raise ConfigError(f"{path} is empty", why=f"{where} names it for a secret", next=f"correct {where}")
    return text


def _run_secret_command(command: str, base: Path, where: str) -> str:
    """What it prints; what it says on stderr is not shown, for nobody knows what a secret's program tells there."""
    try:
        words = shlex.split(command)
        if not words:
            raise ValueError("it names no program")
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,  # ours may carry documents
            capture_output=True,
            text=True,
            check=True,
            timeout=SECRET_COMMAND_TIMEOUT_S,
            cwd=base,
        )
    except subprocess.TimeoutExpired:
        raise _failed(where, f"{words[0]} printed nothing within {SECRET_COMMAND_TIMEOUT_S} s") from None
    except subprocess.CalledProcessError as error:
        raise _failed(where, f"{words[0]} ended with exit status {error.returncode}") from None
    except UnicodeDecodeError:
        raise _failed(where, f"{words[0]} printed something that is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise _failed(where, str(error)) from None
    if not done.stdout.strip():
        raise _failed(where, f"{words[0]} printed nothing")
    return done.stdout.strip()


def _failed(where: str, why: str) -> ConfigError:
    return ConfigError("the command that gives a secret failed", why=why, next=f"correct {where}")


def typed(setting: Setting, found: Found, project_dir: Path) -> Any:
    """The value as its kind has it. ConfigError names the place of one that is unusable."""
    value = found.value
    if setting.choices and value not in setting.choices:
        raise _unusable(setting, found, f"it is one of: {', '.join(setting.choices)}")
    if setting.kind is Kind.SECRET:
        return Secret(str(value))
    if setting.kind is Kind.COUNT:
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) <= MOST_DAYS):
            raise _unusable(setting, found, f"it is a whole number from 0 to {MOST_DAYS:,}")
        return int(text)
    if setting.kind is Kind.SWITCH:
        switch = _SWITCH.get(str(value).lower())
        if switch is None:
            raise _unusable(setting, found, "it is true or false")
        return switch
    if setting.kind is Kind.PATH:
        return str(project_dir / str(value))
    return str(value)


def _unusable(setting: Setting, found: Found, why: str) -> ConfigError:
    return ConfigError(f'{setting.name} cannot be "{found.value}"', why=why, next=f"correct {found.where}")


def absolute_vault(vault: str, project_dir: Path) -> str:
    """The vault's address with an absolute path; a bare path is a `file:` one."""
    scheme, separator, path = vault.partition(":")
    if not separator:
        return f"file:{project_dir / Path(vault).expanduser()}"
    return f"file:{project_dir / Path(path.removeprefix('//')).expanduser()}" if scheme == "file" else vault


def event_key(secret: Secret | None) -> bytes | None:
    """The 32 bytes that a text of hex or base64 says. ConfigError."""
    if secret is None:
        return None
    text = secret.reveal()
    for read in (bytes.fromhex, lambda t: base64.b64decode(t, validate=True)):
        try:
            key = read(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == EVENT_KEY_BYTES:
            return key
    raise ConfigError(
        "event_key is unusable",
        why=f"it must be {EVENT_KEY_BYTES} bytes, written as hex or base64",
        next="openssl rand -hex 32 makes one",
    )
