"""docs/settings.md: the settings, where each may come from and which place wins."""

from __future__ import annotations

from datactl.commands import options
from datactl.reference.markdown import MADE, table
from datactl.settings import SETTINGS, Kind, Origin, Setting, source_names

_FLAGS = {option.name: option.flags[-1] for option in options.ALL if option.setting}
_PLACES = {
    Origin.FLAG: "an option of the command line, such as `--vault ADDRESS`",
    Origin.ENVIRONMENT: "an environment variable",
    Origin.DOTENV: "the file `.env` beside models.yaml, with the same names as in the environment",
    Origin.PROJECT: "`settings:` in models.yaml, with the setting's own name",
    Origin.USER: "`~/.config/datactl/config.yaml` (`$XDG_CONFIG_HOME/datactl/config.yaml`), with the same names",
    Origin.DEFAULT: "what the table below says",
}
_PATHS = """\
Relative paths belong to the directory of models.yaml. What says which file is read, or which part of it, cannot stand
in a file: {names}.
"""
_TEXT = """\
## Profiles

One project, several databases: a profile is a set of settings with a name, in models.yaml or in your own file.

```yaml
settings:
  archive_retention_days: 90
  profiles:
    staging: {{uri_file: secrets/staging-uri}}
    prod:
      uri_command: pass show datactl/prod
      vault: file:/srv/datactl/vault
      production: true
```

`--profile prod` chooses it for one command, `DATACTL_PROFILE` for a shell. A profile stands right behind the place that
named it: named by `--profile` it wins over the environment, so a `DATACTL_URI` that lies around cannot lead that
command to another database; named by `DATACTL_PROFILE` it gives way to the other variables. A profile without a `uri`
works on that of the files it stands in; where a `DATACTL_URI` of the environment or of `.env` would stand in for it,
`--profile` is refused. A value that a profile leaves empty is an error. Where both files know the
name, the project's word wins, and the user's fills what it leaves open. A URI that names its database keeps it,
whatever a weaker place says for `database`; one that names none takes it from there.

What a connection string holds is read as the driver reads it. Of one that may have a password which is not
percent-encoded, nothing is shown but `mongodb://***`.

```
datactl config show --origin --profile prod
```

## Production

`production: true` marks a database that must not be changed by accident.

- Every command that changes something says first, on stderr, which production database that is.
- `--yes` alone confirms nothing there: the phrase is typed, or given with `--confirm`.
- `datactl engine` and `datactl demo` refuse, and no engine of the project's own is started in its place.

## Secrets

{secrets} hold secrets. Each can come as it is, from a file, or from what a command prints,
at any of the places: {forms}.
A relative name belongs to the place that gives it: the current directory for variables, else the directory of the
file. The command is not run by a shell, reads nothing of stdin, has {seconds} seconds, and what it says on stderr is
not shown. Two forms at one place are an error.

A secret is shown as `***` wherever settings, errors or reports are shown. `datactl engine uri` is the one command that
prints a password: that of the project's own local engine, for another program.
"""


def page() -> str:
    """The whole page."""
    from datactl.settings.values import SECRET_COMMAND_TIMEOUT_S

    secrets = [setting for setting in SETTINGS if setting.kind is Kind.SECRET]
    forms = ", ".join(f"`{name}`" for name in (*source_names(secrets[0])[1:], *_variables(secrets[0])[1:]))
    return "\n".join(
        [
            MADE + "# Settings\n",
            "The strongest place that gives a setting wins; `datactl config show --origin` says which that was:\n",
            table(("", "place", "what it is"), ((str(n), str(p), t) for n, (p, t) in enumerate(_PLACES.items(), 1))),
            table(
                ("setting", "option", "environment", "what it is", "value", "default"),
                (_row(setting) for setting in SETTINGS),
            ),
            _PATHS.format(names=" and ".join(f"`{setting.name}`" for setting in SETTINGS if not setting.in_files)),
            _TEXT.format(
                secrets=" and ".join(f"`{setting.name}`" for setting in secrets),
                forms=forms,
                seconds=SECRET_COMMAND_TIMEOUT_S,
            ),
        ]
    )


def _variables(setting: Setting) -> list[str]:
    return [setting.env[0], *(f"{setting.env[0]}{form}" for form in ("_FILE", "_COMMAND"))]


def _row(setting: Setting) -> tuple[str, ...]:
    default = setting.default
    return (
        f"`{setting.name}`",
        f"`{_FLAGS[setting.name]}`" if setting.name in _FLAGS else "-",
        ", ".join(f"`{variable}`" for variable in setting.env),
        setting.about,
        _value(setting),
        "-" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`",
    )


def _value(setting: Setting) -> str:
    if setting.choices:
        return ", ".join(f"`{choice}`" for choice in setting.choices)
    from datactl.settings.values import MOST_DAYS

    kinds = {Kind.COUNT: f"a whole number from 0 to {MOST_DAYS:,}", Kind.SWITCH: "true or false", Kind.PATH: "a path"}
    return kinds.get(setting.kind, "secret" if setting.kind is Kind.SECRET else "text")
