"""An error as it is shown: what, why, what next and the code, as lines or as one JSON object on stderr."""

from __future__ import annotations

import sys
from typing import TextIO

from datactl.errors import DatactlError, ModelsFileError
from datactl.render.terminal import RED, is_terminal, json_safe, painted, safe

_MARK_WIDTH, _WIDEST_MARK = 9, 32


def show_error(error: DatactlError, *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Write the error; a models file's as its problems, each with the line it stands in."""
    out = stream or sys.stderr
    if as_json:
        text = _json(error)
        out.write((json_safe(text) if is_terminal(out) else text) + "\n")
        return
    if isinstance(error, ModelsFileError) and error.problems:
        _show_models_file(error, out)
        return
    what = error.what if error.why is None else f"{error.what}: {error.why}"
    out.write(f"{painted('error:', RED, out)} {_lines(what)}   [{error.code}]\n")
    said = len(error.problems) == 1 and error.problems[0].what in (error.why or "")
    problems = () if said else error.problems
    width = max((_MARK_WIDTH, *(min(len(safe(problem.where)), _WIDEST_MARK) for problem in problems)))
    for problem in problems:
        out.write(f"  {safe(problem.where):<{width}} {_lines(problem.what)}\n")
    if error.next:
        out.write(f"next: {_lines(error.next)}\n")


def show_hint(text: str, stream: TextIO | None = None) -> None:
    """One line for the person at the terminal, on stderr, after what stands on stdout."""
    sys.stdout.flush()
    (stream or sys.stderr).write(_lines(text) + "\n")


def _show_models_file(error: DatactlError, out: TextIO) -> None:
    excerpts = error.details.get("excerpts") or [""] * len(error.problems)
    for problem, excerpt in zip(error.problems, excerpts, strict=False):
        out.write(f"{safe(problem.where)}: {painted('error:', RED, out)} {safe(problem.what)}   [{problem.code}]\n")
        out.writelines(_source_line(line) + "\n" for line in excerpt.splitlines())
    found = len(error.problems)
    out.write(f"{found} error{'' if found == 1 else 's'}\n")


def _source_line(line: str) -> str:
    return "\t".join(safe(part) for part in line.split("\t"))


def _lines(text: str) -> str:
    return "\n".join(safe(line) for line in text.split("\n"))


def _json(error: DatactlError) -> str:
    import msgspec

    from datactl.render.facts import plain

    return msgspec.json.encode(plain(error.as_dict())).decode()
