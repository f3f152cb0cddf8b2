"""docs/errors.md: every error code with its meaning, exit code, an example as a run said it, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from datactl import errors
from datactl.errors import DatactlError, Interrupted
from datactl.reference.error_table import EXPLAINED, Example, examples
from datactl.reference.markdown import MADE, code, exit_codes, table

_INTRODUCTION = """\
# Errors

An error says on stderr what happened, why, its code in brackets, and what comes next. With `-o json` it is one JSON
object on the last line of stderr: `code`, `what`, `why`, `next`, `exitCode`, `problems` and `details`; the codes are
stable, the sentences are not. Every message below was said by a real run; ids, ports and paths are examples.
"""


def page() -> str:
    """The whole page."""
    known = examples()
    kinds = error_classes()
    return "\n".join(
        [
            MADE + _INTRODUCTION,
            "## Exit codes\n",
            exit_codes(),
            "## Codes\n",
            table(
                ("code", "exit", "what it means"),
                ((f"[`{kind.code}`](#{kind.code})", _exit(kind), EXPLAINED[kind.code].means) for kind in kinds),
            ),
            *(part for kind in kinds for part in _section(kind, known.get(kind.code))),
        ]
    )


def error_classes() -> list[type[DatactlError]]:
    """Every kind of error, in the order in which they are drawn."""
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DatactlError)]
    return list(dict.fromkeys(found))


def _section(kind: type[DatactlError], example: Example | None) -> Iterator[str]:
    yield f"### {kind.code}\n"
    yield f"Exit code {_exit(kind)}. {EXPLAINED[kind.code].means}\n"
    if example is not None:
        yield code(f"{example.run}\n{example.said}")
    yield f"{EXPLAINED[kind.code].do}\n"


def _exit(kind: type[DatactlError]) -> str:
    return "130, 143" if kind is Interrupted else str(kind.exit_code)
