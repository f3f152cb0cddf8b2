"""docs/doctor.md: what doctor looks at, the checklist, and the least roles in MongoDB."""

from __future__ import annotations

from collections.abc import Iterator

from datactl.inspect.doctor.grants import DATABASE, GROUPS, MODELS, Group
from datactl.inspect.doctor.lines import CHECKS, PRODUCTION
from datactl.reference.markdown import MADE, table

_INTRODUCTION = """\
# doctor

`datactl doctor` looks at everything a project needs to run safely, and says of each thing how it stands and what mends
it. It opens each part by itself: a server that does not answer hides nothing about the vault. It changes nothing; what
it writes is a probe object under `probe/` in the vault, which it removes again, and a row of a trial transaction, which
is taken back.

```
datactl doctor
datactl doctor --production
datactl doctor -o json
```

A line is `ok`, `warn` (it works, and somebody should know) or `fail` (a command will fail, or a promise is not kept).
The exit status is 5 when something fails, and 0 when there are warnings alone. With `-o json` each line is
`{area, check, level, what, next}`; `-o ndjson` writes them as they are looked at.

## What is looked at
"""
_PRODUCTION = """\
## The checklist

`datactl doctor --production` adds the boxes that are ticked before going live.
"""
_HONEST = """\
Three of them cannot be ticked in this version: it keeps vaults on disk, so there are no lifecycle rules; it delivers no
events, so nothing watches their delivery; and it sends no alerts. They stay `warn`, with what to do without. The
restore test is not run by doctor: it is ticked by a restore from the vault, whose receipt the vault keeps.
"""
_GRANTS = """\
## The least roles

`datactl doctor --grants` prints, for each group of commands, a `createRole` command for this database and these models,
to be pasted into mongosh (`-o json` has them as values), and names what the connected user lacks of each. It exits 5
when something is lacking. Where the server lets nobody in yet, the roles are printed all the same.
"""
_AFTER = """\
A role holds what its own commands need, reading included; a user that also looks at figures has two of them. Which
documents of a collection a user may see is not a matter of these roles. On a sharded cluster `archive` and `archive
plan` also read `config.collections`, which only a role made in the database `admin` can grant.

MongoDB tells a user's privileges (`connectionStatus`), and they are compared with the table. SecantusDB enforces the
actions of a role, on the whole database whichever collection they were granted on, and tells no privileges: there each
action is asked for with a command that does nothing, and those without such a command are listed as `unknown`.
"""


def page() -> str:
    """The whole page."""
    areas = dict.fromkeys(check.area for check in CHECKS.values() if check.area != "production")
    return (
        "\n".join(
            [
                MADE + _INTRODUCTION,
                table(("area", "check", "what is looked at"), (row for area in areas for row in _checks(area))),
                _PRODUCTION,
                table(("box", "what ticks it"), ((f"`{name}`", CHECKS[name].about) for name in PRODUCTION)),
                _HONEST,
                _GRANTS,
                table(("role", "for", "commands"), ((f"`{g.role}`", g.about, _commands(g)) for g in GROUPS)),
                *(part for group in GROUPS for part in _touches(group)),
                _AFTER,
            ]
        ).rstrip()
        + "\n"
    )


def _checks(area: str) -> Iterator[tuple[str, str, str]]:
    for name, check in CHECKS.items():
        if check.area == area:
            yield area, f"`{name}`", check.about


def _commands(group: Group) -> str:
    return ", ".join(f"`{command}`" for command in group.commands)


def _touches(group: Group) -> Iterator[str]:
    yield f"### {group.role}\n"
    yield table(
        ("collection", "actions"),
        ((_place(place), ", ".join(f"`{action}`" for action in actions)) for place, actions in group.touches.items()),
    )


def _place(place: str) -> str:
    return {DATABASE: "the database", MODELS: MODELS}.get(place, f"`{place}`")
