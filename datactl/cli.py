"""The door: which word is which command, and the one place where errors become exit codes.

Only the standard library is imported before a word is chosen, and only that word's module after: `--help`,
`--version` and shell completion answer without the database driver.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from datactl.errors import DatactlError, Interrupted, UsageError


class Word(NamedTuple):
    """A command's module under `datactl.commands` and its line in the help."""

    module: str
    summary: str


WORDS: Mapping[str, Word] = {
    "init": Word("init", "Start a project here, or take over the database that is there."),
    "models": Word("models", "List and check the models; compare the database with them, apply validators."),
    "find": Word("find", "List documents of a model."),
    "get": Word("get", "Show one document."),
    "create": Word("create", "Create documents from JSON."),
    "update": Word("update", "Change documents."),
    "delete": Word("delete", "Mark documents deleted; without soft delete, remove them into the vault."),
    "restore": Word("restore", "Bring documents back from wherever they are."),
    "undo": Word("undo", "Take an operation back, where nothing has changed since."),
    "archive": Word("archive", "Move documents that were deleted long enough ago into the vault."),
    "stats": Word("stats", "Count what is live, deleted, due, archived and pending."),
    "validate": Word("validate", "Find what is broken: documents, references, marks, indexes, the vault."),
    "index": Word("index", "Create the indexes that are missing."),
    "indexes": Word("index", "The same as index."),
    "export": Word("export", "Write a model's documents to files: BSON, NDJSON or CSV."),
    "import": Word("importing", "Create documents from exported files, or from a dump."),
    "doctor": Word("doctor", "Check what this project needs to run safely, and say how to mend it."),
    "engine": Word("engine", "Start, stop and look at the local database engine of this project."),
    "ops": Word("ops", "List operations on many documents, and carry on what was stopped."),
    "config": Word("config", "Show the settings and where each came from."),
    "completion": Word("completion", "Print or install the completion script of a shell."),
    "demo": Word("demo", "Make a demonstration project with real data and tell its story."),
}

_DEBUG = "DATACTL_DEBUG"
_FAILED = 1


def run() -> NoReturn:
    """The program: `main`, then the end, which no further signal may interrupt: everything has been said by then."""
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status, as errors.py lists them."""
    arguments = list(sys.argv[1:] if args is None else args)
    _open_missing_streams()
    _prepare_streams()
    try:
        return _report(arguments, *_attempt(arguments))
    except BrokenPipeError:
        return _pipe_closed()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _attempt(arguments: list[str]) -> tuple[int, DatactlError | None]:
    try:
        status = _run(_as_utf8(arguments))
        sys.stdout.flush()
    except DatactlError as error:
        return error.exit_code, error
    except BrokenPipeError:
        return _pipe_closed(), None
    except KeyboardInterrupt as stop:
        number = getattr(stop, "signal_number", None)  # of the second signal, which cut long work off
        begun = None if number is None else "datactl ops list shows what was begun, and how far it came"
        stopped = Interrupted("stopped", signal=number or signal.SIGINT, next=begun)
        return stopped.exit_code, stopped
    except Exception as error:  # the boundary: whatever was not foreseen still ends in one line and a status
        if os.environ.get(_DEBUG):
            raise
        return _FAILED, _unforeseen(error)
    return status, None


def _run(arguments: list[str]) -> int:
    from datactl.commands.grammar import run_words

    return run_words(WORDS, arguments)


def _report(arguments: Sequence[str], status: int, error: DatactlError | None) -> int:
    if error is not None:
        from datactl.render.failures import show_error

        _finish_stdout()  # what was found before the error stands before it
        if os.environ.get(_DEBUG):
            import traceback

            traceback.print_exception(error)
        show_error(error, as_json=_wants_json(arguments))
    return status


def _unforeseen(error: Exception) -> DatactlError:
    if isinstance(error, OSError) and error.strerror:
        return DatactlError(str(error.strerror), why=str(error.filename) if error.filename else None)
    return DatactlError(
        f"unexpected {type(error).__name__}",
        why=str(error) or None,
        next=f"{_DEBUG}=1 before the same command shows where; please report it with that",
    )


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether JSON was asked for by name. Read from the words themselves: the error may be that they make no sense."""
    form = os.environ.get("DATACTL_OUTPUT", "")
    for place, argument in enumerate(arguments):
        if argument in ("-o", "--output"):
            form = arguments[place + 1] if place + 1 < len(arguments) else form
        elif argument.startswith("--output="):
            form = argument.removeprefix("--output=")
        elif argument.startswith("-o") and not argument.startswith("--"):
            form = argument.removeprefix("-o").removeprefix("=")
    return form in ("json", "ndjson")


def _as_utf8(arguments: Sequence[str]) -> list[str]:
    """The arguments as the UTF-8 they are, whatever the locale made of their bytes."""
    read = []
    for place, argument in enumerate(arguments, start=1):
        octets = os.fsencode(argument)
        try:
            read.append(octets.decode())
        except UnicodeDecodeError:
            shown = octets.decode(errors="backslashreplace")
            raise UsageError(f"argument {place} is not valid UTF-8", why=shown) from None
    return read


def _open_missing_streams() -> None:
    """Started with stdin, stdout or stderr closed (`2>&-`): each is the null device from here on.

    Otherwise its descriptor would be that of the next file or connection, and messages would be written into that.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        way = os.O_RDWR if number else os.O_RDONLY
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, way), number)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def _prepare_streams() -> None:
    """Data is UTF-8 whatever the locale says; a terminal of another encoding gets escapes instead of an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            sys.stdout.reconfigure(encoding="utf-8")


def _finish_stdout() -> None:
    """Write out what is buffered. Where that fails (a full disk) it goes nowhere, and Python must not try at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _pipe_closed() -> int:
    """The reader has what it wanted (`| head`). Nothing more can be written, and Python must not try at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return 0
