"""Who can read what must stay secret: .env, files that secrets come from, the state directory and the vault."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datactl.inspect.doctor.lines import Line, fail, ok, warn
from datactl.settings import STATE_DIR, Settings
from datactl.settings.masking import holds_secret
from datactl.settings.places import Layer, read_layers
from datactl.settings.table import BY_NAME, SETTINGS, Kind, Origin

_TEXT_KEYS = frozenset(setting.name for setting in SETTINGS if setting.kind is Kind.SECRET)
_FILE_KEYS = frozenset(f"{name}_file" for name in _TEXT_KEYS)
_GROUP_READS = stat.S_IRGRP
_OTHERS_READ = stat.S_IROTH
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Guarded:
    """A file or directory that others should not read, and why."""

    path: Path
    holds: str
    mode: str = "600"
    group_may: bool = False


def file_lines(settings: Settings, environ: Mapping[str, str]) -> Iterator[Line]:
    """One line for each that is open to others; one that says so where none is."""
    layers, _ = read_layers({}, environ, settings.models, Path.cwd())
    guarded = dict.fromkeys(_guarded(settings, layers))
    there = [each for each in guarded if each.path.exists()]
    open_ones = [line for each in there for line in _look(each)]
    open_ones += [*_around(there), *_shared(settings, layers)]
    yield from open_ones
    if not open_ones:
        names = ", ".join(each.path.name for each in there)
        yield ok("secret_files", f"only this user reads {names}" if there else "there are none")


def _guarded(settings: Settings, layers: Sequence[Layer]) -> Iterator[Guarded]:
    yield Guarded(settings.project_dir / ".env", "secrets")
    for layer in layers:
        for key, value in layer.values.items():
            if key in _FILE_KEYS:
                yield Guarded(layer.base / Path(str(value)).expanduser(), f"the {key.removesuffix('_file')}")
            elif Origin.USER in layer.origin and _is_secret(key, value):
                yield Guarded(layer.base / "config.yaml", f"the {key}")
    yield Guarded(settings.state_dir, "spooled ids, and a vault or an engine's data", "700")
    scheme, _, vault = settings.vault.partition(":")
    if scheme == "file" and not Path(vault).is_relative_to(settings.state_dir):
        yield Guarded(Path(vault), "archived documents", "o-rwx", group_may=True)
    for name in ("engine.secret", "engine.key"):
        yield Guarded(settings.state_dir / name, "the local engine's password")


def _shared(settings: Settings, layers: Sequence[Layer]) -> Iterator[Line]:
    """Secrets in the models file, which stands in version control and is read by everybody who works on it."""
    for layer in layers:
        for key, value in layer.values.items():
            if Origin.PROJECT in layer.origin and _is_secret(key, value):
                yield fail(
                    "secret_files",
                    f"{settings.models.name} holds the {key} with its secret",
                    f"take it out, and put {BY_NAME[key].env[0]} into .env, or name a file: {key}_file",
                )


def _is_secret(key: str, value: object) -> bool:
    """Whether a file gives a secret as a text. An address without a password is none."""
    return key in _TEXT_KEYS and (key != "uri" or holds_secret(str(value)))


def _look(guarded: Guarded) -> Iterator[Line]:
    path = guarded.path
    found = path.stat()
    shown = f"{_short(path)} ({stat.S_IMODE(found.st_mode):03o})"
    mend = f"chmod {guarded.mode} {shlex.quote(str(path))}"
    if found.st_uid not in (os.getuid(), 0):
        yield warn("secret_files", f"{shown} belongs to another user", f"chown {os.getuid()} {shlex.quote(str(path))}")
    writable = stat.S_IWOTH if guarded.group_may else _OTHERS_WRITE
    if found.st_mode & writable:
        yield fail("secret_files", f"{shown} can be written by others; it holds {guarded.holds}", mend)
    elif found.st_mode & _OTHERS_READ:
        level = warn if path.is_dir() else fail
        yield level("secret_files", f"{shown} can be read by everybody; it holds {guarded.holds}", mend)
    elif found.st_mode & _GROUP_READS and not guarded.group_may:
        yield warn("secret_files", f"{shown} can be read by its group; it holds {guarded.holds}", mend)


def _around(there: Sequence[Guarded]) -> Iterator[Line]:
    """Directories in which everybody can put another file in the place of one that a secret is read from."""
    names: dict[Path, list[str]] = {}
    for each in there:
        names.setdefault(each.path.resolve().parent, []).append(each.path.name)
    for directory, held in names.items():
        mode = directory.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            yield fail(
                "secret_files",
                f"{directory} ({stat.S_IMODE(mode):03o}): everybody can write there, and replace {', '.join(held)}",
                f"chmod o-w {shlex.quote(str(directory))}",
            )


def _short(path: Path) -> str:
    return f"{STATE_DIR}/{path.name}" if path.parent.name == STATE_DIR else path.name
