"""The file of rejected documents: what an import did not take, why, and in the format in which it takes it again.

NDJSON: a line `{"$rejected": {...}}` that says why, and below it the line as it was. CSV: the row, with the reason in
the column `$rejected`. Both are passed over when the file is imported, so that only what was wrong has to be changed.
What is no CSV at all stands in that column too, behind the reason, beside cells that are to be filled in.
`offset` moves with the transactions of the import, and what a killed run wrote behind it is cut off. Until the import
is done its file has a second name, a hard link `.NAME.OP`: by it a later run tells its own file from another's.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from datactl.errors import Conflict, DatactlError
from datactl.transfer.directory import disk_errors
from datactl.transfer.formats import Format
from datactl.transfer.inputs import REJECTED, Record, bson_line

_encode = msgspec.json.Encoder().encode


class Rejects:
    """The rejected documents of import `op`, in `path`; only its owner may read it. `header`: a CSV's columns."""

    def __init__(
        self, path: Path, op: str, format: Format, header: Sequence[str], delimiter: str, *, offset: int = 0
    ) -> None:
        self.path = path
        self._own = path.with_name(f".{path.name}.{op}")
        self.offset = offset
        self._format = format
        self._header = [name for name in header if name != REJECTED]
        self._columns = [place for place, name in enumerate(header) if name != REJECTED]
        self._delimiter = delimiter
        self._descriptor = -1

    def add(self, rejections: Sequence[tuple[Record, DatactlError]]) -> int:
        """Write these and fsync; the offset behind them, which is the file's own once `self.offset` says so."""
        if not rejections:
            return self.offset
        self.open()
        text = b"".join(self._entry(record, error) for record, error in rejections)
        if self.offset == 0 and self._format is Format.CSV:
            text = self._row([*self._header, REJECTED]) + text
        with disk_errors(f"cannot write {self.path}"):
            os.ftruncate(self._descriptor, self.offset)
            rest, at = memoryview(text), self.offset
            while rest:
                written = os.pwrite(self._descriptor, rest, at)
                rest, at = rest[written:], at + written
            os.fsync(self._descriptor)
        return at

    def close(self) -> None:
        """Cut off what lies behind the offset, and close."""
        if self._descriptor < 0:
            return
        with disk_errors(f"cannot write {self.path}"):
            os.ftruncate(self._descriptor, self.offset)
            os.close(self._descriptor)
            self._descriptor = -1
            if not self.offset:
                self.path.unlink()
                self._own.unlink()

    def release(self) -> None:
        """The import is done: the file is its owner's to change, and needs no second name."""
        with disk_errors(f"cannot remove {self._own}"):
            self._own.unlink(missing_ok=True)

    def open(self) -> None:
        """Make the file, or open it where a run before made it. Conflict if another's has its name."""
        if self._descriptor >= 0:
            return
        with disk_errors(f"cannot write {self.path}"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CLOEXEC | (0 if self.offset else os.O_CREAT)
            try:
                descriptor = os.open(self._own, flags, 0o600)
            except FileNotFoundError:
                raise self._not_its_own() from None
        try:
            self._name(descriptor)
            with disk_errors(f"cannot read {self.path}"):
                size = os.fstat(descriptor).st_size
        except DatactlError:
            os.close(descriptor)
            if not self.offset:
                self._own.unlink(missing_ok=True)
            raise
        self._descriptor = descriptor
        if size < self.offset:
            os.close(self._descriptor)
            self._descriptor = -1
            raise Conflict(
                f"{self.path} is shorter than this import left it",
                why=f"it has {size:,} bytes of {self.offset:,}",
                next="put it back, or begin anew with --again",
            )

    def _name(self, descriptor: int) -> None:
        """Give it its name unless it has it. The second name keeps its inode from becoming another file's."""
        with disk_errors(f"cannot write {self.path}"):
            try:
                if not self.offset:
                    self.path.hardlink_to(self._own)
                    return
            except FileExistsError:
                pass  # its own, from a run that was killed, or another's
            if not self.path.exists() or not os.path.samestat(self.path.stat(), os.fstat(descriptor)):
                raise self._not_its_own()

    def _not_its_own(self) -> Conflict:
        if not self.offset:
            return Conflict(f"{self.path} is there already", next="name another file with --rejects")
        return Conflict(
            f"{self.path} is not the file that this import wrote",
            why=f"it and {self._own.name} beside it are one file with two names until the import is done",
            next="put it back, or begin anew with --again",
        )

    def _entry(self, record: Record, error: DatactlError) -> bytes:
        if self._format is Format.CSV:
            why = f"{record.place}: {reason(error)}"
            if isinstance(record.original, bytes):
                text = record.original.decode("utf-8", "surrogateescape")
                return self._row([*([""] * len(self._columns)), f"{why}; it was: {text}"])
            cells = record.original
            kept = [cells[place] if place < len(cells) else "" for place in self._columns]
            return self._row([*kept, why])
        problems = [{"where": each.where, "what": each.what, "code": each.code} for each in error.problems]
        about = {"place": record.place, "code": error.code, "why": reason(error), "problems": problems}
        assert isinstance(record.original, bytes)
        line = bson_line(record.original) if self._format is Format.BSON else record.original
        return _encode({REJECTED: about}) + b"\n" + line + b"\n"

    def _row(self, cells: Sequence[str]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._delimiter).writerow(cells)
        return text.getvalue().encode("utf-8", "surrogateescape")


def reason(error: DatactlError) -> str:
    """Why a document was rejected, in one line."""
    if error.problems:
        return "; ".join(f"{problem.where} {problem.what}".strip() for problem in error.problems)
    return str(error)
