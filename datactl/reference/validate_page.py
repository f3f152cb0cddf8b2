"""docs/validate.md: what validate looks for, every code of a finding, and what is left to which check."""

from __future__ import annotations

from collections.abc import Iterator

from datactl.inspect.validating import CHECKS, Check
from datactl.inspect.validating.marks import TOLERANCE
from datactl.reference.markdown import MADE, anchor, table

_INTRODUCTION = """\
# validate

`datactl validate` finds what is broken in the documents of every model, in their indexes and in the vault, and changes
nothing. `datactl validate Post` looks at one model. The server does the scanning; what comes to this machine is what is
wrong, and a few hundred documents at a time that have events to be compared with.

```
datactl validate
datactl validate Post --only references,marks
datactl validate --sample 1000 -o ndjson
datactl validate Post --fix-marks --reason 'marks of the old importer'
```

Each finding says where it is, why it is one and what to do next. With `-o json`, `-o ndjson` and `-o yaml` it is
`{check, code, model, where, what, next, id}`; `id` is the document's, as Extended JSON, and absent where no document is
meant. `-o ndjson` writes each finding as it is found. Values of secret fields are never told.

As a table, ten findings of one code are written for each model, and how to have the others.

A check that the server cannot answer is a finding of its own, with the code `not_done`; the other checks go on.

The exit status is 5 when something was found and 0 when nothing was. At 1,000 findings it stops and says so;
`--max-findings` sets another number, and 0 none.

`--sample N` looks at N documents of each model, drawn at random. Indexes and the vault are looked at as a whole then
too; duplicates are not looked for, since a sample cannot tell.

## The checks

"""

_ONCE = """
## Each broken thing is found once

Where two checks could see the same thing, the one that says what is at fault has it; a check that runs alone
(`--only`) leaves nothing to those that do not run:

- The fields of a deletion's mark are the business of `marks`, not of `documents`.
- A reference of another type than its field is a wrong value, and no reference that leads nowhere. References of marked
  documents are not looked at: restoring them does.
- A reference without `onDelete` may outlive what it refers to: that this was deleted, and later archived, is no
  finding. With `onDelete` it is one, since `restrict`, `cascade` and `nullify` all say that it is not to happen.
- Where the unique index is in place, the server keeps duplicates out, and nothing is searched for.
- A value that `documents`, `marks` or `references` find fault with is not an outside write besides, nor is a document
  that is in MongoDB and in the vault.
- A document that is missing is not said to have vanished while a damaged part of the vault may hold it.

"""

_MARKS = f"""
## Marks without a date

A document whose mark has no date never comes due for the archive: mongoose-delete writes such marks unless it is told
`deletedAt: true`. `--fix-marks` gives each of them the server's time, before anything is looked at: from then on they
age like any other. Each gets an event with who and why, each model an operation that `datactl ops` lists, that
`datactl ops resume` carries on after a stop, and that `datactl undo` takes back. A date of another type is left as it
is.

A date of deletion is in the future when it is more than {int(TOLERANCE.total_seconds()) // 60} minutes ahead of the
server's clock.

## Outside writes

An application beside datactl writes documents without an event. For a document that has events, its newest one says
what its paths held then; a path that holds something else now, to the byte and the type, was written past datactl. A
document that was never written through datactl has no event and is not looked at, and of the others only the paths of
the newest event are. Secret values are compared with the key of the events; without it they are left aside. Where an
application writes as a matter of course, leave the check out with `--only`.

"""


def page() -> str:
    """The whole page."""
    rows = ((f"[`{check.name}`](#{anchor(check.name)})", check.about, _sampled(check)) for check in CHECKS.values())
    return (
        _of(MADE, _INTRODUCTION, table(("check", "what is looked at", "with --sample"), rows), _ONCE, _MARKS)
        + "## The codes\n\n"
        + "\n".join(part for check in CHECKS.values() for part in _codes(check))
    ).rstrip() + "\n"


def _of(*parts: str) -> str:
    return "".join(parts).replace("\n\n\n", "\n\n")


def _sampled(check: Check) -> str:
    if check.sampled:
        return "the sample"
    return "left out" if check.name == "duplicates" else "all"


def _codes(check: Check) -> Iterator[str]:
    yield f"### {check.name}\n"
    yield table(
        ("code", "what is wrong", "what to do next"),
        ((f"`{name}`", code.about, code.next.format(model="MODEL", id="ID")) for name, code in check.codes.items()),
    )
