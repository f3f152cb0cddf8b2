"""Exporting: a model's documents into files that appear all at once, with a manifest of what they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
from bson import json_util
from pymongo.client_session import ClientSession

from datactl import __version__
from datactl.errors import DatabaseError, DatactlError, InvalidDocument, NotFound, UsageError
from datactl.events import without_secrets
from datactl.mongo import CODEC, Mongo, find_raw, mapping_errors
from datactl.mongo.driver_errors import is_server_code
from datactl.records.marks import both, live
from datactl.schema import Model
from datactl.steps import UNWATCHED, Watcher
from datactl.transfer.ahead import ahead
from datactl.transfer.columns import Columns, quoted_formula
from datactl.transfer.directory import OutputDirectory, OutputFile
from datactl.transfer.ejson_lines import WHOLE, line_of
from datactl.transfer.formats import Format
from datactl.transfer.inputs import decoded
from datactl.transfer.manifest import NAME, SUMS, ExportedFile, ExportManifest
from datactl.transfer.segments import EXPORTED, METADATA, SUFFIX, describe, members_of
from datactl.vault import SegmentName, SegmentWriter
from datactl.vault.rawbson import split
from datactl.vault.segment import MEMBER_BYTES, SEGMENT_BYTES
from datactl.yamlfile.report import did_you_mean, quoted

_BATCH_DOCUMENTS = 2000
_SNAPSHOT_TOO_OLD = 239


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What an export would write. `withheld` are secret fields that are left out; `total` None: not counted before."""

    model: str
    collection: str
    target: Path
    format: Format
    filter: Mapping[str, Any]
    include_deleted: bool
    withheld: tuple[str, ...]
    snapshot: bool
    total: int | None


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote, read back and found right; `whole` are NDJSON lines that hold a document as BSON."""

    model: str
    path: Path
    format: Format
    documents: int
    bytes: int
    files: tuple[ExportedFile, ...]
    withheld: tuple[str, ...]
    whole: int = 0


class Exporter:
    """Exports models of one database."""

    def __init__(self, mongo: Mongo, *, actor: str | None = None, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._mongo = mongo
        self._actor = actor
        self._segment_bytes = segment_bytes

    def plan(
        self,
        model: Model,
        directory: Path,
        format: Format = Format.BSON,
        *,
        filter: Mapping[str, Any] | None = None,
        include_deleted: bool = False,
        reveal: bool | None = None,
        snapshot: bool = False,
    ) -> ExportPlan:
        """What would be written, into the folder of the model's name in `directory`. Changes nothing.

        Secret fields are left out unless `reveal`. In BSON that has to be said either way: UsageError if it is not.
        """
        secrets = tuple(sorted(model.secret_paths))
        if secrets and reveal is None and format is Format.BSON:
            raise UsageError(
                f"{model.name} has secret fields: {', '.join(secrets)}",
                why="with them the files are secret as well, without them they are no backup",
                next="--reveal writes them, --withhold leaves them out",
            )
        self._require_collection(model)
        query = dict(filter or {}) if include_deleted else both(filter or {}, live(model))
        return ExportPlan(
            model.name,
            model.collection,
            directory / model.name,
            format,
            query,
            include_deleted,
            () if reveal else secrets,
            snapshot,
            None if filter else self._estimate(model),
        )

    def run(self, model: Model, plan: ExportPlan, *, watch: Watcher = UNWATCHED) -> ExportReport | None:
        """Write, read back, and give the directory its name. ObjectExists if it is taken; nothing is left of a failure.

        Holds one batch of documents and, of BSON, one segment. The server's cursor decides what a concurrent writer's
        changes look like, unless the plan says `snapshot`: then everything is as it was at one moment. None if the
        watcher wanted to stop: nothing is left of it then.
        """
        started = self._mongo.server_time()
        with OutputDirectory(plan.target) as output:
            writing = _Writing(self._mongo, model, plan, output, self._segment_bytes, watch)
            with self._reading(plan) as batches:
                for batch in batches:
                    if watch.stopping():
                        return None
                    writing.add(batch)
                    watch.progress("export", writing.documents, plan.total)
            writing.finish()
            files = tuple(writing.files)
            manifest = ExportManifest(
                model=model.name,
                namespace=f"{self._mongo.database.name}.{model.collection}",
                format=plan.format,
                documents=writing.documents,
                files=files,
                started_at=started,
                ended_at=self._mongo.server_time(),
                snapshot=plan.snapshot,
                include_deleted=plan.include_deleted,
                filter=json_util.dumps(plan.filter, json_options=json_util.CANONICAL_JSON_OPTIONS),
                withheld=plan.withheld,
                actor=self._actor,
                datactl=__version__,
            )
            _put(output, SUMS, "".join(f"{file.sha256}  {file.name}\n" for file in files).encode())
            with watch.around("manifest", unit="files"):
                _put(output, NAME, manifest.pack())
            with watch.around("commit", unit="files"):
                output.commit()
        return ExportReport(
            model.name,
            plan.target,
            plan.format,
            writing.documents,
            sum(file.bytes for file in files),
            files,
            plan.withheld,
            writing.whole,
        )

    def _require_collection(self, model: Model) -> None:
        """NotFound where there is none: an export of nothing would pass for a backup. An empty one is exported."""
        with mapping_errors("listing the collections"):
            names = self._mongo.database.list_collection_names()
        if model.collection in names:
            return
        theirs = [name for name in names if not name.startswith(("datactl_", "system."))]
        raise NotFound(
            f"the database {self._mongo.database.name} has no collection "
            f"{quoted(model.collection)}{did_you_mean(model.collection, theirs)}",
            why=f"it has {', '.join(sorted(theirs)[:5])}" if theirs else "it has none",
            next="look whether it is the right database: datactl config show",
        )

    def _estimate(self, model: Model) -> int:
        with mapping_errors(f"counting {model.collection}"):
            return self._mongo.collection(model.collection).estimated_document_count()

    def _reading(self, plan: ExportPlan) -> Any:
        return ahead(self._batches(plan))

    def _batches(self, plan: ExportPlan) -> Iterator[bytes]:
        if not plan.snapshot:
            yield from self._find(plan, None)
            return
        with mapping_errors("opening a snapshot"), self._mongo.client.start_session(snapshot=True) as session:
            try:
                yield from self._find(plan, session)
            except DatactlError as error:
                if not is_server_code(error, _SNAPSHOT_TOO_OLD):
                    raise
                raise DatabaseError(
                    "the export took longer than the server keeps a snapshot",
                    why=error.why,
                    next="raise minSnapshotHistoryWindowInSeconds there, or export without --snapshot",
                ) from error

    def _find(self, plan: ExportPlan, session: ClientSession | None) -> Iterator[bytes]:
        place = self._mongo.collection(plan.collection)
        return find_raw(place, plan.filter, session=session, batch_size=_BATCH_DOCUMENTS)


class _Writing:
    """The files of one export while they grow."""

    def __init__(
        self,
        mongo: Mongo,
        model: Model,
        plan: ExportPlan,
        output: OutputDirectory,
        segment_bytes: int,
        watch: Watcher,
    ) -> None:
        self._mongo, self._model, self._plan, self._output, self._watch = mongo, model, plan, output, watch
        self._segment_bytes = segment_bytes
        self._member_bytes = min(MEMBER_BYTES, segment_bytes)
        self._about = describe(mongo, plan.collection) if plan.format is Format.BSON else {}
        self._segment: SegmentWriter | None = None
        self._file: OutputFile | None = None
        self._columns = Columns(model, withheld=bool(plan.withheld), marks=plan.include_deleted)
        self.files: list[ExportedFile] = []
        self.documents = 0
        self.whole = 0
        if plan.format is not Format.BSON:
            self._file = output.create(f"{model.name}.{plan.format}")
        if plan.format is Format.CSV:
            self._file_write(_row([quoted_formula(name) for name in self._columns.names]))

    def add(self, batch: bytes) -> None:
        """Write the documents of a batch."""
        if self._plan.format is Format.BSON and not self._plan.withheld:
            self._add_to_segments(batch)
            return
        documents = split(batch)
        if self._plan.withheld:
            documents = [self._without_secrets(raw) for raw in documents]
        if self._plan.format is Format.BSON:
            self._add_to_segments(b"".join(documents))
            return
        self.documents += len(documents)
        if self._plan.format is Format.NDJSON:
            lines = [line_of(raw) for raw in documents]
            self.whole += sum(line.startswith(f'{{"{WHOLE}"'.encode()) for line in lines)
            self._file_write(b"\n".join(lines) + b"\n" if lines else b"")
        else:
            for raw in documents:
                self._file_write(_row(self._columns.row(decoded(raw))))

    def finish(self) -> None:
        """Bring everything to the disk."""
        if self._segment is not None and self._segment.documents:
            self._seal(self._segment)
        if self._file is not None:
            self._file.finish()
            file = ExportedFile(self._file.path.name, self._file.size, self._file.sha256, self.documents)
            with self._watch.around("verify", unit="files"):
                self._output.require_digest(file.name, file.bytes, file.sha256)
            self.files.append(file)

    def _add_to_segments(self, batch: bytes) -> None:
        for block, count in members_of(batch, self._member_bytes):
            if self._segment is None:
                self._segment = self._new_segment()
            self._segment.add_member(block, count)
            self.documents += count
            if self._segment.full:
                self._seal(self._segment)
                self._segment = None

    def _new_segment(self) -> SegmentWriter:
        return SegmentWriter(
            f"{self._mongo.database.name}.{self._plan.collection}",
            self._model.name,
            name=SegmentName.new(EXPORTED, len(self.files) + 1),
            segment_bytes=self._segment_bytes,
            member_bytes=self._member_bytes,
            **self._about,
        )

    def _seal(self, writer: SegmentWriter) -> None:
        sealed = writer.finish()
        with self._watch.around("segment", len(self.files), unit="segments"):
            name = f"{sealed.name}{SUFFIX}"
            _put(self._output, name, *sealed.data)
            _put(self._output, f"{sealed.name}{METADATA}", sealed.metadata)
        with self._watch.around("verify", len(self.files), unit="segments"):
            self._output.require_bytes(name, sealed.data)
        self.files.append(ExportedFile(name, sealed.size, sealed.sha256, sealed.documents))

    def _without_secrets(self, raw: bytes) -> bytes:
        try:
            public = without_secrets(decoded(raw), self._model.secret_paths)
        except InvalidDocument as error:
            raise InvalidDocument(
                f"a document of {self._model.name} cannot be exported without its secret fields",
                why=error.why,
                next="--reveal exports documents as they are",
            ) from None
        return bson.encode(public, codec_options=CODEC)

    def _file_write(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)


def _row(cells: list[str]) -> bytes:
    """A row as RFC 4180 has it, which spreadsheets read: comma, double quotes where needed, CRLF."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _put(output: OutputDirectory, name: str, *parts: bytes) -> None:
    """A file whose digest is known, or of no interest: it is not taken once more."""
    file = output.create(name, digest=False)
    for part in parts:
        file.write(part)
    file.finish()
