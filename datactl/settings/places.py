"""The places settings come from, each read once: flags, environment, .env, the files, and the profile among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datactl.errors import ConfigError
from datactl.settings.table import BY_NAME, KEYS, SETTINGS, Origin, source_names, variable_names
from datactl.yamlfile.report import Node, Report, did_you_mean
from datactl.yamlfile.source import decode, read_nodes

PROFILES = "profiles"


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place gives: setting keys (`uri`, `uri_file`, ...) -> values.

    `origin` names the place; `where` how a key is written there; relative names of secret files belong to `base`.
    """

    origin: str
    where: Callable[[str], str]
    values: Mapping[str, Any]
    base: Path


def read_layers(
    flags: Mapping[str, str], environ: Mapping[str, str], models: Path, here: Path
) -> tuple[list[Layer], str | None]:
    """Every place, the strongest first, and the profile that was named. ConfigError for what cannot stand there.

    A profile stands right behind the place that named it: `--profile prod` wins over the environment.
    """
    project = models.resolve().parent
    user = _user_file(environ)
    dotenv = _dotenv(project / ".env")
    in_project, in_user = _settings_of(models, nested=True), _settings_of(user, nested=False)
    layers: list[Layer] = []
    chosen: str | None = None
    for layer in (
        Layer(Origin.FLAG.value, "--{}".format, flags, here),
        _environment(Origin.ENVIRONMENT, "{}", environ, here),
        _environment(Origin.DOTENV, ".env: {}", dotenv, project),
    ):
        layers.append(layer)
        if chosen is None and layer.values.get("profile"):
            chosen = layer.values["profile"]
            declared = ((Origin.PROJECT, models, in_project), (Origin.USER, user, in_user))
            layers += _profile(chosen, layer.where("profile"), declared)
    plain = {key: value for key, value in in_project.items() if key != PROFILES}
    layers.append(Layer(Origin.PROJECT.value, f"{models.name}: settings.{{}}".format, plain, project))
    plain = {key: value for key, value in in_user.items() if key != PROFILES}
    layers.append(Layer(Origin.USER.value, f"{user.name}: {{}}".format, plain, user.parent))
    return layers, chosen


def _profile(name: str, named_by: str, declared: tuple[tuple[Origin, Path, Mapping[str, Any]], ...]) -> Iterator[Layer]:
    """The profile as the project file gives it, then as the user's does. ConfigError for a value left empty."""
    known = [each for _, _, settings in declared for each in settings.get(PROFILES, {})]
    if name not in known:
        listed = ", ".join(dict.fromkeys(known))
        near = did_you_mean(name, known).removeprefix(": ")
        raise ConfigError(
            f'unknown profile "{name}"',
            why=near or (f"the profiles are {listed}" if listed else "no file here declares a profile"),
            next=f"correct {named_by}, or declare it: settings: {{profiles: {{{name}: {{...}}}}}} in models.yaml",
        )
    for origin, path, settings in declared:
        values = settings.get(PROFILES, {}).get(name)
        if values is not None:
            where = f"{path.name}: {PROFILES}.{name}."
            for key, value in values.items():
                if value is None or not str(value).strip():
                    raise ConfigError(
                        f"{where}{key} is empty",
                        why="the value of a weaker place, perhaps of another database, would stand in for it",
                        next=f"give it a value in {path}, or take the line out",
                    )
            yield Layer(f"profile {name} ({origin.value})", where.__add__, values, path.resolve().parent)


def _environment(origin: Origin, where: str, environ: Mapping[str, str | None], base: Path) -> Layer:
    """What variables give; the first variable of a setting that is set in any form, and not empty, wins."""
    values: dict[str, str] = {}
    names: dict[str, str] = {}
    for setting in SETTINGS:
        for variable in setting.env:
            forms = dict(zip(source_names(setting), variable_names(setting, variable), strict=True))
            given = {key: value for key, name in forms.items() if (value := environ.get(name))}
            if given and origin not in setting.places:
                raise ConfigError(
                    f"{variable} cannot be set in {origin.value}",
                    why=f"{origin.value} is looked for beside the file of the models",
                    next=f"export {variable}, or give --{setting.name}",
                )
            if given:
                values |= given
                names |= forms
                break
    return Layer(origin.value, lambda key: where.format(names[key]), values, base)


def _dotenv(path: Path) -> Mapping[str, str | None]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        return dotenv_values(path, interpolate=False)
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read {path}", why="it is not UTF-8 text", next="save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}", why=error.strerror, next="let this user read it") from None


def _user_file(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "datactl" / "config.yaml"


def _settings_of(path: Path, *, nested: bool) -> dict[str, Any]:
    """The settings a YAML file gives, read as the models are; its profiles as mappings under `profiles`.

    What is wrong elsewhere in the file is left to the reading of the models, which reports it in full; a file that
    cannot be read at all has unknown settings, and working without them could be working on another database.
    """
    if not path.is_file():
        return {}
    report = Report(path.name)
    try:
        text = decode(path.read_bytes(), report)
    except OSError as error:
        raise ConfigError(f"cannot read {path}", why=error.strerror) from None
    if text is None:
        raise report.error()
    report.lines = text.split("\n")
    root = read_nodes(text, report)
    if root is None:
        raise report.error()
    if nested:
        root = root.value["settings"].value if root.is_mapping and "settings" in root.value else None
    if root is None or root.value is None:
        return {}
    found = _values(root, path, "settings", KEYS | {PROFILES})
    if PROFILES in found:
        profiles = found[PROFILES]
        if not profiles.is_mapping:
            raise _not_a_mapping(path, PROFILES)
        found[PROFILES] = {
            name: {} if node.value is None else _values(node, path, f"{PROFILES}.{name}", KEYS)
            for name, (_, node) in profiles.value.items()
        }
    return found


def _values(mapping: Node, path: Path, name: str, keys: frozenset[str]) -> dict[str, Any]:
    """The values of a mapping of settings; `profiles` as the node it is."""
    if not mapping.is_mapping:
        raise _not_a_mapping(path, name)
    found: dict[str, Any] = {}
    for key, (_, node) in mapping.value.items():
        if key in BY_NAME and key not in KEYS:
            raise ConfigError(
                f"{path.name}: {key} cannot be given here",
                why="it says which file and which part of it is read",
                next=f"take it out of {path}; give --{key} or set {BY_NAME[key].env[0]}",
            )
        if key not in keys:
            raise ConfigError(
                f'{path.name}: unknown setting "{key}"{did_you_mean(key, sorted(keys))}',
                next="datactl config show lists the settings",
            )
        if key == PROFILES:
            found[key] = node
        elif node.is_mapping or node.is_list:
            raise ConfigError(f"{path.name}: {key} must be one value, not {node.shown()}", next=f"correct {path}")
        else:
            found[key] = node.value
    return found


def _not_a_mapping(path: Path, name: str) -> ConfigError:
    return ConfigError(f"{path.name}: {name} must be a mapping", next=f"correct {path}")
